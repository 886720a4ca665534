import Glibc
import Synchronization
import TestPeers
import Testing

@Suite("A flood of bad logins", .serialized, .timeLimit(.minutes(4)))
struct BadLoginFloodTests {
    private static let attackers = 8
    private static let requests = 100

    private final class Flag: Sendable {
        private let value = Atomic(false)

        var isSet: Bool { value.load(ordering: .relaxed) }
        func set() { value.store(true, ordering: .relaxed) }
    }

    @Test("disturbs no reader, is held up, fills no audit log and locks nobody out")
    func flood() async throws {
        let rest = try freePort()
        let plant = try await PlantConfiguration(restPort: rest).plant()
        try await plant.running { gateway in
            let viewer = KeepAliveClient.basic(PlantConfiguration.viewer)
            let path = "/iotgateway/read?ids=Simulation.Press1.Count"
            let start = ContinuousClock().now
            let isOver = Flag()
            let reads = try await withKeepAliveClient(port: rest, authority: plant.authority) { reader in
                #expect(try await reader.ask(path, authorization: viewer).status == 200)
                return try await withThrowingTaskGroup(of: Int.self) { group in
                    group.addTask {
                        var count = 0
                        while !isOver.isSet {
                            let answer = try await reader.ask(path, authorization: viewer)
                            #expect(answer.status == 200, "\(answer)")
                            count += 1
                        }
                        return count
                    }
                    group.addTask {
                        defer { isOver.set() }
                        let refused = try await Self.attack(rest, plant)
                        #expect(refused[401, default: 0] > 0 && refused[429, default: 0] > 0, "\(refused)")
                        #expect(refused.count == 2, "401 and 429 only: \(refused)")
                        return 0
                    }
                    return try await group.reduce(0, +)
                }
            }
            #expect(reads > 10)
            // Its name was tried a hundred times from there, and it has not logged in before.
            let root = try await gateway.get(
                "/browse", port: rest, user: "root:an administrator's password", "--interface", "127.0.0.3",
                "--max-time", "60")
            #expect(root.status == 200, "\(root)")

            _ = try await plant.command("audit-log", "verify")
            let seconds = Int((ContinuousClock().now - start).components.seconds) + 2
            let all = try await plant.auditLines("--action", "login")
            let lines = all.filter { $0.outcome == "refused" }
            // A row a second for each of two names; what comes in the same second is counted in it.
            #expect(lines.count >= 1 && lines.count <= 2 * seconds, "\(lines.count) in \(seconds) s")
            #expect(lines.allSatisfy { $0.address == "127.0.0.2" })
            #expect(lines.map(\.count).reduce(0, +) == Self.attackers * Self.requests, "\(lines)")
            #expect(all.filter { $0.outcome == "succeeded" }.map(\.address).sorted() == ["127.0.0.1", "127.0.0.3"])
        }
    }

    /// A listener ends with its requests: a queue of passwords must not hold up the stop.
    @Test("does not hold up the stop")
    func stop() async throws {
        let rest = try freePort()
        let plant = try await PlantConfiguration(restPort: rest).plant()
        try await withThrowingTaskGroup(of: RESTAnswer.self) { group in
            try await plant.running { gateway in
                for number in 1...12 {
                    group.addTask {
                        try await gateway.get(
                            "/browse", port: rest, user: "root:guess \(number)", "--interface", "127.0.1.\(number)",
                            "--max-time", "60")
                    }
                }
                _ = try await gateway.log.first { $0.contains("Login refused") }
                gateway.signal(SIGTERM)
                _ = try await gateway.log.first { $0.contains("Stopped") }
            }
            for try await answer in group { #expect([0, 401, 429].contains(answer.status), "\(answer)") }
        }
    }

    /// How many answers of each status there were.
    private static func attack(_ port: Int, _ plant: Plant) async throws -> [Int: Int] {
        try await withThrowingTaskGroup(of: [Int: Int].self) { group in
            for attacker in 0..<attackers {
                group.addTask {
                    try await withKeepAliveClient(port: port, from: "127.0.0.2", authority: plant.authority) { client in
                        var statuses: [Int: Int] = [:]
                        for number in 0..<requests {
                            let user = attacker % 2 == 0 ? "viewer" : "root"
                            let answer = try await client.ask(
                                "/iotgateway/browse",
                                authorization: KeepAliveClient.basic("\(user):guess \(attacker) \(number)"))
                            statuses[answer.status, default: 0] += 1
                            if answer.status == 429 {
                                #expect(Int(answer.headers["retry-after"] ?? "") ?? 0 >= 1, "\(answer)")
                            }
                        }
                        return statuses
                    }
                }
            }
            return try await group.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
        }
    }
}
