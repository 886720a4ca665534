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

    private static func configuration(port: Int, writes: Bool, anonymous: Bool) -> String {
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
            anonymous: \(anonymous)
            cors-allowed-origins: [https://scada.example]
            items: [{ tags: "**" }]
        """
    }

    /// Who asks, and whether the agent's write endpoint is on.
    @Test(
        "whoever asks",
        arguments: [("chief", true), ("chief", false), ("watcher", true), ("watcher", false), (nil, false)])
    func run(as user: String?, writes: Bool) async throws {
        let port = try freePort()
        let plant = try Plant(Self.configuration(port: port, writes: writes, anonymous: user == nil))
        try await plant.add(user: "chief", password: password, "--administrator")
        try await plant.add(user: "watcher", password: password, "--group", "viewers")
        let programs = try await HostilePeers.programs()
        try await plant.running { gateway in
            let url = "https://127.0.0.1:\(port)/iotgateway/openapi.json"
            var arguments = [
                "\(programs)/schemathesis", "--config-file", "\(HostilePeers.directory)/schemathesis.toml", "run", url,
                "--tls-verify", "\(plant.dataDirectory)/tls/default.pem", "--checks", "all", "--no-color",
                "--max-examples", Self.examples, "--seed", Self.seed, "--generation-database", "none",
                "--output-truncate", "true",
            ]
            if let user { arguments += ["--auth", "\(user):\(password)"] }
            let result = try await Subprocess.run(
                .name("env"), arguments: Arguments(["--chdir", plant.directory.path] + arguments),
                input: .none, output: .string(limit: 8 << 20), error: .string(limit: 1 << 20))
            let said = result.standardOutput
            #expect(result.terminationStatus.isSuccess, "\(said)\(result.standardError)")
            // It has not overlooked the document, nor given up at the first refusal.
            let tested = try #require(said.firstMatch(of: /Tested: (\d+)/).flatMap { Int($0.1) }, "\(said)")
            #expect(tested >= 24, "\(said)")
            let generated = try #require(said.firstMatch(of: /(\d+) generated/).flatMap { Int($0.1) }, "\(said)")
            #expect(generated >= 400, "\(said)")
            let answer = try await gateway.get(
                "/read?ids=Simulation.Press1.Temperature", port: port, user: user.map { "\($0):\(password)" })
            #expect(answer.status == 200)
        }
    }

    private let password = "correct horse battery staple"
}
