import FoundationEssentials
import Glibc
import TestPeers
import Testing

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

    /// - Parameters:
    ///   - network: where the gateway is to run; nil: on this machine's own.
    ///   - agents: more of them, as YAML.
    init(durability: String = "full", in network: NetworkNamespace? = nil, agents more: String = "") throws {
        let directory = try TemporaryDirectory()
        let makePeers = {
            let broker = try MQTTRecorder(recordingTo: directory.file("broker.jsonl"))
            return (
                broker, try HTTPRecorder(recordingTo: directory.file("endpoint.jsonl")), try FaultProxy(to: broker.port)
            )
        }
        // Their threads stay where they are made.
        let (broker, endpoint, proxy) = try network.map { try $0.inside(makePeers) } ?? makePeers()
        (self.broker, self.endpoint, self.proxy) = (broker, endpoint, proxy)
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
            \(more)
            """, in: directory)
    }

    /// Runs the gateway and has it killed at the end of the body, or before, by itself.
    ///
    /// - Parameter environment: `NAME=VALUE`; or a program with its arguments that is to start it.
    mutating func killed(
        environment: [String] = [], _ body: @Sendable (GatewayProcess) async throws -> Void
    ) async throws {
        let plant = plant, (broker, endpoint) = (broker, endpoint)
        let (log, use) = try await plant.running(isKilled: true, environment: environment) { gateway in
            // Until something arrives: with a receiver that is away that is not the gateway's doing.
            let begin = ContinuousClock.now, before = broker.counters.publishes + endpoint.counters.recorded
            let recovery = Task {
                while broker.counters.publishes + endpoint.counters.recorded == before {
                    try await Task.sleep(for: .milliseconds(5))
                }
                return ContinuousClock.now - begin
            }
            try await body(gateway)
            // It may have ended by itself.
            let memory = (try? PeakMemory.bytes(of: gateway.processIdentifier)) ?? 0
            gateway.signal(SIGKILL)
            recovery.cancel()
            return (gateway.log, (try? await recovery.value, memory))
        }
        judge.take(await log.pending, until: FaultyPlant.now, isKilled: true)
        judge.use.note(recovery: use.0, memory: use.1, disk: FaultyPlant.disk(plant))
    }

    /// Runs it, stops it in order when the body has ended, and leaves what waits.
    mutating func stopped(
        environment: [String] = [], _ body: @Sendable (GatewayProcess) async throws -> Void
    ) async throws {
        let plant = plant
        let (log, memory) = try await plant.running(environment: environment) { gateway in
            try await body(gateway)
            return (gateway.log, try PeakMemory.bytes(of: gateway.processIdentifier))
        }
        judge.take(await log.pending, until: FaultyPlant.now, isKilled: false)
        judge.use.note(recovery: nil, memory: memory, disk: FaultyPlant.disk(plant))
    }

    private static func disk(_ plant: Plant) -> Int {
        ["outbox.sqlite", "outbox.sqlite-wal"].reduce(0) { sum, name in
            var facts = stat()
            return sum + (stat("\(plant.dataDirectory)/\(name)", &facts) == 0 ? Int(facts.st_size) : 0)
        }
    }

    /// Runs it, with nothing in its way, until what waited was delivered, and stops it in order.
    ///
    /// - Parameter others: agents that nobody takes anything from.
    mutating func drained(environment: [String] = [], except others: Set<String> = []) async throws {
        proxy.behave { $0 = FaultProxy.Behaviour() }
        broker.behave { $0 = MQTTRecorder.Behaviour() }
        endpoint.behave { $0 = HTTPRecorder.Behaviour() }
        let plant = plant
        let log = try await plant.running(environment: environment) { gateway in
            _ = try await eventually(within: .seconds(90), "an outbox with nothing old in it") {
                try await plant.waiting().filter { !others.contains($0.agent) }.allSatisfy { $0.messages < 5 }
                    ? true : nil
            }
            return gateway.log
        }
        judge.take(await log.pending, until: FaultyPlant.now, isKilled: false)
        let left = try await plant.waiting().filter { !others.contains($0.agent) }
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

    /// Nothing lost, first arrivals in order.
    ///
    /// - Parameter duplicates: so many may come twice after a fault, of each MQTT agent; of the other one request.
    func expectLossless(duplicates: Int = 100, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for (agent, verdict) in try verdicts().sorted(by: { $0.key < $1.key }) {
            print("custody of \(agent): \(verdict)")
            #expect(
                verdict.isLossless, "\(agent): \(verdict); \(verdict.lostMessages) \(verdict.missingValues)",
                sourceLocation: sourceLocation)
            #expect(verdict.committedEvents > 0 && verdict.receivedEvents > 0, sourceLocation: sourceLocation)
            #expect(verdict.reordered == 0, "\(agent): \(verdict)", sourceLocation: sourceLocation)
            let most = agent == "http" ? min(duplicates, 1) : duplicates
            #expect(
                verdict.mostDuplicatesAtOnce <= most, "\(agent): \(verdict)", sourceLocation: sourceLocation)
        }
        print("for it the gateway needed \(judge.use)")
        #expect(
            broker.counters.violations == 0 && broker.counters.malformed == 0, sourceLocation: sourceLocation)
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

/// What `sallyport outbox status` says of the whole.
struct WaitingOverview: Decodable, Sendable {
    let agents: [WaitingMessages]
    let failure: String?
}

extension Plant {
    func waiting() async throws -> [WaitingMessages] { try await outbox().agents }

    func outbox() async throws -> WaitingOverview {
        let outcome = try await command("outbox", "status", "--format", "json")
        guard outcome.code == 0 else { throw TestPeerError("outbox status: \(outcome.errors)") }
        return try JSONDecoder().decode(WaitingOverview.self, from: Data(outcome.output.utf8))
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
