import Logging
import Outbox
import RESTClientAgent
import Synchronization
import TLS
import TagStore
import TestPeers
import Testing

/// An agent with a real outbox, and a recorder that it sends to.
struct EndpointBench {
    let directory: TemporaryDirectory
    let recorder: HTTPRecorder
    let lines = LogLines()

    init(_ script: HTTPRecorder.Step...) throws {
        directory = try TemporaryDirectory()
        recorder = try HTTPRecorder(
            recordingTo: directory.file("recorded.jsonl"),
            behaviour: script.isEmpty ? HTTPRecorder.Behaviour() : HTTPRecorder.Behaviour(script: script))
    }

    var options: RESTClientAgentOptions {
        RESTClientAgentOptions(
            gateway: "line-6", name: "historian",
            endpoint: EndpointURL(host: "127.0.0.1", port: UInt16(recorder.port), usesTLS: false, target: "/ingest"))
    }

    /// An agent that runs while the body does, and the outbox that it sends from.
    @discardableResult
    func running<Outcome>(
        _ change: (inout RESTClientAgentOptions) -> Void = { _ in },
        _ body: (RESTClientAgent, OutboxQueue) async throws -> Outcome
    ) async throws -> Outcome {
        var options = options
        change(&options)
        let logger = lines.logger
        let outbox = try await Outbox.open(dataDirectory: directory.path, machine: "test", logger: logger)
        let queue = try await outbox.queue(for: options.name, options: options.outbox)
        let agent = RESTClientAgent(options: options, items: [], store: TagStore(), queue: queue, logger: logger)
        let task = Task { try await agent.run() }
        let result: Result<Outcome, any Error>
        do { result = .success(try await body(agent, queue)) } catch { result = .failure(error) }
        let begin = ContinuousClock.now
        task.cancel()
        _ = await task.result
        #expect(ContinuousClock.now - begin < .seconds(5), "a stop takes five seconds at most")
        await outbox.release(options.name)
        await outbox.close()
        return try result.get()
    }

    /// What the recorder has, without what it was sent again.
    func firstArrivals() throws -> [Recorded] {
        var known: Set<Recorded.Identity> = []
        return try recorder.file.records().filter { record in
            record.identity.map { known.insert($0).inserted } ?? false
        }
    }

    /// Nothing lost, in order, and the same bytes under the same identity.
    func expect(
        _ payloads: [String], duplicates most: Int = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let records = try recorder.file.records()
        let first = try firstArrivals()
        #expect(first.map(\.payload) == payloads, sourceLocation: sourceLocation)
        #expect(records.count - first.count <= most, sourceLocation: sourceLocation)
        for record in records {
            #expect(
                record.payload == first.first { $0.identity == record.identity }?.payload,
                sourceLocation: sourceLocation)
            #expect(
                record.idempotencyKey
                    == "\(record.epoch ?? "")-historian-\(record.sequence ?? 0)-\(record.offset ?? -1)",
                sourceLocation: sourceLocation)
        }
    }
}

extension OutboxQueue {
    /// Messages with the values of a range, so many in each.
    func add(_ values: ClosedRange<Int>, inEach count: Int = 1) {
        for first in stride(from: values.lowerBound, through: values.upperBound, by: count) {
            let events = (first...min(first + count - 1, values.upperBound)).map { #"{"v":\#($0)}"# }
            append([
                OutboxChunk(
                    bytes: Array(events.joined(separator: ",").utf8), events: events.count, head: Array("[".utf8),
                    tail: Array("]".utf8), time: 1_796_000_000_000)
            ])
        }
    }
}

/// What `add` makes of values, one in each message.
func payloads(_ values: ClosedRange<Int>) -> [String] { values.map { #"[{"v":\#($0)}]"# } }

extension RESTClientAgent {
    /// Waits until the status is as wanted.
    func wait(
        within limit: Duration = .seconds(20), _ wanted: (EndpointStatus) -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let end = ContinuousClock.now + limit
        while !wanted(status) {
            guard ContinuousClock.now < end else {
                Issue.record("the agent is still \(status)", sourceLocation: sourceLocation)
                throw TestPeerError("the agent's state did not come")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    func wait(forDelivered count: UInt64, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await wait({ $0.delivered == count && $0.queue.messages == 0 }, sourceLocation: sourceLocation)
    }
}

/// Keeps what was logged.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    /// `level: message reason`
    var all: [String] { lines.withLock { $0 } }

    func count(_ part: String) -> Int { all.count { $0.contains(part) } }

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.MetadataValue? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let reason = event.metadata?["reason"].map { " \($0)" } ?? ""
            lines.lines.withLock { $0.append("\(event.level): \(event.message)\(reason)") }
        }
    }
}
