import FoundationEssentials
import TestPeers
import Testing

/// The page and CORS in a real browser over HTTPS, with the gateway's own certificate. Some seconds.
@Suite(
    .serialized, .timeLimit(.minutes(3)),
    .enabled(if: Browser.isInstalled, "apt-get install chromium; deploy/test does it"))
struct BrowserTests {
    private static let password = "a long reading secret"
    /// Where the pictures go when somebody wants to look at them; else they go with the test.
    private static let pictures = "SALLYPORT_BROWSER_PICTURES"

    private static func yaml(_ ports: [Int]) -> String {
        """
        version: 1
        gateway: { name: browser, data-directory: data }
        channels:
          - name: Simulation
            driver: simulator
            devices:
              - name: Press1
                tags:
                  - { name: Temperature, address: "SINE (200, 15.0, 90.0, 0.05, 0)" }
                  - { name: Count, address: "RAMP (100, 0, 1000000, 1)", type: Long }
                  - { name: Setpoint, address: K0001, type: Double, access: read-write, range: [0, 100] }
                  - { name: Total, address: K0010, type: QWord, access: read-write }
                  - name: "<img src=x onerror=alert(1)>"
                    address: "USER (60000, <b onclick=alert(3)>bold</b>)"
                    type: String
        security:
          groups:
            - name: viewers
              allow: [{ tags: "**", actions: [browse, read] }]
            - name: operators
              allow: [{ tags: "**", actions: [browse, read, write] }]
        agents:
          - name: api
            type: rest-server
            port: \(ports[0])
            cors-allowed-origins: ["http://localhost:\(ports[2])"]
            items: [{ tags: "**" }]
          - name: writes
            type: rest-server
            port: \(ports[1])
            write-endpoint: true
            items: [{ tags: "**" }]

        """
    }

    @Test("a person and pages of other origins get what they should and nothing else")
    func pageAndOrigins() async throws {
        let ports = try (0..<4).map { _ in try freePort() }
        try #require(Set(ports).count == 4)
        let plant = try Plant(Self.yaml(ports))
        try await plant.add(user: "root", password: Self.password, "--administrator")
        try await plant.add(user: "viewer", password: Self.password, "--group", "viewers")
        try await plant.add(user: "operator", password: Self.password, "--group", "operators")
        let directory = try TemporaryDirectory()
        try await plant.running { gateway in
            let total = #"[{"id":"Simulation.Press1.Total","v":18446744073709551615}]"#
            let written = try await gateway.get(
                "/write", port: ports[1], user: "operator:\(Self.password)", "-H", "Content-Type: application/json",
                "-d", total)
            #expect(written.body.contains(#""s":true"#), "\(written)")
            let fingerprint = try await Browser.fingerprint(ofKeyIn: "\(plant.dataDirectory)/tls/default.pem")
            let seen = try await Browser.run([
                "origin": "https://127.0.0.1:\(ports[0])", "user": "viewer", "password": Self.password,
                "spki": fingerprint, "tag": "Simulation.Press1.Count",
                "hostile-tag": "Simulation.Press1.<img src=x onerror=alert(1)>", "big": "Simulation.Press1.Total",
                "big-value": "18446744073709551615", "write-origin": "https://127.0.0.1:\(ports[1])",
                "writer": "operator", "writer-password": Self.password, "setpoint": "Simulation.Press1.Setpoint",
                "allowed-port": "\(ports[2])", "other-port": "\(ports[3])",
                "pictures": ProcessInfo.processInfo.environment[Self.pictures] ?? directory.path,
            ])
            // None may fall out of the script unseen.
            #expect(seen.count == 17, "\(seen)")
            #expect(seen.allSatisfy { $0.hasPrefix("ok: ") })
        }
    }
}
