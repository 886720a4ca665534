import Glibc
import Logging
import MQTTAgent
import Outbox
import Publishing
import Synchronization
import TagStore
import Tags
import TestPeers
import Testing

/// An agent with a real outbox in a directory of its own, and a recorder on loopback that judges what arrives.
struct DeliveryBench {
    let directory: TemporaryDirectory
    let recorder: MQTTRecorder
    let store = TagStore()
    let items: [Item]
    let log = AgentLog()

    init(_ change: (inout MQTTRecorder.Behaviour) -> Void = { _ in }) async throws {
        directory = try TemporaryDirectory()
        var behaviour = MQTTRecorder.Behaviour()
        change(&behaviour)
        recorder = try MQTTRecorder(recordingTo: directory.file("recorded.jsonl"), behaviour: behaviour)
        let names = ["Plant.PLC1.Count", "Plant.PLC1.State"].map { TagName(validated: $0) }
        let handles = try await store.register(names.map { TagDefinition(name: $0, dataType: .long) })
        items = zip(handles, names).map { Item(handle: $0, name: $1) }
    }

    /// One message for each value, to the recorder or to what stands in front of it.
    func options(port: Int? = nil) -> MQTTAgentOptions {
        MQTTAgentOptions(
            gateway: "plant", name: "line",
            broker: BrokerURL(host: "127.0.0.1", port: UInt16(port ?? recorder.port), usesTLS: false),
            clientID: "sallyport-test", keepalive: .seconds(5),
            publish: PublishOptions(type: .onChange, maxEvents: 1))
    }

    /// An agent that runs, and what it sends from.
    struct Run {
        let agent: MQTTAgent
        let queue: OutboxQueue
        let outbox: Outbox

        /// Steady again: connected, nothing waits, nothing to complain about.
        func steady(
            within limit: Duration = .seconds(5), sourceLocation: SourceLocation = #_sourceLocation
        ) async throws {
            try await agent.wait(
                within: limit,
                { $0.state == .connected && $0.queue.messages == 0 && $0.lastError == nil },
                sourceLocation: sourceLocation)
        }

        /// Waits until so many are set aside.
        func letters(_ count: Int) async throws {
            let end = ContinuousClock.now + .seconds(10)
            while true {
                let agents = try await outbox.overview().agents
                let now = agents.first { $0.agent == agent.options.name }?.deadLetters
                if now == count { return }
                guard ContinuousClock.now < end else {
                    throw TestPeerError("\(now ?? 0) dead letters, not \(count)")
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        }

        func letters() async throws -> [DeadLetterSummary] {
            try await outbox.letters(of: agent.options.name, limit: 10_000)
        }
    }

    func withOutbox<Outcome>(_ body: (Outbox) async throws -> Outcome) async throws -> Outcome {
        let outbox = try await Outbox.open(dataDirectory: directory.path, machine: "test", logger: log.logger)
        let result: Result<Outcome, any Error>
        do { result = .success(try await body(outbox)) } catch { result = .failure(error) }
        await outbox.close()
        return try result.get()
    }

    /// Runs an agent for as long as the body takes. Whatever the broker does, the stop takes five seconds at most.
    @discardableResult
    func running<Outcome>(
        _ options: MQTTAgentOptions, on outbox: Outbox, sourceLocation: SourceLocation = #_sourceLocation,
        _ body: (Run) async throws -> Outcome
    ) async throws -> Outcome {
        let queue = try await outbox.queue(for: options.name, options: options.outbox)
        let agent = try MQTTAgent(options: options, items: items, store: store, queue: queue, logger: log.logger)
        let task = Task { try await agent.run() }
        let result: Result<Outcome, any Error>
        do {
            result = .success(try await body(Run(agent: agent, queue: queue, outbox: outbox)))
        } catch {
            result = .failure(error)
        }
        let begin = ContinuousClock.now
        task.cancel()
        _ = await task.result
        // The wait itself, and a loaded machine.
        #expect(ContinuousClock.now - begin < .milliseconds(5500), sourceLocation: sourceLocation)
        await outbox.release(options.name)
        return try result.get()
    }

    @discardableResult
    func running<Outcome>(
        _ options: MQTTAgentOptions? = nil, sourceLocation: SourceLocation = #_sourceLocation,
        _ body: (Run) async throws -> Outcome
    ) async throws -> Outcome {
        try await withOutbox { outbox in
            try await running(options ?? self.options(), on: outbox, sourceLocation: sourceLocation, body)
        }
    }

    /// Sets the counter tag to each value, one after the other.
    func count(_ values: ClosedRange<Int>) async {
        // What is set before the agent listens is one update, not several.
        while await store.subscriptions == 0 { await Task.yield() }
        for value in values { await set(value) }
    }

    func set(_ value: Int, tag: Int = 0) async {
        let data = TagValue(data: .integer(Int64(value)), timestamp: Timestamp(milliseconds: 5))
        await store.apply([TagUpdate(handle: items[tag].handle, value: data)])
    }

    // MARK: The judge

    /// What was accepted, but for what says hello and goodbye.
    func accepted() throws -> [Recorded] {
        try recorder.file.records().filter { $0.isAccepted && $0.identity != nil }
    }

    func firstArrivals() throws -> [Recorded] {
        var known: Set<Recorded.Identity> = []
        return try accepted().filter { record in record.identity.map { known.insert($0).inserted } ?? false }
    }

    /// Waits until a value has come: what is written with QoS 0, or as a farewell, is on its way when the agent is done.
    func wait(for value: Int) async throws {
        let end = ContinuousClock.now + .seconds(10)
        while try !accepted().contains(where: { $0.values.contains(value) }) {
            guard ContinuousClock.now < end else { throw TestPeerError("\(value) did not come") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Nothing lost, first arrivals in order, so many duplicates at most, each of them the same bytes, and no limit of the
    /// broker's overstepped.
    func expect(
        _ values: ClosedRange<Int>, duplicates most: Int = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let all = try accepted(), first = try firstArrivals()
        #expect(first.flatMap(\.values) == Array(values), sourceLocation: sourceLocation)
        #expect(all.count - first.count <= most, "duplicates", sourceLocation: sourceLocation)
        let places = first.compactMap(\.identity).map { [$0.sequence, $0.offset] }
        #expect(
            zip(places, places.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) },
            sourceLocation: sourceLocation)
        let payloads = Dictionary(first.map { ($0.identity, $0.payload) }) { old, _ in old }
        #expect(all.allSatisfy { $0.payload == payloads[$0.identity] }, sourceLocation: sourceLocation)
        let counters = recorder.counters
        #expect(counters.violations == 0 && counters.malformed == 0, sourceLocation: sourceLocation)
        #expect(counters.failures == 0, sourceLocation: sourceLocation)
        #expect(counters.largestOutstanding <= OutboxQueue.window, sourceLocation: sourceLocation)
    }
}

extension Recorded {
    /// Of its events, in order.
    var values: [Int] {
        (payload ?? "").split(separator: #""v":"#, omittingEmptySubsequences: false).dropFirst()
            .compactMap { Int($0.prefix { $0.isNumber }) }
    }
}

extension OutboxQueue {
    /// Appends messages with the values of a range, so many in each.
    func add(_ values: ClosedRange<Int>, inEach count: Int = 1, topic: String = "iotgateway", padding: Int = 0) {
        let pad = padding > 0 ? #","pad":"\#(String(repeating: "x", count: padding))""# : ""
        append(
            stride(from: values.lowerBound, through: values.upperBound, by: count).map { first in
                let last = min(first + count - 1, values.upperBound)
                let events = (first...last).map { #"{"v":\#($0)\#(pad)}"# }.joined(separator: ",")
                return OutboxChunk(
                    topic: topic, bytes: Array(events.utf8), events: last - first + 1, head: Array("[".utf8),
                    tail: Array("]".utf8), time: 1_796_000_000_000)
            })
    }

    /// Waits until so many messages wait, or the time is over.
    ///
    /// - Returns: whether so many wait.
    @discardableResult
    func wait(messages count: Int, within limit: Duration = .seconds(20)) async throws -> Bool {
        let end = ContinuousClock.now + limit
        while depth.messages != count {
            guard ContinuousClock.now < end else { return false }
            try await Task.sleep(for: .milliseconds(5))
        }
        return true
    }
}

/// Keeps what an agent logs.
final class AgentLog: Sendable {
    private let lines = Mutex<[String]>([])

    /// `level: message reason`
    var all: [String] { lines.withLock { $0 } }

    func count(_ part: String) -> Int { all.count { $0.contains(part) } }

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: AgentLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.MetadataValue? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let reason = event.metadata?["reason"].map { " \($0)" } ?? ""
            log.lines.withLock { $0.append("\(event.level): \(event.message)\(reason)") }
        }
    }
}

/// Of this process, what is in memory.
func residentBytes() throws -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { throw TestPeerError("no /proc/self/statm") }
    defer { fclose(file) }
    var text = [UInt8](repeating: 0, count: 128)
    let length = fread(&text, 1, text.count, file)
    let fields = String(decoding: text.prefix(length), as: UTF8.self).split(separator: " ")
    guard fields.count > 1, let pages = Int(fields[1]) else { throw TestPeerError("/proc/self/statm holds no pages") }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}
