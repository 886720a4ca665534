import Foundation
import Tags
import Testing

@testable import SecurityPolicy

@Suite("Tampering with the audit log", .timeLimit(.minutes(2)))
struct AuditTamperTests {
    typealias Kind = AuditVerification.Problem.Kind

    private static let shift = """
        UPDATE entries SET sequence = sequence + 1000 WHERE sequence >= 10;
        INSERT INTO entries SELECT 10, time, 'eve', kind, address, agent, action, object, old, new, outcome, reason,
            count, hash FROM entries WHERE sequence = 9;
        UPDATE entries SET sequence = sequence - 999 WHERE sequence > 1000
        """
    private static let swap = """
        UPDATE entries SET sequence = -1 WHERE sequence = 10;
        UPDATE entries SET sequence = 10 WHERE sequence = 11;
        UPDATE entries SET sequence = 11 WHERE sequence = -1
        """

    static let cases: [(what: String, sql: String, kind: Kind, sequence: Int64)] =
        [
            "time = time + 1", "principal = 'bob'", "kind = 'token'", "address = ''", "agent = 'x'",
            "action = 'read'", "object = 'Plant.PLC1.Other'", "old = NULL", "new = '7'", "outcome = 'refused'",
            "reason = 'none'", "count = 2", "hash = zeroblob(32)",
            // The same characters, divided otherwise.
            "address = address || '1', agent = 'api'",
        ].map { ("changed: \($0)", "UPDATE entries SET \($0) WHERE sequence = 10", Kind.changed, 10) } + [
            ("removed", "DELETE FROM entries WHERE sequence = 10", .removed, 10),
            ("several removed", "DELETE FROM entries WHERE sequence BETWEEN 10 AND 12", .removed, 10),
            ("the first removed", "DELETE FROM entries WHERE sequence = 1", .removed, 1),
            ("inserted", shift, .changed, 10),
            ("reordered", swap, .changed, 10),
            ("truncated", "DELETE FROM entries WHERE sequence > 20", .truncated, 20),
            ("emptied", "DELETE FROM entries", .truncated, 0),
        ]

    @Test("is found, with the entry that it happened to", arguments: cases.indices)
    func tampering(_ index: Int) async throws {
        let (what, sql, kind, sequence) = Self.cases[index]
        let fixture = try AuditFixture()
        try await fixture.fill(30)
        #expect(try fixture.reader.verify().isIntact)
        try fixture.tamper(sql, dropping: ["entries_stay", "entries_stay_as_they_are", "entries_in_order"])
        let result = try fixture.reader.verify()
        let first = try #require(result.problems.first, "\(what)")
        #expect(first.kind == kind && first.sequence == sequence, "\(what): \(first)")
    }

    @Test("of the end together with the heads is found against a head that was kept elsewhere")
    func exportedHead() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        try await log.record((0..<30).map { AuditFixture.write($0) })
        let head = try await log.head()
        #expect(head.isSigned && head.sequence == 32)
        await log.close()
        #expect(try fixture.reader.verify(heads: [head]).isIntact)
        try fixture.tamper(
            "DELETE FROM entries WHERE sequence > 20; DELETE FROM heads WHERE sequence > 20",
            dropping: ["entries_stay", "heads_stay"])
        #expect(try fixture.reader.verify().isIntact, "nothing in the file itself tells")
        let result = try fixture.reader.verify(heads: [head])
        #expect(result.problems.map(\.kind) == [.truncated])
        #expect(result.problems.first?.text.contains("has 32 entries, here 20 is the last") == true)
    }

    @Test("that writes the whole chain anew is found by the signed heads")
    func rewritten() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        try await log.record((0..<10).map { AuditFixture.write($0) })
        let head = try await log.head()
        await log.close()
        // The same, with one word changed and every hash after it made to fit.
        let entries = try fixture.reader.entries(AuditFilter(limit: 100))
        var previous = entries[4].hash
        var sql = ""
        for var entry in entries[5...] {
            if entry.sequence == 6 { entry.principal = "bob" }
            let hash = entry.computedHash(after: previous)
            sql +=
                "UPDATE entries SET principal = '\(entry.principal)', hash = x'\(Hexadecimal.text(hash))' "
                + "WHERE sequence = \(entry.sequence);"
            previous = hash
        }
        try fixture.tamper(sql, dropping: ["entries_stay_as_they_are"])
        let result = try fixture.reader.verify(heads: [head])
        #expect(!result.isIntact && result.problems.allSatisfy { $0.kind == .rewritten }, "\(result.problems)")

        // And with the heads of the file signed anew by another key.
        var forged = head
        forged.hash = Hexadecimal.text(previous)
        #expect(!forged.isSigned)
        let other = try AuditFixture()
        let (key, _) = try AuditKey.open(dataDirectory: other.path)
        forged = try AuditHead(
            chain: Hexadecimal.bytes(head.chain) ?? [], sequence: head.sequence, hash: previous, time: .now, key: key)
        try fixture.tamper(
            """
            DELETE FROM heads; INSERT INTO heads VALUES (\(forged.sequence), '\(forged.hash)', '\(forged.time)',
            '\(forged.publicKey)', '\(forged.signature)')
            """, dropping: ["heads_stay"])
        let second = try fixture.reader.verify()
        #expect(second.problems.map(\.kind) == [.signature])
    }

    @Test("by putting another log in its place is found by a head that was kept elsewhere")
    func replaced() async throws {
        let fixture = try AuditFixture(), other = try AuditFixture()
        let log = try await fixture.open()
        let head = try await log.head()
        await log.close()
        try await other.fill(30)
        let result = try other.reader.verify(heads: [head], trustedKeys: [head.publicKey])
        #expect(result.problems.contains { $0.kind == .rewritten && $0.text.contains("another log") })
    }

    @Test("while nothing ran is told by the next start, in the log itself")
    func nextStart() async throws {
        let fixture = try AuditFixture()
        try await fixture.fill(30)
        try fixture.tamper("DELETE FROM entries WHERE sequence > 20", dropping: ["entries_stay"])
        let log = try await fixture.open()
        await log.close()
        let last = try #require(try fixture.reader.entries(AuditFilter(limit: 1)).first)
        #expect(last.action == "audit-log" && last.reason.contains("entries 21 to 32 are missing"))
        #expect(try !fixture.reader.verify().isIntact)
    }
}
