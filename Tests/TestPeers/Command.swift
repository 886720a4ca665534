import Subprocess

/// Runs a program to its end; an exit code that is not 0 is an error with what it said.
@discardableResult
package func runCommand(_ name: String, _ arguments: [String]) async throws -> String {
    let result = try await run(
        .name(name), arguments: Arguments(arguments), input: .none, output: .string(limit: 1 << 20),
        error: .string(limit: 1 << 20))
    guard result.terminationStatus.isSuccess else {
        throw TestPeerError(
            "\(name) \(arguments.joined(separator: " ")): \(result.terminationStatus)\n\(result.standardError)")
    }
    return result.standardOutput
}
