import Glibc
import Outbox
import TestPeers
import Testing

@Suite("Custody", .timeLimit(.minutes(2)))
struct CustodyTests {
    @Test("what was not acknowledged comes again after a restart, in order and with the same identity")
    func restart() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append(1...5, topic: "t")
        let first = try await queue.take(2)
        #expect(first.map(\.number) == [1, 2] && first.map(\.sequence) == [1, 2] && first[0].topic == "t")
        let third = try await queue.message()
        try await bench.reopen()
        queue = try await bench.queue()
        let rest = try await queue.take(3)
        #expect(rest.map(\.number) == [3, 4, 5] && rest.map(\.sequence) == [3, 4, 5])
        #expect(rest[0].epoch == third.epoch && rest[0].text == third.text && rest.allSatisfy { $0.gap == nil })
        queue.append(6...6)
        #expect(try await queue.message().sequence == 6)
    }

    @Test("after a crash all that was committed is there, the cursor included")
    func crash() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append(1...300)
        let taken = try await queue.take(120)
        #expect(taken.map(\.sequence) == Array(1...120))
        try await bench.status { $0.messages == 180 && $0.sequence == 300 }
        // The cursor is recorded a moment after the acknowledgement.
        try await Task.sleep(for: .milliseconds(200))
        try await bench.crash()
        queue = try await bench.queue()
        let rest = try await queue.take(180)
        #expect(rest.map(\.sequence) == Array(121...300) && rest.map(\.number) == Array(121...300))
        #expect(rest[0].epoch == taken[0].epoch)
        #expect(queue.next() == nil)
    }

    @Test("events of a message that had not ended are a message after a crash")
    func looseChunks() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append([.part(#"{"n":1}"#), .part(#"{"m":1}"#, lane: 3)])
        try await bench.status { $0.committedEvents == 2 }
        queue.append([.part(#",{"n":2}"#)])
        try await bench.status { $0.committedEvents == 3 }
        #expect(queue.next() == nil)
        try await bench.crash()
        queue = try await bench.queue()
        let messages = try await queue.take(2)
        #expect(messages.map(\.text) == [#"[{"n":1},{"n":2}]"#, #"[{"m":1}]"#])
        #expect(messages.map(\.events) == [2, 1] && messages.map(\.sequence) == [1, 2])
        queue.append(7...7)
        #expect(try await queue.message().sequence == 3)
    }

    @Test("a message of several commits is read as one, from memory and from the disk")
    func chunks() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        for number in 1...4 {
            queue.append([.part((number > 1 ? "," : "") + "\(number)"), .part("x\(number)", lane: 1)])
            try await bench.status { $0.committedEvents == 2 * number }
        }
        queue.append([.part("", events: 0, isLast: true), .part("", events: 0, lane: 1, isLast: true)])
        #expect(try await queue.message().text == "[1,2,3,4]")
        try await bench.crash()
        queue = try await bench.queue()
        #expect(try await queue.take(2).map(\.text) == ["[1,2,3,4]", "[x1x2x3x4]"])
        // Rows of a message that ends later survive the deletion of those before it.
        queue.append([.part("a", lane: 1), .part("b", isLast: true)])
        let taken = try await queue.take(1)
        #expect(taken[0].text == "[b]")
        try await bench.reopen()
        queue = try await bench.queue()
        #expect(try await queue.message().text == "[a]")
    }

    @Test("what is only for between two events is taken off the last one")
    func trims() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        func part(_ text: String, isLast: Bool = false) -> OutboxChunk {
            var chunk = OutboxChunk.part(text, isLast: isLast)
            chunk.trims = [OutboxChunk.Trim(fromEnd: 1, count: 1), OutboxChunk.Trim(fromEnd: 3, count: 1)]
            return chunk
        }
        queue.append([part("1-a,")])
        try await bench.status { $0.committedEvents == 1 }
        queue.append([part("2-b,")])
        try await bench.status { $0.committedEvents == 2 }
        try await bench.crash()
        queue = try await bench.queue()
        #expect(try await queue.take(1)[0].text == "[1-a,2b]")
    }

    @Test("a backlog that memory does not hold comes from the disk, and live messages behind it")
    func backlog() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        let count = 12_000
        for start in stride(from: 1, through: count, by: 500) { queue.append(start...(start + 499), padding: 2000) }
        for wanted in 1...count {
            let message = try await queue.message()
            guard message.sequence == UInt64(wanted), message.number == wanted else {
                Issue.record("message \(wanted) is \(message.sequence), \(message.number ?? -1)")
                return
            }
            queue.acknowledge(message.ticket)
            if wanted == count / 2 { queue.append(count + 1...count + 10) }
        }
        #expect(try await queue.take(10).map(\.number) == Array(count + 1...count + 10))
        #expect(try await bench.status { $0.messages == 0 }.bytes == 0)
    }

    @Test("at most a window of messages is on its way, and what is rewound comes again in order")
    func window() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...300)
        var given: [OutboxMessage] = [try await queue.message()]
        while given.count < OutboxQueue.window { given.append(try await queue.message()) }
        #expect(queue.next() == nil)
        // Out of order: the cursor waits for the first one.
        for message in given[10..<20] { queue.acknowledge(message.ticket) }
        queue.rewind()
        let again = try await queue.take(90)
        #expect(again.map(\.sequence) == Array(1...10) + Array(21...100))
        #expect(try await queue.take(200).map(\.sequence) == Array(101...300))
    }

    @Test("a queue of an agent that began again takes nothing from its successor")
    func successor() async throws {
        let bench = try await OutboxBench()
        let old = try await bench.queue()
        old.append(1...3)
        let message = try await old.message()
        let new = try await bench.queue()
        #expect(old.next() == nil)
        old.acknowledge(message.ticket)
        old.append(9...9)
        #expect(try await new.take(3).map(\.number) == [1, 2, 3])
        #expect(new.next() == nil)
    }

    @Test("in memory only: nothing on the disk while it runs, and written down by an orderly stop")
    func memory() async throws {
        let bench = try await OutboxBench()
        let options = OutboxOptions(maxBytes: 1 << 20, durability: .memory)
        var queue = try await bench.queue(options)
        queue.append(1...3)
        let first = try await queue.take(1)[0]
        try await bench.crash()
        queue = try await bench.queue(options)
        #expect(queue.next() == nil)
        queue.append(4...6)
        let fourth = try await queue.take(1)[0]
        #expect(fourth.number == 4 && fourth.sequence == 1 && fourth.epoch != first.epoch)
        try await bench.reopen()
        queue = try await bench.queue(options)
        let rest = try await queue.take(2)
        #expect(rest.map(\.number) == [5, 6] && rest.map(\.sequence) == [2, 3])
        #expect(rest[0].epoch == fourth.epoch)
    }
}
