import GatewayConfiguration
import Posture
import Tags
import TestPeers
import Testing

@Suite("Posture", .timeLimit(.minutes(5)))
struct PostureTests {
    /// 2026-06-15T12:00:00Z
    private static let now = Timestamp(milliseconds: 1_781_524_800_000)

    private func report(_ agent: String, risks: String = "[]", groups: String = "[]") throws -> PostureReport {
        let directory = try TemporaryDirectory()
        let path = try directory.write(
            """
            version: 1
            gateway: { name: g }
            channels: [{ name: S, driver: simulator, devices: [{ name: D, tags: [{ name: A, address: K1 }] }] }]
            accept-risk: \(risks)
            agents:
              - { name: other, type: mqtt, url: "ssl://b.example", username: u, password: { environment: P }, items: [{ tags: "**" }] }
              - { name: x, items: [{ tags: "**" }], \(agent) }
            security: { groups: \(groups) }
            """, to: "gateway.yaml")
        let outcome = GatewayConfiguration.load(path: path, environment: ["P": "p"])
        #expect(outcome.errors == [])
        return Posture.evaluate(try #require(outcome.configuration), at: PostureTests.now)
    }

    private static let pin = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    private static let user = "username: u, password: { environment: P }"

    @Test(
        arguments: [
            // MQTT
            ("type: mqtt, url: \"ssl://b.example\", \(user)", []),
            ("type: mqtt, url: \"ssl://b.example\"", ["SP-103"]),
            ("type: mqtt, url: \"ssl://b.example\", \(user), tls: { verify: false }", ["SP-104"]),
            ("type: mqtt, url: \"ssl://127.0.0.1\", \(user), tls: { verify: false, pin-sha256: [\(pin)] }", ["SP-104"]),
            ("type: mqtt, url: \"ssl://b.example\", \(user), tls: { verify: true, pin-sha256: [\(pin)] }", []),
            ("type: mqtt, url: \"ssl://b.example\", enabled: false, tls: { verify: false }", []),
            ("type: mqtt, url: \"tcp://b.example\"", ["SP-101"]),
            ("type: mqtt, url: \"TCP://10.0.0.1\"", ["SP-101"]),
            ("type: mqtt, url: \"mqtt://b.example\", \(user)", ["SP-101", "SP-102"]),
            ("type: mqtt, url: \"tcp://127.0.0.1\"", []),
            ("type: mqtt, url: \"tcp://[::1]\"", []),
            ("type: mqtt, url: \"tcp://LocalHost\"", []),
            ("type: mqtt, url: \"tcp://localhost\", \(user)", ["SP-102"]),
            ("type: mqtt, enabled: false, url: \"tcp://b.example\", \(user)", []),
            // REST client
            ("type: rest-client, url: \"https://h.example\", \(user)", []),
            ("type: rest-client, url: \"https://h.example\", token: { environment: P }", []),
            ("type: rest-client, url: \"https://h.example\"", ["SP-203"]),
            ("type: rest-client, url: \"https://h.example\", \(user), tls: { verify: false }", ["SP-204"]),
            ("type: rest-client, url: \"http://h.example\"", ["SP-201"]),
            ("type: rest-client, url: \"HTTP://10.0.0.1\", \(user)", ["SP-201", "SP-202"]),
            ("type: rest-client, url: \"http://127.0.0.1\"", []),
            ("type: rest-client, url: \"http://[::1]/x\", token: { environment: P }", ["SP-202"]),
            ("type: rest-client, url: \"http://localhost\", headers: { X-Api-Key: { environment: P } }", ["SP-202"]),
            ("type: rest-client, url: \"http://127.0.0.1\", proxy: \"http://proxy.example:3128\"", ["SP-201"]),
            ("type: rest-client, enabled: false, url: \"http://h.example\", \(user)", []),
            // REST server
            ("type: rest-server", []),
            ("type: rest-server, https: false", ["SP-302"]),
            ("type: rest-server, https: false, bind: lo", ["SP-301"]),
            ("type: rest-server, https: false, bind: 192.168.0.1", ["SP-301"]),
            ("type: rest-server, https: false, bind: eth0", ["SP-301"]),
            ("type: rest-server, https: false, bind: 0.0.0.0", ["SP-301", "SP-303"]),
            ("type: rest-server, bind: \"::\"", ["SP-303", "SP-304"]),
            ("type: rest-server, bind: 10.1.1.1", ["SP-304"]),
            ("type: rest-server, enabled: false, https: false, bind: 0.0.0.0", []),
            ("type: rest-server, anonymous: true", []),
            ("type: rest-server, anonymous: true, bind: 10.1.1.1", ["SP-305", "SP-304"]),
            ("type: rest-server, anonymous: true, trusted-proxies: [127.0.0.1]", ["SP-305"]),
            ("type: rest-server, anonymous: true, write-endpoint: true", ["SP-308"]),
            (
                "type: rest-server, anonymous: true, write-endpoint: true, bind: lo",
                ["SP-305", "SP-306", "SP-304", "SP-308"]
            ),
            ("type: rest-server, write-endpoint: true", ["SP-308"]),
            ("type: rest-server, trusted-proxies: [10.0.0.1, 0.0.0.0/0]", ["SP-309"]),
            ("type: rest-server, trusted-proxies: [\"::/1\"]", ["SP-309"]),
        ] as [(String, [String])])
    func eachRuleFiresAndIsQuiet(_ agent: String, _ expected: [String]) throws {
        let report = try report(agent)
        #expect(report.findings.map(\.rule.id) == expected)
        #expect(report.findings.allSatisfy { $0.agent == "x" && $0.place.line == 7 })
        let critical = report.findings.filter { $0.rule.severity == .critical }.count
        #expect(report.refusals.count == critical)
        #expect(report.problems.count == critical)
        #expect(report.hasErrors == (critical > 0))
    }

    @Test func aRefusalNamesPlaceFixAndAcceptance() throws {
        let problem = try #require(try report("type: mqtt, url: \"tcp://b.example\"").problems.first)
        #expect(problem.place.line == 7)
        #expect(problem.place.column == 53)
        #expect(
            problem.message
                == "SP-101 MQTT in clear text beyond this machine (R2, R3, R4): url is tcp://b.example:1883; "
                + "without TLS everybody on the way reads and changes what is published. "
                + "Write url: ssl://b.example:8883, or take the risk knowingly with accept-risk: "
                + "[{ rule: SP-101, agent: x, reason: \"…\", until: YYYY-MM-DD }]")
    }

    private static let plain = "type: mqtt, url: \"tcp://b.example\""

    @Test(arguments: ["agent: x, ", "agent: X, ", ""])
    func anAcceptedRiskDoesNotRefuse(_ agent: String) throws {
        let report = try report(PostureTests.plain, risks: "[{ rule: SP-101, \(agent)reason: r, until: 2026-06-15 }]")
        #expect(report.problems == [])
        #expect(report.refusals.isEmpty)
        #expect(report.accepted.map(\.rule.id) == ["SP-101"])
        #expect(report.refusedAgents == [])
    }

    @Test func anAcceptanceOfAnotherAgentOrRuleDoesNotCount() throws {
        for risks in ["[{ rule: SP-101, agent: other, reason: r }]", "[{ rule: SP-102, agent: x, reason: r }]"] {
            let report = try report(PostureTests.plain, risks: risks)
            #expect(report.refusals.map(\.rule.id) == ["SP-101"])
            #expect(report.problems.map(\.severity) == [.warning, .error])
        }
    }

    @Test func anAcceptanceThatRanOutRefusesTheAgentOnly() throws {
        let report = try report(PostureTests.plain, risks: "[{ rule: SP-101, agent: x, reason: r, until: 2026-06-14 }]")
        #expect(report.refusals.isEmpty)
        #expect(report.accepted.isEmpty)
        #expect(report.expired.map(\.rule.id) == ["SP-101"])
        #expect(report.refusedAgents == ["x"])
        #expect(!report.hasErrors)
        #expect(report.problems.map(\.severity) == [.warning])
        #expect(report.problems.first?.place.line == 4)
    }

    @Test func aLaterAcceptanceWinsOverOneThatRanOut() throws {
        let report = try report(
            PostureTests.plain,
            risks: "[{ rule: SP-101, agent: x, reason: r, until: 2020-01-01 }, { rule: SP-101, reason: r }]")
        #expect(report.accepted.map(\.rule.id) == ["SP-101"])
        #expect(report.refusedAgents == [])
    }

    @Test func anUnknownRuleIsAnError() throws {
        let report = try report("type: rest-server", risks: "[{ rule: SP-999, reason: r }]")
        #expect(report.hasErrors)
        #expect(
            report.problems.map(\.message) == [
                "no rule has the id \"SP-999\"; the rules are SP-101, SP-102, SP-103, SP-104, SP-201, SP-202, SP-203, "
                    + "SP-204, SP-301, SP-302, SP-303, SP-304, SP-305, SP-306, SP-307, SP-308, SP-309"
            ])
    }

    private static let writers =
        "[{ name: Anonymous, allow: [{ tags: \"**\", actions: [browse, write] }] }, { name: w }]"

    @Test func anonymousWritesOnThisMachine() throws {
        let report = try report("type: rest-server, anonymous: true, write-endpoint: true", groups: Self.writers)
        #expect(report.findings.map(\.rule.id) == ["SP-307"])
        #expect(!report.hasErrors)
    }

    /// The one risk that nobody may take.
    @Test(arguments: ["agent: x, ", ""])
    func anonymousWritesFromElsewhereCannotBeAccepted(_ agent: String) throws {
        let report = try report(
            "type: rest-server, anonymous: true, write-endpoint: true, bind: 10.1.1.1",
            risks: "[{ rule: SP-305, reason: r }, { rule: SP-306, \(agent)reason: r }, { rule: SP-308, reason: r }]",
            groups: "[]")
        #expect(report.hasErrors)
        #expect(report.refusals.map(\.rule.id) == ["SP-306"])
        #expect(report.accepted.map(\.rule.id) == ["SP-305", "SP-308"])
        let errors = report.problems.filter { $0.severity == .error }.map(\.message)
        #expect(errors.count == 2)
        #expect(errors.first == "SP-306 cannot be accepted; remove the entry and put it right")
        #expect(errors.last?.hasSuffix("; this risk cannot be accepted") == true)
        #expect(errors.last?.contains("accept-risk") == false)
    }

    @Test func theExampleHasNothingCritical() throws {
        let path = "\(packageRoot)/config/gateway.yaml"
        let configuration = try #require(GatewayConfiguration.load(path: path, environment: [:]).configuration)
        let report = Posture.evaluate(configuration, at: PostureTests.now)
        #expect(report.findings.isEmpty)
        #expect(report.problems == [])
    }

    @Test func theTableIsWhole() {
        #expect(Set(Posture.rules.map(\.id)).count == Posture.rules.count)
        #expect(Posture.rules.map(\.id) == Posture.rules.map(\.id).sorted())
        for rule in Posture.rules {
            #expect(!rule.recommendations.isEmpty && !rule.title.isEmpty && !rule.why.isEmpty)
        }
    }
}
