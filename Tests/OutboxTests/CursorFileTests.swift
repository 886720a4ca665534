import FoundationEssentials
import GRDB
import TestPeers
import Testing

@testable import Outbox

@Suite("Cursors that outlive the process")
struct CursorFileTests {
    private struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// What is done to the file, with the database's token.
        let make: @Sendable (_ database: String, _ token: String) throws -> Void
    }

    /// Cursor of message 7 of `{"n":N}` messages, which `queue.append` makes.
    private static func change(_ database: String, _ body: (inout [UInt8]) -> Void) throws {
        let path = String(database.dropLast(7)) + ".cursors"
        var bytes = Array(try Data(contentsOf: URL(filePath: path)))
        body(&bytes)
        try Data(bytes).write(to: URL(filePath: path))
    }

    private static let faults = [
        Fault(testDescription: "a bit is another") { database, _ in try change(database) { $0[128 + 40] ^= 1 } },
        Fault(testDescription: "half of it is missing") { database, _ in
            try change(database) { $0.removeLast($0.count - 128 - 48) }
        },
        Fault(testDescription: "zeros, as a power cut leaves them") { database, _ in
            try change(database) { $0 = [UInt8](repeating: 0, count: $0.count) }
        },
        Fault(testDescription: "of another opening") { database, token in
            let file = try #require(CursorFile(beside: database, token: String(token.reversed())))
            #expect(file.write(cursor(7), of: 1))
        },
        Fault(testDescription: "of a row that is not there") { database, token in
            let file = try #require(CursorFile(beside: database, token: token))
            #expect(file.write(cursor(21), of: 1))
        },
        Fault(testDescription: "of a row that is another one's") { database, token in
            let file = try #require(CursorFile(beside: database, token: token))
            var cursor = cursor(15)
            cursor.mark.bytes += 1
            #expect(file.write(cursor, of: 1))
        },
        Fault(testDescription: "of a row with another sequence") { database, token in
            let file = try #require(CursorFile(beside: database, token: token))
            var cursor = cursor(15)
            cursor.sequence.number += 1
            #expect(file.write(cursor, of: 1))
        },
    ]

    private static func cursor(_ number: Int64) -> OutboxCursor {
        let size = Int64(OutboxChunk.whole(1).size)
        // Numbers of two digits take a byte more.
        let bytes = size * number + max(0, number - 9)
        return OutboxCursor(
            mark: OutboxMark(row: number, messages: number, events: number, bytes: bytes),
            sequence: OutboxSequence(epoch: 1, number: UInt64(number)))
    }

    private func token(_ database: String) throws -> String {
        let token = try DatabaseQueue(path: database).read { try String.fetchOne($0, sql: "SELECT token FROM epochs") }
        return try #require(token)
    }

    @Test("after a crash only what was on its way comes again")
    func crash() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...20)
        _ = try await queue.message()
        _ = try await queue.message()
        queue.acknowledge([1, 2])
        #expect(try await queue.take(5).map(\.number) == [3, 4, 5, 6, 7])
        let underway = try await queue.message()
        #expect(underway.number == 8)
        try await bench.crash()
        let again = try await bench.queue()
        #expect(try await again.take(13).map(\.number) == Array(8...20))
    }

    @Test("what the file says is believed only where the database has the very row", arguments: faults)
    private func fault(_ fault: Fault) async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...20)
        _ = try await queue.take(7)
        // With the cursor of the database at 7 and the file's beyond it, or what is left of it.
        try await bench.status { $0.messages == 13 }
        try await Task.sleep(for: .milliseconds(200))
        try fault.make(bench.path, try token(bench.path))
        try await bench.crash()
        #expect(try await bench.queue().take(13).map(\.number) == Array(8...20))
    }

    @Test("the file's own cursor is believed: what the test above builds is right but for its fault")
    func believed() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        queue.append(1...20)
        _ = try await queue.take(7)
        try await bench.status { $0.messages == 13 }
        let file = try #require(CursorFile(beside: bench.path, token: try token(bench.path)))
        #expect(file.write(CursorFileTests.cursor(15), of: 1))
        try await bench.crash()
        #expect(try await bench.queue().take(5).map(\.number) == Array(16...20))
    }

    @Test("no cursor passes a dead letter that is not kept")
    func letters() async throws {
        let bench = try await OutboxBench()
        let queue = try await bench.queue()
        let token = try token(bench.path)
        for round in 1...30 {
            queue.append(1...2)
            let first = try await queue.message()
            let second = try await queue.message()
            queue.setAside(first.ticket, reason: "round \(round)")
            queue.acknowledge(second.ticket)
            let noted = CursorFile.read(beside: bench.path, token: token, of: 1)
            let kept = try await DatabaseQueue(path: bench.path).read {
                try Int.fetchOne($0, sql: "SELECT count(*) FROM dead_letters")
            }
            // A commit between the two looks only makes for more letters than the file knows of.
            #expect(Int(noted?.mark.row ?? 0) <= 2 * (kept ?? 0))
            try await bench.status { $0.deadLetters == round }
        }
        // And it goes on once they are kept.
        queue.append(3...3)
        _ = try await queue.take(1)
        #expect(CursorFile.read(beside: bench.path, token: token, of: 1)?.mark.row == 61)
    }

    @Test("where the file cannot be written, a window of messages is the most that comes twice")
    func unwritable() async throws {
        let bench = try await OutboxBench()
        await bench.outbox.close()
        let path = String(bench.path.dropLast(7)) + ".cursors"
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/nowhere/at/all")
        try await bench.crash()
        let queue = try await bench.queue()
        queue.append(1...1000)
        #expect(try await queue.take(600).map(\.number) == Array(1...600))
        try await bench.crash()
        let next = try await bench.queue().message()
        let first = try #require(next.number)
        #expect(first <= 601 && first > 600 - OutboxQueue.window)
    }
}
