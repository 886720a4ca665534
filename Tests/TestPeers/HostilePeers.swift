import Subprocess

/// Programs from PyPI that set upon a server: Tests/HostilePeers.
package enum HostilePeers {
    package static let directory = "\(packageRoot)/Tests/HostilePeers"

    /// Makes the Python environment where it is missing and gives the directory of its programs.
    package static func programs() async throws -> String {
        let lines = try await runCommand("env", ["\(directory)/install"]).split(separator: "\n")
        guard let python = lines.last, let slash = python.lastIndex(of: "/") else {
            throw TestPeerError("Tests/HostilePeers/install named no interpreter")
        }
        return String(python[..<slash])
    }

    /// Runs a script of Tests/HostilePeers to its end and gives what it says, line by line.
    package static func run(_ script: String, _ arguments: [String]) async throws -> [String] {
        try await runCommand("env", ["\(try await programs())/python", "\(directory)/\(script)"] + arguments)
            .split(separator: "\n").map(String.init)
    }
}
