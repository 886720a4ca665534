import Outbox
import TestPeers
import Testing

@Suite("Bounds of the outbox", .timeLimit(.minutes(2)))
struct BoundsTests {
    @Test("drop-oldest: the newest stay, the drop is counted and the next message says so")
    func dropOldest() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue(OutboxOptions(maxBytes: 100_000))
        for number in 1...40 {
            queue.append(number...number, padding: 10_000)
            try await bench.status { $0.sequence == UInt64(number) }
        }
        let status = try await bench.status { $0.bytes <= 100_000 }
        let dropped = Int(status.droppedMessages)
        #expect(status.messages + dropped == 40 && dropped > 25 && status.droppedEvents == Int64(dropped))
        let first = try await queue.message()
        #expect(first.number == dropped + 1 && first.gap == 1...UInt64(dropped))
        // The same again for every attempt.
        queue.rewind()
        let again = try await queue.message()
        #expect(again.gap == first.gap && again.sequence == first.sequence)
        try await bench.reopen()
        queue = try await bench.queue(OutboxOptions(maxBytes: 100_000))
        let rest = try await queue.take(40 - dropped)
        #expect(rest.map(\.number) == Array(dropped + 1...40))
        #expect(rest[0].gap == 1...UInt64(dropped) && rest.dropFirst().allSatisfy { $0.gap == nil })
        #expect(try await bench.status().droppedMessages == Int64(dropped))
    }

    @Test("drop-oldest leaves what is on its way")
    func dropOldestLeavesWhatIsSent() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue(OutboxOptions(maxBytes: 100_000))
        queue.append(1...2, padding: 10_000)
        let sent = [try await queue.message(), try await queue.message()]
        for number in 3...40 {
            queue.append(number...number, padding: 10_000)
            try await bench.status { $0.sequence == UInt64(number) }
        }
        queue.rewind()
        let again = [try await queue.message(), try await queue.message()]
        #expect(again.map(\.number) == [1, 2] && again.map(\.ticket) == sent.map(\.ticket))
        for message in again { queue.acknowledge(message.ticket) }
        let next = try await queue.message()
        #expect(next.gap == 3...(next.sequence - 1) && next.sequence > 20)
    }

    @Test("drop-newest: what waits stays, and the next that is kept says what was not")
    func dropNewest() async throws {
        let bench = try await OutboxBench()
        let options = OutboxOptions(maxBytes: 65_536, whenFull: .dropNewest)
        var queue = try await bench.queue(options)
        for number in 1...20 {
            queue.append(number...number, padding: 10_000)
            try await bench.status { $0.sequence == UInt64(number) }
        }
        let status = try await bench.status()
        let kept = status.messages
        #expect(kept < 10 && status.droppedMessages == Int64(20 - kept))
        // Also after a crash the numbers of what was dropped are used up.
        try await bench.crash()
        queue = try await bench.queue(options)
        #expect(try await queue.take(kept).map(\.number) == Array(1...kept))
        queue.append(99...99)
        let next = try await queue.message()
        #expect(next.number == 99 && next.sequence == 21 && next.gap == UInt64(kept + 1)...20)
    }

    @Test("drop-newest: a message that was begun is finished")
    func dropNewestFinishes() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue(OutboxOptions(maxBytes: 65_536, whenFull: .dropNewest))
        let long = String(repeating: "x", count: 80_000)
        queue.append([.part("a"), .part(long), .part("b", isLast: true)])
        queue.append([.part("c"), .part("d", isLast: true)])
        let first = try await queue.take(1)[0]
        #expect(first.text == "[a\(long)b]")
        try await bench.status { $0.droppedMessages == 1 && $0.droppedEvents == 2 }
        #expect(queue.next() == nil)
    }

    @Test("messages that are too old are dropped and counted")
    func age() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue(OutboxOptions(maxAge: .seconds(1)))
        queue.append(1...10)
        // The last one always stays.
        let status = try await bench.status { $0.droppedMessages == 9 }
        #expect(status.messages == 1)
        let left = try await queue.message()
        #expect(left.number == 10 && left.gap == 1...9)
    }

    @Test("in memory: the oldest go beyond the cap, and the gap is told")
    func memoryCap() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue(OutboxOptions(maxBytes: 100_000, durability: .memory))
        for number in 1...40 { queue.append(number...number, padding: 10_000) }
        let first = try await queue.message()
        let depth = queue.depth
        #expect(depth.bytes <= 120_000 && depth.counts.droppedMessages > 25)
        #expect(first.number == Int(depth.counts.droppedMessages) + 1)
        #expect(first.gap == 1...depth.counts.droppedMessages)
    }

    @Test("a message in parts: each has its offset, the cut outlives a crash")
    func split() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        let events = (1...10).map { #"{"n":\#($0),"s":"a,]\"}"}"# }
        queue.append([.part(events.joined(separator: ","), events: 10, isLast: true)])
        queue.append(50...50)
        let whole = try await queue.message()
        #expect(queue.split(whole.ticket, bytes: 4 * events[0].utf8.count))
        let first = try await queue.message()
        #expect(first.sequence == 1 && first.offset == 0 && first.events < 5)
        #expect(first.text == "[" + events.prefix(first.events).joined(separator: ",") + "]")
        queue.acknowledge(first.ticket)
        try await bench.crash()
        queue = try await bench.queue()
        var offset = 0
        while offset < 10 {
            let part = try await queue.message()
            #expect(part.sequence == 1 && part.offset == offset)
            if offset == 0 { #expect(part.text == first.text) }
            offset += part.events
            queue.acknowledge(part.ticket)
        }
        #expect(offset == 10)
        #expect(try await queue.take(1)[0].number == 50)
    }

    @Test("what is no list of JSON values cannot be split")
    func unsplittable() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append([.part("1;2;3", events: 3, isLast: true)])
        let message = try await queue.message()
        #expect(!queue.split(message.ticket, bytes: 3))
        queue.setAside(message.ticket, reason: "too large")
        try await bench.status { $0.deadLetters == 1 && $0.messages == 0 }
    }

    @Test("dead letters keep their identity, and are sent again or given up on demand")
    func deadLetters() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append(1...4, topic: "t")
        let messages = [try await queue.message(), try await queue.message(), try await queue.message()]
        queue.setAside(messages[1].ticket, reason: "the broker's access rules")
        queue.acknowledge(messages[0].ticket)
        queue.setAside(messages[2].ticket, reason: "too large")
        try await bench.status { $0.deadLetters == 2 }
        try await bench.crash()
        queue = try await bench.queue()
        #expect(try await queue.take(1)[0].number == 4)
        let letters = try await bench.outbox.letters(of: "a", limit: 10)
        #expect(letters.map(\.sequence) == [2, 3] && letters[0].reason == "the broker's access rules")
        #expect(try await bench.outbox.discardLetters(of: "a", sequence: 3) == (1, 0))
        #expect(try await bench.outbox.retry("a", sequence: nil) == (1, 0))
        let again = try await queue.message()
        #expect(again.number == 2 && again.sequence == 2 && again.epoch == messages[1].epoch && again.topic == "t")
        #expect(again.gap == nil)
        queue.append(5...5)
        let next = try await queue.message()
        #expect(next.sequence == 5 && next.gap == nil)
        await #expect(throws: OutboxError.self) { try await bench.outbox.retry("b", sequence: nil) }
        await #expect(throws: OutboxError.self) { try await bench.outbox.retry("a", sequence: 77) }
    }

    @Test("what is given up is a gap")
    func discard() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...20)
        _ = try await queue.take(1)
        try await bench.status { $0.messages == 19 }
        #expect(try await bench.outbox.discardWaiting(of: "a") == 19)
        #expect(queue.next() == nil && queue.depth.messages == 0)
        queue.append(21...21)
        let next = try await queue.message()
        #expect(next.number == 21 && next.gap == 2...20)
    }

    @Test("what an agent leaves that does not run any more waits for it")
    func left() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...3)
        await bench.outbox.release("a")
        let status = try await bench.status()
        #expect(!status.isRunning && status.messages == 3)
        try await bench.reopen()
        #expect(try await bench.status().messages == 3)
        #expect(try await bench.queue().take(3).map(\.number) == [1, 2, 3])
    }
}
