import Glibc
import Subprocess

/// Headless Chromium with browser.py, which uses the REST server agent's page as a person does.
package enum Browser {
    /// `deploy/test` installs it; elsewhere it may be missing.
    package static var isInstalled: Bool { access("/usr/bin/chromium", X_OK) == 0 }

    /// What `--ignore-certificate-errors-spki-list` takes: this one key is trusted, no other.
    package static func fingerprint(ofKeyIn certificateFile: String) async throws -> String {
        let script = """
            openssl x509 -in "$1" -pubkey -noout | openssl pkey -pubin -outform der |
            openssl dgst -sha256 -binary | base64
            """
        return try await runCommand("bash", ["-o", "pipefail", "-c", script, "bash", certificateFile])
            .filter { !$0.isWhitespace }
    }

    /// Runs the script to its end and gives what it saw to be right; an error with the first thing that was not.
    package static func run(_ options: [String: String]) async throws -> [String] {
        let arguments = options.flatMap { ["--\($0.key)", $0.value] }
        return try await runCommand("python3", ["\(packageRoot)/Tests/TestPeers/browser.py"] + arguments)
            .split(separator: "\n").map(String.init)
    }
}
