import Foundation
import GRDB
import Tags
import Testing

@testable import SecurityPolicy

@Suite("Audit log", .timeLimit(.minutes(2)))
struct AuditLogTests {
    @Test("keeps what was recorded, in order and with every word, over a restart")
    func keeps() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        try await log.record([AuditFixture.write(1), AuditFixture.write(2, reason: "applied")])
        await log.close()
        let again = try await fixture.open()
        try await again.record(AuditFixture.write(3))
        await again.close()

        let entries = try fixture.reader.entries(AuditFilter(action: "write"))
        #expect(entries.map(\.object) == ["Plant.PLC1.Valve1", "Plant.PLC1.Valve2", "Plant.PLC1.Valve3"])
        #expect(entries.map(\.sequence) == [3, 4, 5])
        let second = try #require(entries.dropFirst().first)
        #expect(second.principal == "ann" && second.kind == "user" && second.address == "192.0.2.7")
        #expect(second.agent == "api" && second.old == "2" && second.new == "3" && second.reason == "applied")
        let result = try fixture.reader.verify()
        #expect(result.isIntact, "\(result.problems)")
        #expect(result.entries == 5 && result.heads >= 2)
    }

    @Test("is for its owner alone")
    func modes() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open(AuditOptions(maximumBytes: 1 << 20, reserve: 1 << 18))
        try await log.record((0..<8000).map { AuditFixture.write($0) })
        try await eventually("an exported segment") { try !fixture.exported.isEmpty }
        for file in ["audit.sqlite", "audit.sqlite-wal", "audit.sqlite-shm", "audit.key"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: fixture.path + "/" + file)
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(file)")
        }
        for file in try fixture.exported where file.hasSuffix("jsonl") {
            let attributes = try FileManager.default.attributesOfItem(atPath: file)
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(file)")
        }
        await log.close()
    }

    @Test("is never changed by SQL that does not first take its triggers away")
    func appendOnly() async throws {
        let fixture = try AuditFixture()
        try await fixture.fill(5)
        for sql in [
            "UPDATE entries SET principal = 'eve'", "DELETE FROM entries WHERE sequence = 3", "DELETE FROM heads",
            "INSERT OR REPLACE INTO entries SELECT sequence, time, 'eve', kind, address, agent, action, object, old, "
                + "new, outcome, reason, count, hash FROM entries WHERE sequence = 3",
            "UPDATE heads SET sequence = 1", "UPDATE chain SET id = x'00'", "DELETE FROM chain",
        ] {
            #expect(throws: DatabaseError.self, "\(sql)") { try fixture.tamper(sql) }
        }
        #expect(try fixture.reader.verify().isIntact)
    }

    @Test("writes what comes at the same time in a few commits")
    func groupCommit() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        let commits = log.commits()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for number in 0..<200 { tasks.addTask { try await log.record(AuditFixture.write(number)) } }
            try await tasks.waitForAll()
        }
        await log.close()
        var count = 0
        for await _ in commits { count += 1 }
        #expect(count >= 1)
        #expect(try fixture.reader.entries(AuditFilter(action: "write", limit: 1000)).count == 200)
        #expect(try fixture.reader.verify().isIntact)
    }

    @Test("sums what is alike within a second, and failed logins by user and address whatever their reason")
    func sums() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        for number in 0..<1000 {
            log.note(
                AuditEvent(
                    .login, of: "api", by: "eve", kind: .user, address: "192.0.2.9", agent: "api", outcome: .refused,
                    reason: "wrong password \(number)"))
            log.note(
                AuditEvent(
                    .read, of: "Plant.Secret", by: "bob", kind: .user, address: "192.0.2.8", agent: "api",
                    outcome: .refused, reason: "forbidden"))
        }
        try await log.flush()
        let entries = try fixture.reader.entries(AuditFilter(outcome: "refused", limit: 5000))
        #expect(entries.filter { $0.action == "login" }.reduce(0) { $0 + $1.count } == 1000)
        #expect(entries.filter { $0.action == "read" }.reduce(0) { $0 + $1.count } == 1000)
        // A slow machine may need some seconds for the loop; one row a second for each is what is promised.
        #expect(entries.count < 40)
        await log.close()
    }

    @Test("bounds a flood of different events, and one address does not hide another")
    func flood() {
        var notes = AuditNotes()
        let now = ContinuousClock.now
        for number in 0..<100_000 {
            _ = notes.add(
                AuditEvent(
                    .login, of: "api", by: "name\(number)", kind: .user, address: "192.0.2.9", outcome: .refused),
                now: now)
        }
        _ = notes.add(
            AuditEvent(.login, of: "api", by: "ann", kind: .user, address: "192.0.2.1", outcome: .succeeded), now: now)
        let first = notes.take()
        #expect(first.count == AuditNotes.limitPerClient + 2)
        #expect(first.reduce(0) { $0 + $1.count } == 100_001)
        #expect(first.contains { $0.principal == "ann" })
        #expect(first.contains { $0.principal == "others" && $0.address == "192.0.2.9" })

        for number in 0..<100_000 {
            _ = notes.add(
                AuditEvent(
                    .read, of: "T\(number)", by: "b", kind: .user,
                    address: "10.0.\(number / 256 % 256).\(number % 256)", outcome: .refused), now: now)
        }
        let second = notes.take()
        #expect(second.count <= AuditNotes.limit + 8)
        #expect(second.reduce(0) { $0 + $1.count } == 100_000)
        #expect(notes.isEmpty)
    }

    @Test("takes a network of IPv6 for one client, and IPv4 within IPv6 for what it is")
    func floodOfOneNetwork() {
        var notes = AuditNotes()
        func add(_ name: String, _ address: String) {
            _ = notes.add(
                AuditEvent(.login, of: "api", by: name, kind: .user, address: address, outcome: .refused), now: .now)
        }
        for number in 0..<10_000 { add("guess", "2001:db8:0:1::\(String(number, radix: 16))") }
        add("ann", "2001:db8:0:2::1")
        let entries = notes.take()
        #expect(entries.count == AuditNotes.limitPerClient + 2)
        #expect(entries.contains { $0.principal == "ann" })
        #expect(entries.reduce(0) { $0 + $1.count } == 10_001)
        #expect(notes.isEmpty)
        for number in 0..<200 { add("guess", "::ffff:192.0.2.\(number)") }
        #expect(notes.take().count == 200)
    }

    @Test("what is not told leaves nothing behind")
    func untold() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        func event(_ object: String) -> AuditEvent {
            AuditEvent(.read, of: object, by: "vera", kind: .user, address: "192.0.2.9", outcome: .refused)
        }
        log.note(event("Plant.D.Nope"), isTold: false)
        log.note(event("Plant.D.Hidden"))
        log.note(event("Plant.D.Hidden"), isTold: false)
        try await log.flush()
        let entries = try fixture.reader.entries(AuditFilter(action: "read"))
        #expect(entries.map(\.object) == ["Plant.D.Hidden"])
        #expect(entries.map(\.count) == [1])
        await log.close()
    }

    @Test("makes what came from outside short and visible")
    func visible() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        try await log.record(
            AuditEvent(
                .login, of: "api", by: "a\u{1B}[2J\n2026 fake entry\u{202E}é", kind: .user, outcome: .refused,
                reason: String(repeating: "ä", count: 5000)))
        let entry = try #require(try fixture.reader.entries(AuditFilter(action: "login")).first)
        #expect(entry.principal == "a\\u{1B}[2J\\u{A}2026 fake entry\\u{202E}é")
        #expect(entry.reason.utf8.count <= 1024 && entry.reason.hasSuffix("…"))
        await log.close()
    }

    @Test("tells of every commit, and no more after its end")
    func listeners() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        let commits = log.commits()
        try await log.record(AuditFixture.write(1))
        var iterator = commits.makeAsyncIterator()
        #expect(await iterator.next() != nil)
        await log.close()
        #expect(await iterator.next() == nil)
        for await _ in log.commits() { Issue.record("a commit after the end") }
        await #expect(throws: AuditError.self) { try await log.record(AuditFixture.write(2)) }
        log.note(AuditFixture.write(3))
        await log.close()
    }

    @Test("moves a damaged database aside and begins a new chain that says so")
    func damaged() async throws {
        for damage in ["garbage", "page"] {
            let fixture = try AuditFixture()
            try await fixture.fill(500)
            let handle = try FileHandle(forUpdating: URL(filePath: fixture.database))
            if damage == "garbage" {
                try handle.write(contentsOf: Data(repeating: 0x58, count: 4096))
            } else {
                try handle.seek(toOffset: 4096 * 8)
                try handle.write(contentsOf: Data(repeating: 0xFF, count: 3 * 4096))
            }
            try handle.close()
            let log = try await fixture.open()
            try await log.record(AuditFixture.write(1))
            await log.close()
            let entries = try fixture.reader.entries(AuditFilter())
            let first = try #require(entries.first)
            #expect(first.action == "audit-log" && first.outcome == "failed" && first.reason.contains("damaged"))
            let aside = try #require(first.old)
            #expect(FileManager.default.fileExists(atPath: fixture.path + "/" + aside))
            #expect(try fixture.reader.verify().isIntact)
        }
    }

    @Test("leaves a newer version's database as it is, and refuses a key that others may read")
    func refusals() async throws {
        let fixture = try AuditFixture()
        try await fixture.fill(1)
        try fixture.tamper("PRAGMA user_version = 2")
        let newer = await #expect(throws: AuditError.self) { _ = try await fixture.open() }
        #expect(newer?.description.contains("newer version") == true)
        #expect(try fixture.number("PRAGMA user_version") == 2)
        #expect(throws: AuditError.self) { try fixture.reader.verify() }
        try fixture.tamper("PRAGMA user_version = 1")
        chmod(fixture.path + "/audit.key", 0o644)
        let open = await #expect(throws: AuditError.self) { _ = try await fixture.open() }
        #expect(open?.description.contains("chmod 600") == true)
    }

    @Test("finds entries by time, name, action, object and outcome, the newest so many")
    func filters() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        var old = AuditFixture.write(1)
        old.time = Timestamp(microseconds: 1_000_000)
        try await log.record([old, AuditFixture.write(2), AuditFixture.write(10)])
        let reader = fixture.reader
        func objects(_ filter: AuditFilter) throws -> [String] {
            try reader.entries(filter).filter { $0.action == "write" }.map { String($0.object.dropFirst(11)) }
        }
        #expect(try objects(AuditFilter(until: Timestamp(microseconds: 2_000_000))) == ["Valve1"])
        #expect(try objects(AuditFilter(since: Timestamp(microseconds: 2_000_000))) == ["Valve2", "Valve10"])
        #expect(try objects(AuditFilter(principal: "ANN", object: "plant.*.valve1*")) == ["Valve1", "Valve10"])
        #expect(try objects(AuditFilter(action: "write", limit: 1)) == ["Valve10"])
        #expect(try objects(AuditFilter(outcome: "refused")).isEmpty)
        await log.close()
    }

    @Test("times are read back to the microsecond")
    func times() {
        for micros: Int64 in [0, 1, 999_999, 1_795_454_165_123_456, 253_402_300_799_999_999] {
            let time = Timestamp(microseconds: micros)
            #expect(AuditTime.parse(AuditTime.text(time)) == time)
        }
        #expect(AuditTime.text(Timestamp(microseconds: 1_795_454_165_123_456)) == "2026-11-23T17:16:05.123456Z")
        #expect(AuditTime.parse("2026-11-23") == AuditTime.parse("2026-11-23T00:00:00Z"))
        for text in ["", "2026", "2026-13-01", "2026-11-23T25:00", "2026-11-23T10:00:00.1234567", "2026-11-23x"] {
            #expect(AuditTime.parse(text) == nil, "\(text)")
        }
    }
}
