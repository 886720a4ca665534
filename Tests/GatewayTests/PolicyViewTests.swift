import GatewayConfiguration
import SecurityPolicy
import Tags
import TestPeers
import Testing

@testable import Gateway

/// What `sallyport policy` says.
@Suite("Asking the policy", .timeLimit(.minutes(1)))
struct PolicyViewTests {
    static func rule(_ pattern: String, _ actions: Set<TagAction>, _ line: Int) throws -> PermissionRule {
        PermissionRule(tags: try TagPattern(pattern), actions: actions, place: "gateway.yaml:\(line)")
    }

    static let tags = ["Plant.PLC1.Level", "Plant.PLC1.Valve", "Plant.PLC1.Interlock", "Simulation.Press1.Count"]

    static func view(
        writes: Bool = true, items: [PolicyView.Agent.Item] = [.init(tags: "Plant.**", enabled: true)],
        operatorsWrite: String = "Plant.PLC1.*", tags: [String] = tags
    ) throws -> PolicyView {
        PolicyView(
            groups: [
                GroupOptions(
                    name: "operators",
                    allow: [try rule("**", [.browse, .read], 5), try rule(operatorsWrite, [.write], 6)],
                    deny: [try rule("Plant.PLC1.Interlock*", [.write], 8)]),
                GroupOptions(name: "viewers", allow: [try rule("Simulation.**", [.browse, .read], 10)]),
            ],
            agents: [
                .init(name: "api", type: "rest-server", items: items, writes: writes, anonymous: false),
                .init(name: "broker", type: "mqtt", items: items, writes: false, anonymous: false),
            ],
            tags: tags.map { TagName(validated: $0) })
    }

    static let olga = Principal(user: "olga", groups: ["operators"])
    static let oskar = Principal(user: "Oskar", groups: ["Operators"])
    static let vera = Principal(user: "vera", groups: ["viewers"])

    @Test func explainsTheRuleAndTheSwitches() throws {
        let view = try Self.view(writes: false)
        let valve = try #require(view.tag(named: "plant.plc1.VALVE"))
        let explanation = PolicyExplanation(view, Self.olga, .write, valve)
        #expect(explanation.allowed && explanation.tag == "Plant.PLC1.Valve")
        #expect(explanation.decision == "allowed by \"Plant.PLC1.*\" of group operators (gateway.yaml:6)")
        #expect(explanation.rule == .init(group: "operators", tags: "Plant.PLC1.*", place: "gateway.yaml:6"))
        #expect(explanation.agents.map(\.possible) == [false, false])
        #expect(
            explanation.agents.map(\.reason) == [
                "write-endpoint is false: nobody writes through it", "takes no writes",
            ])
        let on = PolicyExplanation(try Self.view(), Self.olga, .write, valve)
        #expect(on.agents.map(\.possible) == [true, false])
        let interlock = try #require(view.tag(named: "Plant.PLC1.Interlock"))
        #expect(PolicyExplanation(view, Self.olga, .write, interlock).rule?.place == "gateway.yaml:8")
        let count = try #require(view.tag(named: "Simulation.Press1.Count"))
        let hidden = PolicyExplanation(view, Self.vera, .read, count)
        #expect(hidden.allowed && hidden.agents[0].reason == "does not expose it")
        let nobody = PolicyExplanation(view, .anonymous, .read, valve)
        #expect(!nobody.allowed && nobody.agents[0].reason == "lets nobody in without a login (anonymous: false)")
        #expect(view.tag(named: "Plant.PLC1.Nope") == nil)
    }

    @Test func theMatrixHasAColumnForEachSetOfGroups() throws {
        let subjects = PolicySubject.grouping([Self.olga, Self.vera, Self.oskar, .anonymous])
        #expect(subjects.map(\.names) == [["olga"], ["vera"], ["Oskar"], ["anonymous"]])
        let same = PolicySubject.grouping([Self.olga, Principal(user: "oleg", groups: ["operators"])])
        #expect(same.map(\.title) == ["olga, oleg"])
        let matrix = PolicyMatrix(try Self.view(), subjects)
        #expect(
            matrix.rows.map(\.cells) == [
                ["brw", "---", "brw", "---"], ["brw", "---", "brw", "---"], ["br-", "---", "br-", "---"],
                ["br-", "br-", "br-", "---"],
            ])
        #expect(matrix.columns[0].write == 2 && matrix.columns[1].read == 1)
        let some = PolicyMatrix(try Self.view(), subjects, patterns: [try TagPattern("Plant.**")], limit: 1)
        #expect(some.tags == 3 && some.rows.count == 1 && some.columns[0].browse == 3)
        let through = PolicyMatrix(try Self.view(writes: false), subjects, agent: 0)
        #expect(through.rows.map { $0.cells[0] } == ["br-", "br-", "br-", "---"])
    }

    @Test func theComparisonCountsWhatChangesAndNamesTheFirst() throws {
        let old = try Self.view()
        let new = try Self.view(
            writes: false, items: [.init(tags: "**", enabled: true)], operatorsWrite: "Plant.PLC1.Level",
            tags: Array(Self.tags.dropLast()) + ["Plant.PLC1.New"])
        let comparison = PolicyComparison(
            from: old, to: new, PolicySubject.grouping([Self.olga, Self.vera]), examples: 1)
        let changes = comparison.changes
        #expect(changes.map(\.action) == ["browse", "browse", "read", "read", "write", "browse", "read"])
        #expect(changes.map(\.allowed) == [false, true, false, true, false, false, false])
        let write = try #require(changes.first { $0.action == "write" })
        #expect(write.count == 1 && write.principals == ["olga"])
        #expect(write.examples.map(\.tag) == ["Plant.PLC1.Valve"])
        #expect(write.examples[0].after == "denied: no rule allows it")
        #expect(comparison.decisions == 7)
        #expect(changes[0].examples[0].after == "there is no such tag")
        #expect(comparison.agents.map(\.name) == ["api", "broker"])
        #expect(comparison.agents[0].switches == ["write-endpoint is true, will be false"])
        #expect(comparison.agents[0].exposedExamples == ["Plant.PLC1.New"])
        #expect(PolicyComparison(from: old, to: old, PolicySubject.grouping([Self.olga])).isEmpty)
    }

    @Test func realRequestsThatWouldBeDecidedOtherwise() throws {
        let old = try Self.view()
        let new = try Self.view(writes: false)
        func event(_ tag: String, _ outcome: AuditEvent.Outcome, agent: String = "api", by: Principal = Self.olga)
            -> AuditEvent
        {
            AuditEvent(.write, of: tag, by: by, agent: agent, outcome: outcome)
        }
        let events = [
            event("Plant.PLC1.Valve", .begun), event("Plant.PLC1.Valve", .succeeded),
            event("plant.plc1.level", .refused),
            event("Plant.PLC1.Valve", .begun), event("Plant.PLC1.Valve", .succeeded),
            event("Plant.PLC1.Valve", .succeeded, agent: ""), event("Plant.PLC1.Interlock", .refused),
            event("Plant.PLC1.Valve", .succeeded, by: Principal(user: "gone", groups: ["operators"])),
            event("no such tag", .refused), event("", .refused),
            AuditEvent(.login, of: "olga", by: Self.olga, outcome: .succeeded),
        ]
        let affected = PolicyComparison.affected(by: events, from: old, to: new, [Self.olga, Self.vera])
        #expect(affected.map(\.request.tag) == ["Plant.PLC1.Valve", "plant.plc1.level"])
        #expect(affected.map(\.count) == [2, 1])
        #expect(affected.allSatisfy { !$0.allowed && $0.request.agent == "api" })
        #expect(affected[0].after == "agent api: write-endpoint is false: nobody writes through it")
        #expect(PolicyComparison.affected(by: events, from: old, to: old, [Self.olga]).isEmpty)
    }

    @Test func whoLogsInByCertificateIsAPrincipalToo() throws {
        let directory = try TemporaryDirectory()
        try directory.write("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", to: "clients.pem")
        let path = try directory.write(
            """
            version: 1
            gateway: { name: g }
            security: { groups: [{ name: viewers, allow: [{ tags: "**", actions: [browse] }] }] }
            agents:
              - name: api
                type: rest-server
                tls:
                  client-certificates:
                    mode: optional
                    ca-file: clients.pem
                    map:
                      - { subject: "CN=scada,O=Plant", group: viewers }
                      - { san: scada.plant.example, group: viewers }
                      - { subject: "CN=ann", user: ann }
                items: [{ tags: "**" }]

            """, to: "gateway.yaml")
        let configuration = try #require(GatewayConfiguration.load(path: path, environment: [:]).configuration)
        let principals = PolicyView(configuration).certificatePrincipals
        #expect(
            principals.map(\.description) == ["certificate CN=scada,O=Plant", "certificate scada.plant.example"])
        #expect(principals.allSatisfy { $0.groups == ["viewers"] })
        let event = AuditEvent(.write, of: "Plant.PLC1.Valve", by: principals[0], agent: "api", outcome: .succeeded)
        let scada = Principal(.certificate, name: "CN=scada,O=Plant", groups: ["operators"])
        let affected = PolicyComparison.affected(
            by: [event], from: try Self.view(), to: try Self.view(writes: false), [scada])
        #expect(affected.map(\.request.kind) == [.certificate])
    }

    @Test func theReportOfARunningGatewayIsTheSamePolicy() throws {
        let view = try Self.view()
        let report = PolicyReport(groups: view.groups, agents: view.agents)
        let again = try report.view(tags: view.tags.map(\.text))
        #expect(PolicyComparison(from: view, to: again, PolicySubject.grouping([Self.olga, Self.vera])).isEmpty)
        #expect(again.groups == view.groups)
    }
}
