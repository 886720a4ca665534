import FoundationEssentials
import Glibc
import Outbox
import TestPeers
import Testing

/// What becomes of messages when the file under a running outbox is opened again, or another one takes its place.
@Suite("Opening again", .timeLimit(.minutes(2)))
struct ReopeningTests {
    /// Keeps a database from being opened, and lets it again.
    private static func block(_ bench: OutboxBench) { mkdir(bench.directory.file("outbox.token.next"), 0o700) }
    private static func unblock(_ bench: OutboxBench) { rmdir(bench.directory.file("outbox.token.next")) }

    /// Takes the log away, so that the file is closed and cannot be opened again until the body has ended; returns when it was.
    private static func reopened(_ bench: OutboxBench, after body: () throws -> Void) async throws {
        block(bench)
        unlink(bench.path + "-wal")
        let end = ContinuousClock.now + .seconds(20)
        while try await bench.outbox.overview().failure == nil {
            guard ContinuousClock.now < end else { throw TestPeerError("it was not noticed") }
            try await Task.sleep(for: .milliseconds(50))
        }
        try body()
        unblock(bench)
        try await bench.written()
    }

    private static func damage(_ bench: OutboxBench) throws {
        try overwrite(bench.path, from: 0, [UInt8](repeating: 0xA5, count: 16_384))
    }

    @Test("damaged while it was closed: nothing new is taken for something old, and what memory has goes on")
    func damagedBetween() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...40)
        let taken = try await queue.take(10)
        let inFlight = try await queue.message()
        try await bench.status { $0.sequence == 40 }
        try await Self.reopened(bench) {
            queue.append(41...45)
            try Self.damage(bench)
        }
        queue.append(46...60)
        queue.acknowledge(inFlight.ticket)
        let rest = try await queue.take(49)
        #expect(rest.map(\.number) == Array(12...60))
        #expect(rest.allSatisfy { $0.gap == nil }, "\(rest.compactMap(\.gap))")
        let last = try #require(rest.last)
        #expect(last.epoch != taken[0].epoch && last.sequence == 15)
        // Also the file alone has all of it.
        queue.append(61...63)
        try await bench.status { $0.sequence == 18 }
        try await bench.crash()
        #expect(try await bench.queue().take(3).map(\.number) == [61, 62, 63])
    }

    @Test("what memory has of a damaged file is in the new one")
    func carriedOver() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...40)
        let first = try await queue.take(10)[0]
        try await bench.status { $0.sequence == 40 }
        try await Self.reopened(bench) { try Self.damage(bench) }
        queue.append(41...41)
        try await bench.status { $0.sequence == 1 }
        try await bench.crash()
        let rest = try await bench.queue().take(31)
        #expect(rest.map(\.number) == Array(11...41))
        #expect(rest.map(\.sequence) == (11...40).map { $0 } + [1])
        #expect(rest.dropLast().allSatisfy { $0.epoch == first.epoch && $0.gap == nil })
    }

    @Test("the same file opened again: what is on its way is not given twice, and the epoch stays")
    func sameFile() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...9)
        let taken = try await queue.take(3)
        let inFlight = [try await queue.message(), try await queue.message()]
        try await bench.status { $0.sequence == 9 }
        try await Self.reopened(bench) { queue.append(10...10) }
        queue.append(11...11)
        let next = try await queue.take(6)
        #expect(next.map(\.number) == Array(6...11))
        queue.acknowledge(inFlight.map(\.ticket))
        queue.append(12...12)
        let last = try await queue.message()
        #expect(last.epoch == taken[0].epoch && last.gap == nil)
    }

    @Test("the log is lost with its last commits: what memory has of them goes on, nothing comes twice")
    func cutShort() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...20)
        try await bench.status { $0.sequence == 20 }
        try await bench.outbox.checkpoint()
        queue.append(21...40)
        let taken = try await queue.take(30)
        try await bench.status { $0.sequence == 40 && $0.messages == 10 }
        // What the file was without its log.
        let copy = try Data(contentsOf: URL(filePath: bench.path))
        try await Self.reopened(bench) {
            try copy.write(to: URL(filePath: bench.path))
            unlink(bench.path + "-wal")
        }
        queue.append(41...45)
        let rest = try await queue.take(15)
        #expect(rest.map(\.number) == Array(31...45))
        #expect(rest.last?.epoch != taken[0].epoch && rest.last?.sequence == 5)
        #expect(rest.allSatisfy { $0.gap == nil })
        try await bench.crash()
        let again = try await bench.queue()
        again.append(46...46)
        #expect(try await again.message().number == 46)
    }

    @Test("a message that grows and is lost in its middle begins anew, and is whole")
    func lostMiddle() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        // Beyond what is held of one message in memory.
        let large = #"""# + String(repeating: "x", count: 600_000) + #"""#
        queue.append([.part(large)])
        try await bench.status { $0.committedEvents == 1 }
        queue.append([.part("," + large)])
        try await bench.status { $0.committedEvents == 2 }
        try await bench.outbox.checkpoint()
        try await Self.reopened(bench) { try Self.damage(bench) }
        queue.append([.part(#","c""#)])
        try await bench.status { $0.committedEvents == 1 }
        queue.append([.part(#","d""#, isLast: true)])
        #expect(try await queue.message().text == #"["c","d"]"#)
    }

    @Test("an epoch that could not be begun is not taken for a backup the next time")
    func failedOpening() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...3)
        let epoch = try await queue.take(1)[0].epoch
        try await bench.status { $0.sequence == 3 }
        await bench.outbox.close()
        Self.block(bench)
        for _ in 0..<3 {
            try await bench.reopen()
            #expect(try await bench.outbox.overview().failure != nil)
        }
        await bench.outbox.close()
        Self.unblock(bench)
        try await bench.reopen()
        let again = try await bench.queue()
        again.append(4...4)
        let messages = try await again.take(3)
        #expect(messages.map(\.epoch) == Array(repeating: epoch, count: 3))
        #expect(messages.map(\.sequence) == [2, 3, 4])
    }

    @Test("what was dropped from memory is told when the rest comes from the disk")
    func gapsOfMemory() async throws {
        let bench = try await OutboxBench()
        let options = OutboxOptions(maxBytes: 1 << 20, durability: .memory)
        let queue = try await bench.queue(options)
        for start in stride(from: 1, through: 400, by: 20) {
            queue.append(start...start + 19, padding: 8000)
            try await bench.status { $0.sequence == UInt64(start) + 19 }
        }
        await bench.outbox.release("a")
        try await bench.reopen()
        let again = try await bench.queue(options)
        let first = try await again.message()
        #expect(first.sequence > 200 && first.gap == 1...first.sequence - 1)
        #expect(try await again.message().gap == nil)
    }

    @Test("what was taken beside what is on its way is no gap, when memory goes to the disk")
    func takenBeside() async throws {
        let bench = try await OutboxBench()
        let options = OutboxOptions(durability: .memory)
        let queue = try await bench.queue(options)
        queue.append(1...6)
        var given: [OutboxMessage] = []
        for _ in 1...5 { given.append(try await queue.message()) }
        queue.acknowledge([given[1].ticket, given[3].ticket])
        await bench.outbox.release("a")
        try await bench.reopen()
        let rest = try await bench.queue(options).take(4)
        #expect(rest.map(\.number) == [1, 3, 5, 6] && rest.map(\.sequence) == [1, 3, 5, 6])
        #expect(rest.allSatisfy { $0.gap == nil })
    }

    @Test(
        "a smaller max-bytes gives up nothing that waits, and lets no more in",
        arguments: OutboxOptions.WhenFull.allCases)
    func smaller(whenFull: OutboxOptions.WhenFull) async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append(1...100, padding: 4000)
        try await bench.status { $0.sequence == 100 }
        await bench.outbox.release("a")
        let options = OutboxOptions(maxBytes: 100_000, whenFull: whenFull)
        queue = try await bench.queue(options)
        #expect(try await bench.status().messages == 100)
        #expect(try await queue.take(50).map(\.number) == Array(1...50))
        // Half of it waits, and more than that does not.
        queue.append(101...120, padding: 4000)
        let status = try await bench.status { $0.droppedMessages > 0 }
        #expect((45...50).contains(status.messages), "\(status)")
        let rest = try await queue.take(status.messages).compactMap(\.number)
        if whenFull == .dropOldest {
            #expect(rest.last == 120 && rest.count > 40)
        } else {
            #expect(rest == Array(51...100))
        }
        queue.append(121...200, padding: 4000)
        try await bench.status { $0.bytes <= 105_000 && $0.messages > 20 }
    }

    @Test("a shorter max-age does not count for what waits already")
    func shorter() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append(1...5)
        try await bench.status { $0.sequence == 5 }
        try await Task.sleep(for: .milliseconds(3200))
        await bench.outbox.release("a")
        queue = try await bench.queue(OutboxOptions(maxAge: .seconds(1)))
        queue.append(6...7)
        try await bench.status { $0.oldestAge ?? 0 > 6000 }
        #expect(try await bench.status().droppedMessages == 0)
        #expect(try await queue.take(5).map(\.number) == [1, 2, 3, 4, 5])
        // What came since is too old; the newest always stays.
        try await bench.status { $0.droppedMessages == 1 }
        let next = try await queue.message()
        #expect(next.number == 7 && next.gap == 6...6)
    }

    @Test("nothing becomes too old while its agent does not run", arguments: [true, false])
    func paused(isPaused: Bool) async throws {
        let bench = try await OutboxBench()
        let options = OutboxOptions(maxAge: .seconds(2))
        var queue = try await bench.queue(options)
        queue.append(1...5)
        try await bench.status { $0.sequence == 5 }
        await bench.outbox.release("a", isPaused: isPaused)
        if !isPaused { try await bench.reopen() }
        try await Task.sleep(for: .milliseconds(1500))
        if isPaused { try await bench.reopen() }
        try await Task.sleep(for: .milliseconds(2500))
        // Only what the gateway stood still for counts, and here it did not.
        queue = try await bench.queue(options)
        queue.append(6...6)
        try await Task.sleep(for: .milliseconds(1300))
        #expect(try await queue.message().number == 1)
    }
}
