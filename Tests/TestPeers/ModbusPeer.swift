import Glibc
import Subprocess

/// A Modbus TCP device in a process of its own: deploy/modbus-device, served by pymodbus.
package struct ModbusPeer: Sendable {
    /// Of 127.0.0.1.
    package let port: Int
    package let unit: Int
    /// A JSON line for each write that reached the device.
    package let writes: String
    let processIdentifier: Int32

    /// SIGKILL: no goodbye but the kernel's.
    package func kill() { Glibc.kill(processIdentifier, SIGKILL) }

    /// SIGSTOP: connections stay open and nobody answers.
    package func freeze() { Glibc.kill(processIdentifier, SIGSTOP) }

    package func thaw() { Glibc.kill(processIdentifier, SIGCONT) }

    /// Makes the Python environment where it is missing and gives its interpreter's path.
    static func interpreter() async throws -> String {
        let result = try await Subprocess.run(
            .name("env"), arguments: ["\(packageRoot)/deploy/modbus-device/install"], output: .string(limit: 4096),
            error: .string(limit: 65536))
        let path = result.standardOutput.split(separator: "\n").last.map(String.init)
        guard result.terminationStatus.isSuccess, let path else {
            throw TestPeerError("deploy/modbus-device/install: \(result.standardError)")
        }
        return path
    }
}

/// Runs a device for the time of the body: it listens when the body begins and is gone when this returns.
///
/// - Parameter port: nil for a free one.
package func withModbusPeer<Result: Sendable>(
    port: Int? = nil, unit: Int = 1, _ body: (ModbusPeer) async throws -> Result
) async throws -> Result {
    let port = try port ?? freePort()
    let directory = try TemporaryDirectory()
    let writes = directory.file("writes.jsonl")
    let interpreter = try await ModbusPeer.interpreter()
    let outcome = try await Subprocess.run(
        .name("env"),  // which execs: the process identifier is the device's
        arguments: [
            interpreter, "\(packageRoot)/deploy/modbus-device/device.py", "--port", "\(port)", "--unit", "\(unit)",
            "--record-writes", writes, "--exit-with-parent",
        ],
        input: .none, output: .sequence, error: .currentStandardError
    ) { execution in
        defer { Glibc.kill(execution.processIdentifier.value, SIGKILL) }
        var lines = execution.standardOutput.strings().makeAsyncIterator()
        while let line = try await lines.next() {
            guard line.hasPrefix("listening on") else { continue }
            return try await body(
                ModbusPeer(
                    port: port, unit: unit, writes: writes, processIdentifier: execution.processIdentifier.value))
        }
        throw TestPeerError("the Modbus device ended before it listened on port \(port)")
    }
    return outcome.closureResult
}
