import FoundationEssentials
import TestPeers

/// A plant whose agent `broker` publishes each tag on a topic of its own, and what `outbox` says of it.
struct OutboxPlant {
    let plant: Plant

    /// `Count` changes ten times a second; the three others have their first value, and stay.
    init(port: Int, publish: String = "{ topic: 'plant/|TAG|', rate: 100ms }") throws {
        plant = try Plant(
            """
            version: 1
            gateway: { name: test, data-directory: data }
            channels:
              - name: Simulation
                driver: simulator
                devices:
                  - name: Press1
                    tags:
                      - { name: Count, address: "RAMP (100, 0, 1000000, 1)", type: Long }
                      - { name: Special1, address: K0001, type: Long }
                      - { name: Special2, address: K0002, type: Long }
                      - { name: Special3, address: K0003, type: Long }
            agents:
              - name: broker
                type: mqtt
                url: tcp://127.0.0.1:\(port)
                publish: \(publish)
                items: [{ tags: "Simulation.Press1.*" }]

            """)
    }

    struct Overview: Decodable {
        struct Agent: Decodable {
            var agent: String
            var isRunning: Bool
            var messages: Int
            var events: Int
            var deadLetters: Int
            var sequence: Int
            var epoch: String
        }

        var agents: [Agent]
    }

    struct Letter: Decodable {
        var sequence: Int
        var epoch: String
        var events: Int
        var topic: String?
        var reason: String
    }

    func outbox(_ arguments: String...) async throws -> CommandOutcome {
        try await Plant.command(["outbox"] + arguments + ["--config", plant.configuration])
    }

    func status() async throws -> Overview.Agent {
        let outcome = try await outbox("status", "broker", "--format", "json")
        guard outcome.code == 0 else { throw TestPeerError(outcome.errors) }
        let overview = try JSONDecoder().decode(Overview.self, from: Data(outcome.output.utf8))
        guard let agent = overview.agents.first else { throw TestPeerError("no agent: \(outcome.output)") }
        return agent
    }

    /// Waits until the status is as wanted, and gives it.
    @discardableResult
    func status(_ what: String, until isWanted: (Overview.Agent) -> Bool) async throws -> Overview.Agent {
        try await eventually(what) {
            let status = try await status()
            return isWanted(status) ? status : nil
        }
    }

    func letters() async throws -> [Letter] {
        let outcome = try await outbox("dead-letters", "broker", "--format", "json")
        guard outcome.code == 0 else { throw TestPeerError(outcome.errors) }
        return try JSONDecoder().decode([Letter].self, from: Data(outcome.output.utf8))
    }
}

extension RecorderFile {
    /// The lines of a receiver: what was refused never came to it.
    func writeAccepted(to path: String) throws {
        let lines = try String(contentsOfFile: self.path, encoding: .utf8)
            .split(separator: "\n").filter { !$0.contains("\"reason\":") }
        try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
    }
}
