import GRDB
import Logging
import Outbox
import TestPeers

/// An outbox in a directory of its own, opened and left as often as a test likes.
final class OutboxBench {
    let directory: TemporaryDirectory
    var outbox: Outbox
    /// Left without being closed, as by a crash; held, so that nothing of theirs is tidied up.
    private var left: [Outbox] = []
    private let log: Logger

    var path: String { directory.file("outbox.sqlite") }

    /// None, unless a test is about it.
    private let reserve: Int64

    init(reserve: Int64 = 0, log: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) async throws {
        self.log = log
        self.reserve = reserve
        directory = try TemporaryDirectory()
        outbox = try await Outbox.open(dataDirectory: directory.path, machine: "machine", reserve: reserve, logger: log)
    }

    func queue(_ options: OutboxOptions = OutboxOptions(), agent: String = "a") async throws -> OutboxQueue {
        try await outbox.queue(for: agent, options: options)
    }

    /// Closes it in order and opens it again.
    func reopen(machine: String = "machine") async throws {
        await outbox.close()
        outbox = try await Outbox.open(dataDirectory: directory.path, machine: machine, reserve: reserve, logger: log)
    }

    /// Opens it again as after a crash: what was committed is there, and nothing else was done.
    func crash() async throws {
        left.append(outbox)
        outbox = try await Outbox.open(dataDirectory: directory.path, machine: "machine", reserve: reserve, logger: log)
    }

    /// The status of an agent once it is as wanted.
    @discardableResult
    func status(
        _ agent: String = "a", until wanted: (OutboxStatus) -> Bool = { _ in true }
    ) async throws -> OutboxStatus {
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            if let status = try await outbox.overview().agents.first(where: { $0.agent == agent }), wanted(status) {
                return status
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw TestPeerError("the outbox is still \(try await outbox.overview())")
    }
}

extension OutboxQueue {
    /// Appends messages of one event each, `{"n":N}`.
    func append(_ numbers: ClosedRange<Int>, topic: String? = nil, padding: Int = 0) {
        append(numbers.map { .whole($0, topic: topic, padding: padding) })
    }

    /// The next message, waited for.
    func message() async throws -> OutboxMessage {
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            if let message = next() { return message }
            try await Task.sleep(for: .milliseconds(2))
        }
        throw TestPeerError("no message came")
    }

    /// The next messages, acknowledged one by one.
    func take(_ count: Int) async throws -> [OutboxMessage] {
        var messages: [OutboxMessage] = []
        while messages.count < count {
            let message = try await message()
            messages.append(message)
            acknowledge(message.ticket)
        }
        return messages
    }
}

extension OutboxMessage {
    var text: String { String(decoding: payload(gateway: "g", agent: "a"), as: UTF8.self) }
    /// Of the first event `{"n":N}`.
    var number: Int? { Int(text.drop { !$0.isNumber }.prefix { $0.isNumber }) }
}

extension OutboxChunk {
    static func whole(_ number: Int, topic: String? = nil, padding: Int = 0) -> OutboxChunk {
        OutboxChunk(
            topic: topic, bytes: Array(#"{"n":\#(number)}"#.utf8) + [UInt8](repeating: 0x20, count: padding), events: 1,
            head: Array("[".utf8), tail: Array("]".utf8), time: 1000 + Int64(number))
    }

    /// Events that others follow in the same message.
    static func part(_ text: String, events: Int = 1, lane: Int = 0, isLast: Bool = false) -> OutboxChunk {
        OutboxChunk(
            lane: lane, bytes: Array(text.utf8), events: events, head: Array("[".utf8), tail: Array("]".utf8), time: 5,
            isLast: isLast)
    }
}
