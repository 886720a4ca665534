import Logging
import Outbox

/// A message of so many bytes with a number in it, as `peers/message.h` writes it.
struct BenchmarkMessage: Sendable {
    static let head = Array(#"{"timestamp":1600000000000,"values":["#.utf8)
    static let tail = Array("]}".utf8)
    private static let digits = 12

    private let body: [UInt8]
    /// Where the number begins.
    private let place: Int
    private let events: Int

    /// - Parameters:
    ///   - bytes: of the whole payload.
    ///   - events: that it is said to hold.
    init(bytes: Int, events: Int = 1) {
        let before = Array(#"{"id":"Plant7.PLC12.Zone3.Temperature0417","v":""#.utf8)
        let after = Array(#"","q":true,"t":1600000000000}"#.utf8)
        let around = BenchmarkMessage.head.count + BenchmarkMessage.tail.count + before.count + after.count
        let value = [UInt8](repeating: 0x30, count: BenchmarkMessage.digits)
        let padding = [UInt8](repeating: 0x78, count: max(0, bytes - around - value.count))
        body = before + value + padding + after
        place = before.count
        self.events = events
    }

    /// Bytes of its own, as a publisher renders them.
    func chunk(_ number: Int) -> OutboxChunk {
        var bytes = body
        var rest = number
        for index in (place..<place + BenchmarkMessage.digits).reversed() {
            bytes[index] = 0x30 + UInt8(rest % 10)
            rest /= 10
        }
        return OutboxChunk(
            topic: "iotgateway", bytes: bytes, events: events, head: BenchmarkMessage.head,
            tail: BenchmarkMessage.tail, time: 1_600_000_000_000)
    }
}

extension Logger {
    /// For what is measured: nobody reads it.
    static let silent = Logger(label: "benchmark") { _ in SwiftLogNoOpLogHandler() }
}

extension Outbox {
    /// What may wait for a commit. Four times as much, and the outbox would drop it.
    private static let mostWaiting = 16 << 20
    private static let batch = 256

    static func open(at directory: String) async throws -> Outbox {
        try await open(dataDirectory: directory, machine: "benchmark", logger: .silent)
    }

    /// With room for everything that is appended here.
    func benchmarkQueue(_ agent: String) async throws -> OutboxQueue {
        try await queue(for: agent, options: OutboxOptions(maxBytes: 64 << 30, durability: .full))
    }

    /// Appends as much as the disk takes, and returns once all of it is committed.
    func fill(_ queue: OutboxQueue, _ message: BenchmarkMessage, bytes: Int, count: Int) async throws {
        let before = try await committed(queue.agent)
        let most = max(Outbox.batch, Outbox.mostWaiting / bytes)
        var appended = 0
        var done = 0
        while done < count {
            while appended < min(count, done + most) {
                let next = min(appended + Outbox.batch, count, done + most)
                queue.append((appended..<next).map { message.chunk($0) })
                appended = next
            }
            // The answer comes after a commit that is under way.
            let now = try await committed(queue.agent) - before
            if now == done { try await Task.sleep(for: .milliseconds(1)) }
            done = now
            let dropped = queue.depth.counts.droppedMessages
            guard dropped == 0 else { throw BenchmarkError("the outbox dropped \(dropped) messages") }
        }
    }

    private func committed(_ agent: String) async throws -> Int {
        let overview = try await overview()
        if let failure = overview.failure { throw BenchmarkError("the outbox cannot write: \(failure)") }
        return overview.agents.first { $0.agent == agent }.map { Int($0.sequence) } ?? 0
    }
}

extension Outbox {
    /// Fills an outbox and closes it: who opens it again finds everything on the disk and nothing in memory.
    static func backlog(
        _ agent: String, at directory: String, bytes: Int, events: Int = 1, _ count: Int
    ) async throws {
        let outbox = try await open(at: directory)
        let queue = try await outbox.benchmarkQueue(agent)
        try await outbox.fill(queue, BenchmarkMessage(bytes: bytes, events: events), bytes: bytes, count: count)
        await outbox.close()
    }
}

/// What the delivery of a backlog took, from the agent's start to the last acknowledgement.
struct Delivery: Sendable {
    let seconds: Double
    let processor: Double

    private static let patience = 120.0

    /// Runs an agent until it has delivered so many messages of its queue, and ends it whatever comes.
    ///
    /// - Parameter status: of the agent, for who wonders why it does not.
    init(
        of count: Int, from queue: OutboxQueue, status: @Sendable () -> String,
        run: @escaping @Sendable () async throws -> Void, end: @Sendable () async -> Void
    ) async throws {
        let watch = Stopwatch()
        let running = Task { try await run() }
        var failure: BenchmarkError?
        while queue.depth.counts.acknowledged < count, failure == nil {
            let counts = queue.depth.counts
            if watch.seconds > Delivery.patience || counts.setAside > 0 || counts.split > 0 {
                failure = BenchmarkError(
                    "after \(watch.seconds.text(1)) s \(counts.acknowledged) of \(count) messages are delivered: "
                        + status())
            }
            // It throws for nobody: who would cancel this waits for it.
            try await Task.sleep(for: .milliseconds(5))
        }
        (seconds, processor) = (watch.seconds, watch.coreSeconds)
        running.cancel()
        _ = await running.result
        await end()
        if let failure { throw failure }
    }
}
