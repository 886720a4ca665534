import FoundationEssentials
import Glibc
import TestPeers
import Testing

/// One day of a plant, from the first administrator to somebody who changes the audit log: what each part does is seen
/// by the next.
@Suite("A story through all parts", .serialized, .timeLimit(.minutes(4)))
struct StoryTests {
    private static func yaml(modbus: Int, rest: Int, more: String = "") -> String {
        """
        version: 1
        gateway: { name: test, data-directory: data }
        channels:
          - name: Plant
            driver: modbus-tcp
            devices:
              - name: PLC1
                host: 127.0.0.1
                port: \(modbus)
                poll: 100ms
                timeout: 2s
                tags:
                  - { name: Level, address: "40001", type: Word }
                  - { name: Set, address: "40020", type: Word, access: read-write }
        security:
          groups:
            - name: viewers
              allow: [{ tags: "**", actions: [browse, read] }]
            - name: operators
              allow: [{ tags: "**", actions: [browse, read, write] }]
            - name: guests
              allow: [{ tags: "Plant.PLC1.Level", actions: [browse, read] }]
        \(more)
        agents:
          - { name: api, type: rest-server, port: \(rest), write-endpoint: true, items: [{ tags: "**" }] }

        """
    }

    private static let olga = KeepAliveClient.basic("olga:correct horse battery staple")
    private static let vera = KeepAliveClient.basic("vera:a long reading secret")
    private static let browse = "/iotgateway/browse"
    private static let write = "/iotgateway/write"

    @Test("users, tokens, groups, writes, a reload, and all of it in the audit log")
    func story() async throws {
        try await withModbusPeer { device in
            let rest = try freePort()
            let yaml = Self.yaml(modbus: device.port, rest: rest)
            let plant = try Plant(yaml)
            try await plant.add(user: "root", password: "an administrator's password", "--administrator")
            try await plant.add(user: "olga", password: "correct horse battery staple", "--group", "operators")
            try await plant.add(user: "vera", password: "a long reading secret", "--group", "viewers")
            try await plant.running { gateway in
                try await withKeepAliveClient(port: rest, authority: plant.authority) { first in
                    try await withKeepAliveClient(port: rest, from: "127.0.0.9", authority: plant.authority) { second in
                        try await writes(first, device)
                        try await changes(plant, first, second)
                        #expect(
                            try await gateway.reload(
                                Self.yaml(modbus: device.port, rest: rest, more: "    - { name: nobody }")
                            ).contains("applied"))
                        try await rights(plant, second)
                    }
                }
            }
            try await log(plant)
        }
    }

    /// An operator writes and the device holds it; a viewer is refused.
    private func writes(_ client: KeepAliveClient, _ device: ModbusPeer) async throws {
        let read = "/iotgateway/read?ids=Plant.PLC1.Set"
        _ = try await eventually(within: .seconds(60), "a good value") {
            let answer = try await client.ask(read, authorization: Self.olga)
            return answer.status == 200 && answer.body.contains("\"s\":true") ? true : nil
        }
        let refused = try await client.ask(
            Self.write, authorization: Self.vera, body: #"{"id":"Plant.PLC1.Set","v":666}"#)
        #expect(refused.status == 200 && refused.body.contains("\"s\":false,\"r\":\"forbidden: "), "\(refused)")
        for value in [4711, 4712] {
            let written = try await client.ask(
                Self.write, authorization: Self.olga, body: #"[{"id":"Plant.PLC1.Set","v":\#(value)}]"#)
            #expect(
                written.status == 200
                    && written.body == #"{"writeResults":[{"id":"Plant.PLC1.Set","s":true,"r":""}]}"#, "\(written)")
            // Polled from the device: what it holds.
            _ = try await eventually("the value read back") {
                let answer = try await client.ask(read, authorization: Self.vera)
                return answer.body.contains("\"s\":true,\"r\":\"\",\"v\":\(value),") ? true : nil
            }
        }
        let reached = try String(contentsOfFile: device.writes, encoding: .utf8).split(separator: "\n")
        #expect(reached.count == 2 && reached[0].contains("[4711]") && reached[1].contains("[4712]"), "\(reached)")
    }

    /// Changes count on the next request of connections that are open.
    private func changes(_ plant: Plant, _ user: KeepAliveClient, _ program: KeepAliveClient) async throws {
        let made = try await plant.command("token", "create", "pump", "--group", "viewers", "--expires", "90d")
        #expect(made.code == 0, "\(made)")
        let bearer = "Bearer \(made.output.split(separator: "\n").last ?? "")"
        let all = #"{"browseResults":[{"id":"Plant.PLC1.Level"},{"id":"Plant.PLC1.Set"}],"succeeded":true,"reason":""}"#
        let seen = try await program.ask(Self.browse, authorization: bearer)
        #expect(seen.status == 200 && seen.body == all, "\(seen)")
        let forbidden = try await program.ask(
            Self.write, authorization: bearer, body: #"{"id":"Plant.PLC1.Set","v":667}"#)
        #expect(forbidden.body.contains("forbidden: "), "\(forbidden)")

        let before = try await user.ask(Self.browse, authorization: Self.vera)
        #expect(before.status == 200 && before.body == all, "\(before)")
        let moved = try await plant.command("user", "groups", "vera", "guests")
        #expect(moved.code == 0, "\(moved)")
        let after = try await user.ask(Self.browse, authorization: Self.vera)
        #expect(after.status == 200 && !after.body.contains("Plant.PLC1.Set"), "\(after)")
        #expect(after.port == before.port, "the connection stayed open")

        #expect(try await plant.command("token", "revoke", "pump").code == 0)
        let revoked = try await program.ask(Self.browse, authorization: bearer)
        #expect(revoked.status == 401 && revoked.port == seen.port, "\(revoked)")

        #expect(try await plant.command("user", "disable", "vera").code == 0)
        let disabled = try await user.ask(Self.browse, authorization: Self.vera)
        #expect(disabled.status == 401 && disabled.port == before.port, "\(disabled)")
        let other = try await user.ask(Self.browse, authorization: Self.olga)
        #expect(other.status == 200 && other.body == all, "nobody else noticed: \(other)")
    }

    /// Who administrates sees everything after the reload too.
    private func rights(_ plant: Plant, _ client: KeepAliveClient) async throws {
        let answer = try await client.ask(
            Self.browse, authorization: KeepAliveClient.basic("root:an administrator's password"))
        #expect(answer.status == 200 && answer.body.contains("Plant.PLC1.Set"), "\(answer)")
        let list = try await plant.command("group", "list")
        #expect(list.output.contains("nobody"), "\(list)")
    }

    private func log(_ plant: Plant) async throws {
        let lines = try await plant.auditLines()
        let text = lines.map { "\($0)" }.joined(separator: "\n")
        #expect(lines.map(\.sequence) == Array(1...lines.count), "\(text)")

        func only(
            _ action: String, _ outcome: String = "succeeded", by principal: String, _ fits: (AuditLine) -> Bool
        ) -> AuditLine? {
            let found = lines.filter {
                $0.action == action && $0.outcome == outcome && $0.principal == principal && fits($0)
            }
            #expect(found.count == 1, "\(action) \(outcome) by \(principal): \(found.count) in\n\(text)")
            return found.first
        }
        // Who came by the agent, from which address.
        for (name, address) in [("olga", "127.0.0.1"), ("vera", "127.0.0.1"), ("root", "127.0.0.9")] {
            let login = only("login", by: name) { $0.address == address }
            #expect(login?.agent == "api" && login?.kind == "user")
        }
        let first = only("write", "begun", by: "olga") { $0.new == "4711" }
        let second = only("write", "succeeded", by: "olga") { $0.new == "4712" }
        #expect(first?.object == "Plant.PLC1.Set" && first?.agent == "api" && first?.address == "127.0.0.1")
        #expect(second?.old == "4711" && second?.agent == "api" && second?.address == "127.0.0.1")
        #expect(only("write", "succeeded", by: "olga") { $0.new == "4711" }?.old == "0")
        let begun = only("write", "begun", by: "olga") { $0.new == "4712" }
        #expect((begun?.sequence ?? 0) < (second?.sequence ?? 0))
        for (name, address, kind) in [("vera", "127.0.0.1", "user"), ("pump", "127.0.0.9", "token")] {
            let refused = only("write", "refused", by: name) { $0.object == "Plant.PLC1.Set" }
            #expect(refused?.address == address && refused?.kind == kind && refused?.agent == "api")
            #expect(refused?.reason.hasPrefix("forbidden") == true)
        }
        // Changes are made by who sits at the machine: no agent and no address.
        let operatorName = try #require(
            only("user-add", by: lines.first { $0.action == "user-add" }?.principal ?? "") { $0.object == "vera" }
        ).principal
        let moved = only("user-groups", by: operatorName) { $0.object == "vera" }
        #expect(moved?.old == "viewers" && moved?.new == "guests" && moved?.kind == "operator")
        #expect(moved?.agent == "" && moved?.address == "")
        #expect(only("token-create", by: operatorName) { $0.object == "pump" }?.new?.contains("viewers") == true)
        #expect(only("token-revoke", by: operatorName) { $0.object == "pump" } != nil)
        #expect(only("user-disable", by: operatorName) { $0.object == "vera" } != nil)
        let reload = only("configuration", by: "sallyport") { $0.new == "group nobody added" }
        #expect((reload?.sequence ?? 0) > (moved?.sequence ?? .max), "\(text)")
        // What is secret is nowhere.
        #expect(!text.contains("correct horse") && !text.contains("sp_") && !text.contains("long reading"))

        let good = try await plant.command("audit-log", "verify")
        #expect(good.code == 0 && good.output.hasPrefix("intact"), "\(good)")
        let changed = try #require(second).sequence
        try await plant.tamper(
            "DROP TRIGGER entries_stay_as_they_are; UPDATE entries SET principal = 'vera' WHERE sequence = \(changed)")
        let bad = try await plant.command("audit-log", "verify")
        #expect(bad.code == 1 && bad.output.contains("changed  entry \(changed) of 2"), "\(bad)")
    }
}
