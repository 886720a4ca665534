import Subprocess
import TestPeers

/// Debian's slowhttptest, which keeps connections busy with as little as it can.
struct SlowHTTPTest: Sendable {
    enum Mode: String, Sendable, CaseIterable {
        case headers = "-H"
        case body = "-B"
        case reading = "-X"
    }

    let mode: Mode
    var connections = 200
    /// Seconds, if connections stay open so long.
    var length = 40

    /// - Parameter credentials: `name:password`.
    /// - Returns: all that it said.
    func run(_ url: String, as credentials: String) async throws -> String {
        var arguments = [
            mode.rawValue, "-c", "\(connections)", "-r", "\(connections)", "-l", "\(length)", "-i", "1", "-p", "3",
            "-u", url,
            // It has no option for a login, and sends this as it is.
            "-j", "a=b\r\nAuthorization: \(KeepAliveClient.basic(credentials))",
        ]
        if mode == .reading { arguments += ["-w", "10", "-y", "20", "-n", "2", "-z", "5", "-k", "10"] }
        let result = try await Subprocess.run(
            .name("slowhttptest"), arguments: Arguments(arguments), input: .none, output: .string(limit: 8 << 20),
            error: .combinedWithOutput)
        return result.standardOutput
    }
}
