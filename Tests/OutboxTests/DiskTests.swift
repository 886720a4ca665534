import FoundationEssentials
import GRDB
import Glibc
import Outbox
import TestPeers
import Testing

/// What was found by attacking it.
@Suite("Attacks on the outbox", .timeLimit(.minutes(2)))
struct DiskTests {
    private static func letter(_ bench: OutboxBench, _ queue: OutboxQueue) async throws {
        queue.append(1...1)
        queue.setAside(try await queue.message().ticket, reason: "refused")
        try await bench.status { $0.deadLetters == 1 }
    }

    @Test(
        "a dead letter that is sent again does not get between the events of a message that grows", arguments: [0, 1])
    func retryBesideAGrowingMessage(crashes: Int) async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        try await Self.letter(bench, queue)
        queue.append([.part("a")])
        try await bench.status { $0.committedEvents == 2 }
        #expect(try await bench.outbox.retry("a", sequence: nil) == (1, 0))
        queue.append([.part(",b")])
        try await bench.status { $0.committedEvents == 4 }
        if crashes == 1 {
            try await bench.crash()
            queue = try await bench.queue()
        } else {
            queue.append([.part(",c", isLast: true)])
        }
        let messages = try await queue.take(2)
        #expect(messages.map(\.text) == [#"[{"n":1}]"#, crashes == 1 ? "[a,b]" : "[a,b,c]"])
        #expect(messages.map(\.sequence) == [1, 2])
    }

    @Test("what is sent again is as old as when it was asked for, also after a restart")
    func retryOfAnOldLetter() async throws {
        let bench = try await OutboxBench()
        let options = OutboxOptions(maxAge: .seconds(86_400))
        var queue = try await bench.queue(options)
        // Rendered decades ago, as its time says.
        try await Self.letter(bench, queue)
        _ = try await bench.outbox.retry("a", sequence: nil)
        queue.append(2...5)
        try await bench.status { $0.sequence == 5 }
        try await bench.reopen()
        queue = try await bench.queue(options)
        // Time for ages to be looked at.
        try await Task.sleep(for: .milliseconds(1500))
        #expect(try await queue.take(5).map(\.number) == [1, 2, 3, 4, 5])
    }

    @Test("a backup that is put back counts under another epoch")
    func restored() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append(1...3)
        let epoch = try await queue.take(3)[0].epoch
        await bench.outbox.close()
        let backup = try Data(contentsOf: URL(filePath: bench.path))
        try await bench.reopen()
        queue = try await bench.queue()
        queue.append(4...9)
        #expect(try await queue.take(6).map(\.epoch) == Array(repeating: epoch, count: 6))
        await bench.outbox.close()
        // In place: it is the same file to the file system.
        let file = open(bench.path, O_WRONLY | O_TRUNC)
        #expect(backup.withUnsafeBytes { write(file, $0.baseAddress, $0.count) } == backup.count)
        close(file)
        try await bench.reopen()
        queue = try await bench.queue()
        queue.append(10...10)
        let message = try await queue.message()
        #expect(message.epoch != epoch && message.sequence == 1)
    }

    @Test("the file is deleted while it serves: what it held is saved")
    func deletedFile() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append(1...500)
        let taken = try await queue.take(50)
        try await bench.status { $0.sequence == 500 }
        unlink(bench.path)
        // Noticed within a second or two.
        try await Task.sleep(for: .milliseconds(2500))
        queue.append(501...505)
        try await bench.status { $0.messages == 455 }
        try await bench.crash()
        queue = try await bench.queue()
        let rest = try await queue.take(455)
        #expect(rest.map(\.number) == Array(51...505))
        #expect(rest[0].epoch == taken[0].epoch)
    }

    @Test(
        "numbers that nobody wrote end no process",
        arguments: [
            "UPDATE agents SET next_sequence = 0", "UPDATE agents SET row = 9223372036854775807",
            "UPDATE agents SET bytes = 9223372036854775807", "UPDATE agents SET age = 9223372036854775807",
            "UPDATE agents SET age_time = -9223372036854775808", "UPDATE agents SET events = 4000000000",
            "UPDATE agents SET open_from = -5", "UPDATE agents SET messages = 4000000000",
            "UPDATE messages_1 SET all_bytes = 9223372036854775807", "UPDATE messages_1 SET events = -1",
            "UPDATE messages_1 SET age = 9223372036854775807 WHERE row = 3",
            "UPDATE messages_1 SET offset = 9223372036854775807", "UPDATE messages_1 SET sequence = -9",
            "UPDATE messages_1 SET trims = '9223372036854775807:1,5:9223372036854775807'",
            "UPDATE messages_1 SET parts = '-1,0,9223372036854775807,7'", "UPDATE messages_1 SET first = -3",
            "UPDATE messages_1 SET epoch = 77", "UPDATE epochs SET number = 9223372036854775807",
            "DROP TABLE messages_1", "DROP TABLE agents", "DELETE FROM agents", "DELETE FROM epochs",
            "UPDATE agents SET name = 'another'", "DROP TABLE dead_letters",
        ])
    func forged(sql: String) async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append([.part("[1],[2]", events: 2, isLast: true)])
        queue.append(2...8)
        _ = try await queue.take(1)
        await bench.outbox.close()
        try await bench.execute(sql)
        try await bench.reopen()
        queue = try await bench.queue()
        _ = try await bench.outbox.overview()
        queue.append(100...100)
        // Whatever became of the rest: it serves.
        var last = 0
        let end = ContinuousClock.now + .seconds(10)
        while last != 100, ContinuousClock.now < end {
            guard let message = queue.next() else {
                try await Task.sleep(for: .milliseconds(5))
                continue
            }
            last = message.number ?? -1
            _ = message.identity(gateway: "g", agent: "a").fields
            queue.acknowledge(message.ticket)
        }
        #expect(last == 100)
        await bench.outbox.close()
    }

    @Test("rows of messages that grew over many commits are deleted with them")
    func grownMessagesAreDeleted() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        for round in 0..<60 {
            queue.append((0..<3).map { .part("x", lane: $0, isLast: round % 20 == 19) })
            try await bench.status { $0.committedEvents == 3 * (Int64(round) + 1) }
        }
        _ = try await queue.take(9)
        await bench.outbox.close()
        #expect(try await bench.count("messages_1") == 0)
    }

    @Test("a gap is told by the next message where the one that was to tell it was refused")
    func gapOfADeadLetter() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...10)
        try await bench.status { $0.sequence == 10 }
        _ = try await bench.outbox.discardWaiting(of: "a")
        queue.append(11...12)
        let first = try await queue.message()
        #expect(first.gap == 1...10)
        queue.setAside(first.ticket, reason: "refused")
        #expect(try await queue.message().gap == 1...11)
    }

    @Test("a gap that is told late does not name what went before it was told")
    func lateGap() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...10)
        try await bench.status { $0.sequence == 10 }
        _ = try await bench.outbox.discardWaiting(of: "a")
        queue.append(11...13)
        let first = try await queue.message()
        let second = try await queue.message()
        queue.setAside(first.ticket, reason: "refused")
        queue.acknowledge(second.ticket)
        #expect(second.gap == nil)
        #expect(try await queue.message().gap == 1...11)
    }
}

extension OutboxBench {
    func count(_ table: String) async throws -> Int {
        let database = try DatabaseQueue(path: path)
        defer { try? database.close() }
        return try await database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") ?? -1 }
    }
}
