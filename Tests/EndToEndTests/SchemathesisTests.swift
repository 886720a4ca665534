import FoundationEssentials
import Subprocess
import TestPeers
import Testing

/// schemathesis makes requests from openapi.json, right and wrong ones, and holds the answers against it: no 5xx, no
/// undocumented status, content type, header or shape, nothing wrong accepted and nothing right refused.
///
/// `SALLYPORT_SCHEMATHESIS` says how many examples an operation gets, `SALLYPORT_SCHEMATHESIS_SEED` which.
@Suite("schemathesis finds nothing", .serialized, .timeLimit(.minutes(600)))
struct SchemathesisTests {
    static let examples = ProcessInfo.processInfo.environment["SALLYPORT_SCHEMATHESIS"] ?? "8"
    static let seed = ProcessInfo.processInfo.environment["SALLYPORT_SCHEMATHESIS_SEED"] ?? "1"

    enum Login: Sendable, Equatable {
        case user(String)
        /// The watcher's, and nobody gets in without one.
        case certificate
        case nobody
    }

    private static func configuration(port: Int, login: Login, writes: Bool, authority: DemoAuthority) -> String {
        """
        version: 1
        gateway: { name: described, data-directory: data }
        channels:
          - name: Simulation
            driver: simulator
            devices:
              - name: Press1
                tags:
                  - { name: Temperature, address: "SINE (1000, 15.0, 90.0, 0.05, 0)" }
                  - { name: State, address: "USER (5000, idle, running)", type: String }
                  - { name: Setpoint, address: K0001, type: Double, access: read-write, range: [0, 100] }
                  - { name: Recipe, address: S0001, type: String, access: read-write }
                  - { name: Steps, address: "K0010 [4]", type: Long, access: read-write }
        security:
          groups:
            - name: viewers
              allow: [{ tags: "**", actions: [browse, read] }]
            - name: anonymous
              allow: [{ tags: "**", actions: [browse, read] }]
        agents:
          - name: api
            type: rest-server
            port: \(port)
            write-endpoint: \(writes)
            anonymous: \(login == .nobody)
            cors-allowed-origins: [\(login == .user("chief") && writes ? "https://scada.example" : "")]
            items: [{ tags: "**" }]
            tls:
              client-certificates:
                mode: \(login == .certificate ? "required" : "none")
                ca-file: \(authority.certificateFile)
                map: [{ subject: "CN=scada,O=Plant", user: watcher }]
        """
    }

    /// Who asks, and whether the agent's write endpoint is on.
    @Test(
        "whoever asks",
        arguments: [
            (Login.user("chief"), true), (.user("chief"), false), (.user("watcher"), true), (.certificate, false),
            (.nobody, false),
        ])
    func run(as login: Login, writes: Bool) async throws {
        let port = try freePort()
        let authority = try await DemoAuthority()
        let identity = try await authority.issue("scada", organization: "Plant", names: [], usage: .client)
        let plant = try Plant(Self.configuration(port: port, login: login, writes: writes, authority: authority))
        try await plant.add(user: "chief", password: password, "--administrator")
        try await plant.add(user: "watcher", password: password, "--group", "viewers")
        let programs = try await HostilePeers.programs()
        let certificate = "\(plant.dataDirectory)/tls/default.pem"
        var arguments = [
            "--chdir", plant.directory.path, "\(programs)/schemathesis", "--config-file",
            "\(HostilePeers.directory)/schemathesis.toml", "run", "https://127.0.0.1:\(port)/iotgateway/openapi.json",
            "--tls-verify", certificate, "--checks", "all", "--no-color", "--max-examples", Self.examples, "--seed",
            Self.seed, "--generation-database", "none", "--output-truncate", "true",
        ]
        switch login {
        case .user(let name): arguments += ["--auth", "\(name):\(password)"]
        case .certificate:
            // It cannot leave the certificate out to see whether it is asked for, and makes up passwords beside it.
            arguments += [
                "--request-cert", identity.certificateFile, "--request-cert-key", identity.keyFile,
                "--exclude-checks", "ignored_auth,positive_data_acceptance",
            ]
        case .nobody: break
        }
        let command = arguments
        let result = try await plant.running { gateway in
            let result = try await Subprocess.run(
                .name("env"), arguments: Arguments(command), input: .none, output: .string(limit: 8 << 20),
                error: .string(limit: 1 << 20))
            let health = try await runCommand(
                "curl",
                [
                    "-sS", "--cacert", certificate, "--cert", identity.certificateFile, "--key", identity.keyFile,
                    "https://127.0.0.1:\(port)/healthz",
                ])
            #expect(health.contains("true"))
            return (said: result.standardOutput + result.standardError, hasPassed: result.terminationStatus.isSuccess)
        }
        // What it holds against the gateway comes last, behind what it has done, with requests of any length.
        let begin = result.said.firstRange(of: /=+ (ERRORS|FAILURES) =+/)?.lowerBound ?? result.said.startIndex
        let faults = result.said[begin...].split(separator: "\n").map { $0.prefix(300) }.joined(separator: "\n")
        #expect(result.hasPassed, "\(faults)")
        // It has not overlooked the document, nor given up at the first refusal.
        let tested = try #require(result.said.firstMatch(of: /Tested: (\d+)/).flatMap { Int($0.1) }, "\(result.said)")
        #expect(tested >= 13, "\(result.said)")
        let generated = result.said.firstMatch(of: /(\d+) generated/).flatMap { Int($0.1) }
        #expect(generated ?? 0 >= 200, "\(result.said)")
    }

    private let password = "correct horse battery staple"
}
