import Foundation
import Subprocess
import TestPeers
import Testing

/// What scanners say of the agent's TLS: sslyze against Mozilla's intermediate configuration, and testssl.
@Suite("TLS scanners", .serialized, .timeLimit(.minutes(12)))
struct TLSScanTests {
    private static var hasTestSSL: Bool { FileManager.default.isExecutableFile(atPath: "/usr/bin/testssl") }

    /// One thing that testssl looked at.
    private struct Finding: Decodable {
        let id: String
        let severity: String
        let finding: String
    }

    /// Runs a gateway whose agent shows an imported certificate, or the default one.
    private func scan(
        imported: Bool, _ body: (_ port: Int, _ authority: String?) async throws -> Void
    ) async throws {
        let rest = try freePort()
        let plant = try await PlantConfiguration(restPort: rest).plant()
        let authority = try await DemoAuthority()
        if imported {
            // Where an authority says that it publishes revocations is not looked up by anybody here.
            let identity = try await authority.issue(
                "localhost", days: 365, revocationList: "http://ca.plant.example/revoked.crl")
            try plant.write(
                PlantConfiguration(restPort: rest).yaml.replacing(
                    "type: rest-server", with: "type: rest-server\n    tls: { identity: imported }"
                ).replacing(
                    "security:",
                    with: """
                        tls:
                          identities:
                            - name: imported
                              certificate: \(identity.certificateFile)
                              key: \(identity.keyFile)
                        security:
                        """))
        }
        try await plant.running { _ in try await body(rest, imported ? authority.certificateFile : nil) }
    }

    @Test("sslyze finds Mozilla's intermediate configuration, but for the trust of the self-signed certificate")
    func sslyzeDefault() async throws {
        let programs = try await HostilePeers.programs()
        try await scan(imported: false) { port, _ in
            let report = try await sslyze(programs, port, nil)
            let faults = report.split(whereSeparator: \.isNewline).map { $0.trimmingPrefix { $0 == " " } }
                .filter { $0.hasPrefix("* ") && $0.contains(": ") }
                .drop { !$0.contains("certificate_path_validation") }
            #expect(report.contains("FAILED - Not compliant."), "\(report.suffix(1500))")
            #expect(faults.count == 1, "\(faults)")
        }
    }

    @Test("sslyze finds Mozilla's intermediate configuration with an imported certificate")
    func sslyzeImported() async throws {
        let programs = try await HostilePeers.programs()
        try await scan(imported: true) { port, authority in
            let report = try await sslyze(programs, port, authority)
            #expect(report.contains("OK - Compliant."), "\(report.suffix(1500))")
        }
    }

    private func sslyze(_ programs: String, _ port: Int, _ authority: String?) async throws -> String {
        var arguments = ["--mozilla_config", "intermediate", "localhost:\(port)"]
        if let authority { arguments += ["--certinfo", "--certinfo_ca_file", authority] }
        let result = try await run(
            .name("env"), arguments: Arguments(["\(programs)/sslyze"] + arguments), input: .none,
            output: .string(limit: 1 << 20), error: .combinedWithOutput)
        return result.standardOutput
    }

    @Test(
        "testssl finds nothing above low with an imported certificate",
        .enabled(if: hasTestSSL, "testssl is not installed: apt-get install testssl.sh"))
    func testsslImported() async throws {
        try await scan(imported: true) { port, authority in
            let grave = try await testssl(port, authority)
            #expect(grave.isEmpty, "\(grave)")
        }
    }

    @Test(
        "testssl finds nothing above low with the default certificate, but that nobody has signed it",
        .enabled(if: hasTestSSL && Extent.isAll, "\(Extent.onlyAll)"))
    func testsslDefault() async throws {
        try await scan(imported: false) { port, _ in
            let grave = try await testssl(port, nil)
            // No authority vouches for it, and none would revoke it.
            #expect(Set(grave.map(\.id)) == ["cert_chain_of_trust", "cert_revocation"], "\(grave)")
        }
    }

    /// - Returns: findings above "low".
    private func testssl(_ port: Int, _ authority: String?) async throws -> [Finding] {
        let directory = try TemporaryDirectory()
        let file = directory.file("findings.json")
        var arguments = ["--quiet", "--warnings", "off", "--color", "0", "--ip", "127.0.0.1", "--jsonfile", file]
        if let authority { arguments += ["--add-ca", authority] }
        let result = try await run(
            .name("testssl"), arguments: Arguments(arguments + ["https://localhost:\(port)"]), input: .none,
            output: .string(limit: 1 << 22), error: .combinedWithOutput)
        let all = try JSONDecoder().decode([Finding].self, from: Data(contentsOf: URL(filePath: file)))
        // A scan that broke off has looked at little.
        #expect(all.count > 60, "\(result.standardOutput.suffix(1500))")
        // Of the scanner's own OpenSSL, which has no engine for GOST on some machines.
        return all.filter { !["INFO", "OK", "LOW", "DEBUG"].contains($0.severity) && $0.id != "engine_problem" }
    }
}
