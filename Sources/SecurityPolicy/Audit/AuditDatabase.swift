import FoundationEssentials
import GRDB
import Glibc
import Tags

/// `audit.sqlite` as its one writer has it open. Every call blocks: only the audit log's own thread makes them.
final class AuditDatabase {
    /// `PRAGMA user_version` of what this version writes.
    static let schemaVersion = 1
    static let pageSize: Int64 = 4096

    /// Why the database cannot be opened; each is answered differently.
    enum OpenFailure: Error {
        case newer(version: Int)
        /// The file is no database, or one whose pages do not fit together.
        case damaged(reason: String)
        /// Full, read-only, not there, an I/O error: it may be better in a while.
        case unavailable(reason: String, isFull: Bool)
    }

    let path: String
    private let queue: DatabaseQueue
    /// Random, made with the database: what was exported from one never fits another.
    let chain: [UInt8]
    /// The first entry's sequence, or the one that the first will have.
    private(set) var first: Int64
    private(set) var last: Int64
    private(set) var lastHash: [UInt8]
    /// Of the newest signed head; 0 when there is none.
    private(set) var headSequence: Int64
    /// Whether this opening made it.
    let isNew: Bool

    init(path: String) throws(OpenFailure) {
        self.path = path
        // SQLite gives its WAL files the mode of the database itself, so the file is made first.
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else {
            let code = errno
            throw .unavailable(reason: String(cString: strerror(code)), isFull: code == ENOSPC || code == EDQUOT)
        }
        let refused = fchmod(file, 0o600) != 0
        Glibc.close(file)
        guard !refused else { throw .unavailable(reason: "its mode cannot be set to 0600", isFull: false) }
        do {
            var configuration = Configuration()
            configuration.label = "audit"
            configuration.busyMode = .timeout(5)
            configuration.prepareDatabase { db in
                try db.execute(sql: "PRAGMA page_size = \(AuditDatabase.pageSize)")
                try db.execute(sql: "PRAGMA synchronous = FULL")
                try db.execute(sql: "PRAGMA cell_size_check = ON")
            }
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            let version = try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
            // Before anything is written: a newer version's file stays as it is.
            guard version <= AuditDatabase.schemaVersion else { throw OpenFailure.newer(version: version) }
            try queue.writeWithoutTransaction { db in
                let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
                guard mode == "wal" else {
                    throw OpenFailure.unavailable(reason: "it cannot use a WAL", isFull: false)
                }
                try db.execute(sql: "PRAGMA journal_size_limit = \(4 << 20)")
                let check = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "no answer"
                guard check == "ok" else { throw OpenFailure.damaged(reason: check) }
                if version == 0 {
                    try db.inTransaction(.immediate) {
                        try AuditDatabase.makeSchema(db)
                        return .commit
                    }
                }
            }
            let start = try queue.read { try AuditStart($0) }
            guard start.chain.count == 16 else {
                throw OpenFailure.damaged(reason: "it does not say which chain it is")
            }
            self.queue = queue
            isNew = version == 0
            chain = start.chain
            first = start.first
            last = start.last
            lastHash = start.lastHash
            headSequence = start.headSequence
        } catch let failure as OpenFailure {
            throw failure
        } catch {
            throw AuditDatabase.openFailure(error)
        }
    }

    private static func openFailure(_ error: any Error) -> OpenFailure {
        guard let error = error as? DatabaseError else { return .unavailable(reason: "\(error)", isFull: false) }
        let reason = error.message ?? "SQLite code \(error.resultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_ERROR: return .damaged(reason: reason)
        default: return .unavailable(reason: reason, isFull: error.resultCode == .SQLITE_FULL)
        }
    }

    private static func makeSchema(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE chain (id BLOB NOT NULL);
                CREATE TABLE entries (
                    sequence INTEGER PRIMARY KEY,
                    time INTEGER NOT NULL,
                    principal TEXT NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL,
                    action TEXT NOT NULL, object TEXT NOT NULL, old TEXT, new TEXT,
                    outcome TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
                    hash BLOB NOT NULL
                ) STRICT;
                CREATE TABLE heads (
                    sequence INTEGER NOT NULL, hash TEXT NOT NULL, time TEXT NOT NULL,
                    public_key TEXT NOT NULL, signature TEXT NOT NULL
                ) STRICT;
                CREATE TABLE checkpoints (
                    first INTEGER NOT NULL, last INTEGER NOT NULL, last_hash TEXT NOT NULL, count INTEGER NOT NULL,
                    time TEXT NOT NULL, file TEXT NOT NULL, file_hash TEXT NOT NULL,
                    public_key TEXT NOT NULL, signature TEXT NOT NULL
                ) STRICT;
                CREATE TRIGGER entries_in_order BEFORE INSERT ON entries
                    WHEN NEW.sequence <= (SELECT max(sequence) FROM entries)
                    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
                CREATE TRIGGER entries_stay_as_they_are BEFORE UPDATE ON entries
                    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
                CREATE TRIGGER heads_stay_as_they_are BEFORE UPDATE ON heads
                    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
                CREATE TRIGGER checkpoints_stay_as_they_are BEFORE UPDATE ON checkpoints
                    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
                CREATE TRIGGER checkpoints_stay BEFORE DELETE ON checkpoints
                    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
                CREATE TRIGGER chain_stays BEFORE DELETE ON chain
                    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
                CREATE TRIGGER chain_stays_as_it_is BEFORE UPDATE ON chain
                    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
                \(keepEntries); \(keepHeads);
                """)
        let chain = (0..<16).map { _ in UInt8.random(in: 0...255) }
        try db.execute(sql: "INSERT INTO chain (id) VALUES (?)", arguments: [Data(chain)])
        try db.execute(sql: "PRAGMA user_version = \(schemaVersion)")
    }

    private static let keepEntries = """
        CREATE TRIGGER entries_stay BEFORE DELETE ON entries
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
        """
    private static let keepHeads = """
        CREATE TRIGGER heads_stay BEFORE DELETE ON heads
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
        """

    // MARK: Appending

    /// Commits the events as the next entries, with a signed head where one is due.
    func append(_ events: [AuditEvent], key: AuditKey, headEvery: Int64) throws {
        var sequence = last
        var hash = lastHash
        var signed = headSequence
        try queue.writeWithoutTransaction { db in
            try db.inTransaction(.immediate) {
                let insert = try db.cachedStatement(
                    sql: """
                        INSERT INTO entries (sequence, time, principal, kind, address, agent, action, object, old, new,
                            outcome, reason, count, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """)
                for event in events {
                    let entry = AuditEntry(event, sequence: sequence + 1, after: hash)
                    try insert.execute(arguments: [
                        entry.sequence, entry.time.microseconds, entry.principal, entry.kind, entry.address,
                        entry.agent, entry.action, entry.object, entry.old, entry.new, entry.outcome, entry.reason,
                        entry.count, Data(entry.hash),
                    ])
                    sequence = entry.sequence
                    hash = entry.hash
                }
                if sequence - signed >= headEvery {
                    try insertHead(db, AuditHead(chain: chain, sequence: sequence, hash: hash, time: .now, key: key))
                    signed = sequence
                }
                return .commit
            }
        }
        last = sequence
        lastHash = hash
        headSequence = signed
    }

    private func insertHead(_ db: Database, _ head: AuditHead) throws {
        try db.execute(
            sql: "INSERT INTO heads (sequence, hash, time, public_key, signature) VALUES (?, ?, ?, ?, ?)",
            arguments: [head.sequence, head.hash, head.time, head.publicKey, head.signature])
    }

    /// Signs the end of the chain as it is, if anything came since the last time, and gives the head.
    func sign(with key: AuditKey) throws -> AuditHead {
        let head = try AuditHead(chain: chain, sequence: last, hash: lastHash, time: .now, key: key)
        guard headSequence < last else { return head }
        try queue.writeWithoutTransaction { db in
            try db.inTransaction(.immediate) {
                try insertHead(db, head)
                return .commit
            }
        }
        headSequence = last
        return head
    }

    // MARK: Size

    /// The hard limit: SQLite answers that the database is full when a page more is needed.
    func limit(to bytes: Int64) throws {
        try queue.writeWithoutTransaction { db in
            _ = try Int64.fetchOne(db, sql: "PRAGMA max_page_count = \(max(32, bytes / AuditDatabase.pageSize))")
        }
    }

    /// Bytes that hold something.
    func usedBytes() throws -> Int64 {
        try queue.writeWithoutTransaction { db in
            let pages = try Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            let free = try Int64.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            return (pages - free) * AuditDatabase.pageSize
        }
    }

    /// The last entry of those, at most so many from the oldest on, that are older than a time; nil when none is.
    func lastEntry(olderThan time: Timestamp, among count: Int64) throws -> Int64? {
        try queue.writeWithoutTransaction { db in
            try Int64.fetchOne(
                db,
                sql: """
                    SELECT max(sequence) FROM (SELECT sequence, time FROM entries ORDER BY sequence LIMIT ?)
                    WHERE time < ?
                    """, arguments: [count, time.microseconds])
        }
    }

    /// Puts the checkpoint in the place of the entries that it stands for.
    func replace(with checkpoint: AuditCheckpoint) throws {
        try queue.writeWithoutTransaction { db in
            try db.inTransaction(.immediate) {
                // What keeps others from deleting is away only inside this transaction.
                try db.execute(sql: "DROP TRIGGER IF EXISTS entries_stay; DROP TRIGGER IF EXISTS heads_stay")
                try db.execute(sql: "DELETE FROM entries WHERE sequence <= ?", arguments: [checkpoint.last])
                try db.execute(sql: "DELETE FROM heads WHERE sequence <= ?", arguments: [checkpoint.last])
                try db.execute(sql: AuditDatabase.keepEntries)
                try db.execute(sql: AuditDatabase.keepHeads)
                try db.execute(
                    sql: """
                        INSERT INTO checkpoints (first, last, last_hash, count, time, file, file_hash, public_key,
                            signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        checkpoint.first, checkpoint.last, checkpoint.lastHash, checkpoint.count, checkpoint.time,
                        checkpoint.file, checkpoint.fileHash, checkpoint.publicKey, checkpoint.signature,
                    ])
                return .commit
            }
        }
        first = checkpoint.last + 1
    }

    /// Brings what is in the WAL into the file itself, so that the file alone is whole.
    func close() {
        do {
            try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
            try queue.close()
        } catch {
            // Nothing is lost: the WAL stays beside it, and the next opening reads it.
        }
    }
}

/// Where a chain goes on.
private struct AuditStart {
    var chain: [UInt8] = []
    var first: Int64 = 1
    var last: Int64 = 0
    var lastHash: [UInt8] = []
    var headSequence: Int64 = 0

    init(_ db: Database) throws {
        chain = try AuditRow.chain(db)
        lastHash = AuditBytes.genesis(of: chain)
        let checkpoint = try Row.fetchOne(
            db, sql: "SELECT last, last_hash FROM checkpoints ORDER BY last DESC LIMIT 1")
        if let checkpoint, let sequence = AuditRow.integer(checkpoint, 0) {
            last = sequence
            lastHash = Hexadecimal.bytes(AuditRow.text(checkpoint, 1) ?? "") ?? []
            first = sequence &+ 1
        }
        if let row = try Row.fetchOne(db, sql: "SELECT sequence, hash FROM entries ORDER BY sequence DESC LIMIT 1"),
            let sequence = AuditRow.integer(row, 0)
        {
            last = sequence
            lastHash = AuditRow.bytes(row, 1)
            first = try Int64.fetchOne(db, sql: "SELECT min(sequence) FROM entries") ?? sequence
        }
        headSequence = max(0, try Int64.fetchOne(db, sql: "SELECT max(sequence) FROM heads") ?? 0)
        // Beyond this a number more would overflow; only a hand from outside writes one.
        guard first >= 1, last >= 0, last < .max / 2 else {
            throw AuditDatabase.OpenFailure.damaged(reason: "its entries go from number \(first) to \(last)")
        }
    }
}

/// Columns as they are stored: a file that others may have written to holds anything in any of them.
enum AuditRow {
    static func chain(_ db: Database) throws -> [UInt8] {
        guard let row = try Row.fetchOne(db, sql: "SELECT id FROM chain") else { return [] }
        return bytes(row, 0)
    }

    static func integer(_ row: Row, _ column: Int) -> Int64? {
        let value: DatabaseValue = row[column]
        if case .int64(let number) = value.storage { return number }
        return nil
    }

    static func text(_ row: Row, _ column: Int) -> String? {
        let value: DatabaseValue = row[column]
        if case .string(let text) = value.storage { return text }
        return nil
    }

    static func bytes(_ row: Row, _ column: Int) -> [UInt8] {
        let value: DatabaseValue = row[column]
        if case .blob(let data) = value.storage { return Array(data) }
        return []
    }

    static let entryColumns = """
        sequence, time, principal, kind, address, agent, action, object, old, new, outcome, reason, count, hash
        """

    static func entry(_ row: Row) -> AuditEntry {
        AuditEntry(
            sequence: integer(row, 0) ?? 0, time: Timestamp(microseconds: integer(row, 1) ?? 0),
            principal: text(row, 2) ?? "", kind: text(row, 3) ?? "", address: text(row, 4) ?? "",
            agent: text(row, 5) ?? "", action: text(row, 6) ?? "", object: text(row, 7) ?? "", old: text(row, 8),
            new: text(row, 9), outcome: text(row, 10) ?? "", reason: text(row, 11) ?? "", count: integer(row, 12) ?? 0,
            hash: bytes(row, 13))
    }

    static func checkpoint(_ row: Row, chain: [UInt8]) -> AuditCheckpoint {
        AuditCheckpoint(
            chain: Hexadecimal.text(chain), first: integer(row, 0) ?? 0, last: integer(row, 1) ?? 0,
            lastHash: text(row, 2) ?? "", count: integer(row, 3) ?? 0, time: text(row, 4) ?? "",
            file: text(row, 5) ?? "", fileHash: text(row, 6) ?? "", publicKey: text(row, 7) ?? "",
            signature: text(row, 8) ?? "")
    }

    static func head(_ row: Row, chain: [UInt8]) -> AuditHead {
        AuditHead(
            chain: Hexadecimal.text(chain), sequence: integer(row, 0) ?? 0, hash: text(row, 1) ?? "",
            time: text(row, 2) ?? "", publicKey: text(row, 3) ?? "", signature: text(row, 4) ?? "")
    }
}
