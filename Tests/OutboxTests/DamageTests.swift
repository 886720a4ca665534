import FoundationEssentials
import GRDB
import Glibc
import Logging
import Outbox
import TestPeers
import Testing

@Suite("Damaged and strange files", .timeLimit(.minutes(2)))
struct DamageTests {
    private func aside(_ bench: OutboxBench) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: bench.directory.path).filter {
            $0.contains(".damaged-") && !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm")
        }
    }

    @Test("what is no database is moved aside, and a new one serves", arguments: [0, 40, 8192])
    func garbage(offset: Int) async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...50, padding: 1000)
        let epoch = try await queue.take(1)[0].epoch
        await bench.outbox.close()
        try overwrite(bench.path, from: offset, [UInt8](repeating: 0xA5, count: 4000))
        let before = try Data(contentsOf: URL(filePath: bench.path))
        try await bench.reopen()
        let new = try await bench.queue()
        new.append(60...60)
        let message = try await new.message()
        #expect(message.number == 60 && message.sequence == 1 && message.epoch != epoch)
        let moved = try aside(bench)
        #expect(moved.count == 1)
        #expect(try Data(contentsOf: URL(filePath: bench.directory.file(moved.first ?? ""))) == before)
        #expect(try await bench.outbox.overview().quarantined == 1)
    }

    @Test("a file that is found damaged while it serves: what is in memory goes on")
    func damagedWhileServing() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        // Beyond what memory holds, so that the disk is needed.
        for start in stride(from: 1, through: 6000, by: 100) { queue.append(start...start + 99, padding: 2000) }
        try await bench.status { $0.sequence == 6000 }
        try await bench.outbox.checkpoint()
        var facts = stat()
        stat(bench.path, &facts)
        // All but the first page: schema and agents stay readable.
        let rubbish = [UInt8](repeating: 0x5A, count: 1 << 20)
        for offset in stride(from: 65_536, to: Int(facts.st_size), by: rubbish.count) {
            try overwrite(bench.path, from: offset, rubbish)
        }
        var numbers: [Int] = []
        let end = ContinuousClock.now + .seconds(20)
        while numbers.last != 6000, ContinuousClock.now < end {
            guard let message = queue.next() else {
                try await Task.sleep(for: .milliseconds(5))
                continue
            }
            numbers.append(message.number ?? -1)
            queue.acknowledge(message.ticket)
        }
        #expect(numbers.last == 6000 && numbers == numbers.sorted() && Set(numbers).count == numbers.count)
        #expect(try aside(bench).count == 1)
        queue.append(7000...7000)
        #expect(try await queue.message().number == 7000)
        try await bench.status { $0.sequence == 1 }
    }

    @Test("a copy, another machine and a lost log count under another epoch; what waits stays", arguments: [0, 1, 2])
    func epochs(kind: Int) async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append(1...3)
        let first = try await queue.take(1)[0]
        switch kind {
        case 0:
            await bench.outbox.close()
            try FileManager.default.copyItem(atPath: bench.path, toPath: bench.path + ".copy")
            rename(bench.path + ".copy", bench.path)
            try await bench.reopen()
        case 1: try await bench.reopen(machine: "another")
        default:
            try await bench.status { $0.messages == 2 }
            try await Task.sleep(for: .milliseconds(100))
            try await bench.outbox.checkpoint()
            unlink(bench.path + "-wal")
            unlink(bench.path + "-shm")
            try await bench.crash()
        }
        queue = try await bench.queue()
        let rest = try await queue.take(2)
        #expect(rest.map(\.number) == [2, 3] && rest.map(\.epoch) == [first.epoch, first.epoch])
        queue.append(4...4)
        let next = try await queue.message()
        #expect(next.sequence == 1 && next.epoch != first.epoch && next.gap == nil)
    }

    @Test("the log is deleted while it serves: nothing is lost")
    func deletedLog() async throws {
        let bench = try await OutboxBench()
        var queue = try await bench.queue()
        queue.append(1...3)
        let first = try await queue.message()
        unlink(bench.path + "-wal")
        // Noticed within a second or two.
        try await Task.sleep(for: .milliseconds(2500))
        queue.append(4...5)
        try await bench.status { $0.sequence == 5 }
        try await bench.crash()
        queue = try await bench.queue()
        let messages = try await queue.take(5)
        #expect(messages.map(\.number) == [1, 2, 3, 4, 5])
        #expect(Set(messages.map(\.epoch)) == [first.epoch])
    }

    @Test("a file of format 1 is taken over with what waits in it")
    func older() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...5)
        let epoch = try await queue.take(2)[0].epoch
        try await bench.status { $0.sequence == 5 }
        await bench.outbox.close()
        for column in ["paused_at", "rest_row", "rest", "max_age"] {
            try await bench.execute("ALTER TABLE agents DROP COLUMN \(column)")
        }
        try await bench.execute("ALTER TABLE messages_1 DROP COLUMN gap")
        try await bench.execute("PRAGMA user_version = 1")
        try await bench.reopen()
        let again = try await bench.queue()
        again.append(6...6)
        let rest = try await again.take(4)
        #expect(rest.map(\.number) == [3, 4, 5, 6] && rest.allSatisfy { $0.epoch == epoch && $0.gap == nil })
        #expect(try aside(bench).isEmpty)
    }

    @Test("a newer version's file is left alone")
    func newer() async throws {
        let bench = try await OutboxBench()
        await bench.outbox.close()
        try await bench.execute("PRAGMA user_version = 99")
        let error = await #expect(throws: OutboxError.self) { try await bench.reopen() }
        #expect(error?.code == .newer)
        #expect(try aside(bench).isEmpty)
    }
}

extension OutboxBench {
    func execute(_ sql: String) async throws {
        let database = try DatabaseQueue(path: path)
        try await database.write { try $0.execute(sql: sql) }
        try database.close()
    }
}

func overwrite(_ path: String, from offset: Int, _ bytes: [UInt8]) throws {
    let descriptor = open(path, O_WRONLY)
    guard descriptor >= 0 else { throw TestPeerError("\(path) cannot be opened") }
    defer { close(descriptor) }
    guard pwrite(descriptor, bytes, bytes.count, off_t(offset)) == bytes.count else {
        throw TestPeerError("\(path) cannot be written")
    }
}
