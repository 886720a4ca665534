import FoundationEssentials
import Glibc
import TestPeers

/// A plant with counters, two agents that publish them, and a receiver that fsyncs before it acknowledges, behind a proxy
/// that can fail in every way.
struct FaultyPlant {
    /// A tag that counts up by one, a hundred times a second.
    static let counter = "Sim.P.Fast"
    static let agents = ["fast", "slow", "http"]

    let plant: Plant
    let broker: MQTTRecorder
    let endpoint: HTTPRecorder
    let proxy: FaultProxy
    var judge = CustodyJudge()

    init(durability: String = "full") throws {
        let directory = try TemporaryDirectory()
        broker = try MQTTRecorder(recordingTo: directory.file("broker.jsonl"))
        endpoint = try HTTPRecorder(recordingTo: directory.file("endpoint.jsonl"))
        let proxy = try FaultProxy(to: broker.port)
        self.proxy = proxy
        let agents = [("fast", "100ms, max-events: 7"), ("slow", "10s")].map { name, rate in
            """
              - name: \(name)
                type: mqtt
                url: tcp://127.0.0.1:\(proxy.port)
                publish: { rate: \(rate) }
                outbox: { durability: \(durability) }
                items: [{ tags: "Sim.P.*" }]
            """
        }
        plant = try Plant(
            """
            version: 1
            gateway: { name: press-shop, data-directory: data, log: { level: trace } }
            channels:
              - name: Sim
                driver: simulator
                devices:
                  - name: P
                    tags:
                      - { name: Fast, address: "RAMP (10, 0, 100000000, 1)", type: Long }
                      - { name: Other, address: "RAMP (50, 0, 100000000, 1)", type: Long }
            agents:
            \(agents.joined(separator: "\n"))
              - name: http
                type: rest-client
                url: http://127.0.0.1:\(endpoint.port)/ingest
                publish: { rate: 100ms, max-events: 7 }
                outbox: { durability: \(durability) }
                items: [{ tags: "Sim.P.*" }]

            """, in: directory)
    }

    /// Runs the gateway and has it killed at the end of the body, or before, by itself.
    ///
    /// - Parameter environment: `NAME=VALUE`.
    mutating func killed(
        environment: [String] = [], _ body: @Sendable (GatewayProcess) async throws -> Void
    ) async throws {
        let log = try await plant.running(isKilled: true, environment: environment) { gateway in
            try await body(gateway)
            gateway.signal(SIGKILL)
            return gateway.log
        }
        judge.take(await log.pending, until: FaultyPlant.now, isKilled: true)
    }

    /// Runs it, with nothing in its way, until what waited was delivered, and stops it in order.
    mutating func drained() async throws {
        proxy.behave { $0 = FaultProxy.Behaviour() }
        broker.behave { $0 = MQTTRecorder.Behaviour() }
        endpoint.behave { $0 = HTTPRecorder.Behaviour() }
        let plant = plant
        let log = try await plant.running { gateway in
            _ = try await eventually(within: .seconds(90), "an outbox with nothing old in it") {
                try await plant.waiting().allSatisfy { $0.messages < 5 } ? true : nil
            }
            return gateway.log
        }
        judge.take(await log.pending, until: FaultyPlant.now, isKilled: false)
        let left = try await plant.waiting()
        guard left.allSatisfy({ $0.messages == 0 && $0.events == 0 }) else {
            throw TestPeerError("after an orderly stop there is still something to be delivered: \(left)")
        }
    }

    private static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

    func verdicts() throws -> [String: CustodyJudge.Verdict] {
        // The endpoint's own word, that it has answered, may not have come through.
        let records = try broker.file.records() + endpoint.file.records().map(\.asReceived)
        return Dictionary(
            uniqueKeysWithValues: FaultyPlant.agents.map {
                ($0, judge.verdict(of: $0, records, counter: FaultyPlant.counter))
            })
    }
}

/// What `sallyport outbox status` says of an agent.
struct WaitingMessages: Decodable, Sendable {
    let agent: String
    let messages: Int
    let events: Int
    let bytes: Int
    let deadLetters: Int
    let droppedMessages: Int
}

extension Plant {
    private struct Overview: Decodable {
        let agents: [WaitingMessages]
    }

    func waiting() async throws -> [WaitingMessages] {
        let outcome = try await command("outbox", "status", "--format", "json")
        guard outcome.code == 0 else { throw TestPeerError("outbox status: \(outcome.errors)") }
        return try JSONDecoder().decode(Overview.self, from: Data(outcome.output.utf8)).agents
    }
}

extension Recorded {
    /// Counted as received although its answer was lost on the way: it was written down.
    var asReceived: Recorded {
        var received = self
        // What was answered with a refusal the gateway must send again.
        if (status ?? 0) == 0 { received.status = 200 }
        return received
    }
}
