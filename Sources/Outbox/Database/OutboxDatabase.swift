import FoundationEssentials
import GRDB
import Glibc
import Synchronization

/// `outbox.sqlite`: one table of messages for each agent, one file for all, so that all share a commit.
///
/// The writing connection belongs to the outbox's thread; agents read on theirs.
final class OutboxDatabase: Sendable {
    /// `PRAGMA user_version` of what this version writes.
    static let schemaVersion = 2
    static let pageSize = 8192
    /// SQLite's own 4 MiB would copy the write-ahead log back several times a second at full rate.
    private static let checkpointPages = 4096

    /// Which one it is, and which run of it: what a copy or a backup does not share.
    struct Epoch: Sendable, Equatable {
        let number: Int64
        /// 32 hexadecimal digits.
        let text: String
    }

    let path: String
    let pool: DatabasePool
    let epoch: Epoch
    /// nil where it cannot be written: then messages wait for the database's cursors.
    let cursors: CursorFile?
    let inode: UInt64
    /// Why there is a new epoch, where an older one was there.
    let renewal: String?
    /// Reads of agents that began, nil: none may any more; and those that ended.
    private let readers = Mutex<Int?>(0)
    private let leaving = Mutex(0)
    /// What the writing connection was told of syncs last.
    private let syncsCommits = Mutex<Bool?>(nil)

    /// - Parameter machine: what tells this machine from others.
    init(path: String, machine: String) throws(OutboxError) {
        self.path = path
        let file = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw OutboxError(.unavailable, "\(path): \(OutboxDatabase.systemError)") }
        var facts = stat()
        let isKnown = unsafe fstat(file, &facts) == 0 && fchmod(file, 0o600) == 0
        Glibc.close(file)
        guard isKnown else { throw OutboxError(.unavailable, "\(path): \(OutboxDatabase.systemError)") }
        inode = UInt64(facts.st_ino)
        let hasLog = unsafe access(path + "-wal", F_OK) == 0
        do {
            pool = try DatabasePool(path: path, configuration: OutboxDatabase.configuration)
            let place = OutboxPlace(
                machine: machine, inode: Int64(bitPattern: UInt64(facts.st_ino)), hasLog: hasLog,
                token: OutboxToken(beside: path))
            let token: String
            (epoch, renewal, token) = try OutboxDatabase.prepare(pool, place, path)
            cursors = CursorFile(beside: path, token: token)
        } catch let error as OutboxError {
            throw error
        } catch {
            throw OutboxDatabase.failure(error, path: path)
        }
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "outbox"
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = 4
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA page_size = \(pageSize)")
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(sql: "PRAGMA cell_size_check = ON")
            // Debian's SQLite overwrites what is deleted with zeros, by way of the log: a message would be written three
            // times, and who can read the file could have read the message before.
            try db.execute(sql: "PRAGMA secure_delete = OFF")
            try db.execute(sql: "PRAGMA wal_autocheckpoint = \(checkpointPages)")
            try db.execute(sql: "PRAGMA journal_size_limit = \(64 << 20)")
        }
        return configuration
    }

    /// One transaction of the outbox's thread.
    ///
    /// - Parameter isSynced: whether it is on the disk when this returns; else a power cut may take it back.
    func commit(isSynced: Bool, _ body: (Database) throws -> Void) throws {
        try pool.writeWithoutTransaction { db in
            if syncsCommits.withLock({ $0 }) != isSynced {
                try db.execute(sql: "PRAGMA synchronous = \(isSynced ? "FULL" : "NORMAL")")
                syncsCommits.withLock { $0 = isSynced }
            }
            try db.inTransaction(.immediate) {
                try body(db)
                return .commit
            }
        }
    }

    /// What it says of itself is compared with where it is now.
    private struct OutboxPlace {
        let machine: String
        let inode: Int64
        let hasLog: Bool
        let token: OutboxToken
    }

    private static func prepare(
        _ pool: DatabasePool, _ place: OutboxPlace, _ path: String
    ) throws -> (Epoch, renewal: String?, token: String) {
        let version = try pool.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
        // Before anything is written: a newer version's file stays as it is.
        guard version <= schemaVersion else {
            throw OutboxError(
                .newer,
                "\(path) was written by a newer version of Sallyport (format \(version), this one knows "
                    + "\(schemaVersion)); run that version, or move the file away")
        }
        return try pool.writeWithoutTransaction { db in
            if version == 0 { try makeSchema(db) }
            if version == 1 { try addGapsAndPauses(db) }
            let token = randomEpoch()
            try place.token.write(place.token.both(lastToken(db), and: token))
            var outcome: (Epoch, String?)?
            try db.inTransaction(.immediate) {
                outcome = try settleEpoch(db, place, path, token: token)
                return .commit
            }
            guard let outcome else { throw OutboxError(.unavailable, "\(path): no epoch could be written") }
            try place.token.write([token])
            return (outcome.0, outcome.1, token)
        }
    }

    private static func makeSchema(_ db: Database) throws {
        // Only before the first table is made.
        try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
        try db.execute(sql: "VACUUM")
        try db.inTransaction(.immediate) {
            try db.execute(
                sql: """
                    CREATE TABLE epochs (
                        number INTEGER PRIMARY KEY, text TEXT NOT NULL,
                        machine TEXT NOT NULL, inode INTEGER NOT NULL, is_open INTEGER NOT NULL,
                        -- Another one with each opening and closing; the file beside the database has the same.
                        token TEXT NOT NULL
                    ) STRICT;
                    CREATE TABLE agents (
                        number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
                        -- The last row that was delivered or dropped, and what had come until then.
                        row INTEGER NOT NULL, messages INTEGER NOT NULL, events INTEGER NOT NULL,
                        bytes INTEGER NOT NULL,
                        -- Up to where the receiver needs no word of a gap.
                        epoch INTEGER NOT NULL, sequence INTEGER NOT NULL,
                        -- The sequence of the next message, and of which epoch.
                        next_epoch INTEGER NOT NULL, next_sequence INTEGER NOT NULL,
                        -- From here on there may be chunks that no message has yet.
                        open_from INTEGER NOT NULL,
                        -- Since the database was made.
                        dropped_messages INTEGER NOT NULL, dropped_events INTEGER NOT NULL,
                        -- Since when the agent does not run, by the clock of ages; and how much longer than max_age what
                        -- ends up to a row may wait.
                        paused_at INTEGER, rest_row INTEGER NOT NULL, rest INTEGER NOT NULL, max_age INTEGER,
                        -- What the clock of ages showed at the last commit, and the time of day.
                        age INTEGER NOT NULL, age_time INTEGER NOT NULL
                    ) STRICT;
                    CREATE TABLE dead_letters (
                        number INTEGER PRIMARY KEY, agent INTEGER NOT NULL, epoch INTEGER NOT NULL,
                        sequence INTEGER NOT NULL, offset INTEGER NOT NULL, events INTEGER NOT NULL,
                        time INTEGER NOT NULL, set_aside INTEGER NOT NULL, reason TEXT NOT NULL, topic TEXT,
                        head BLOB NOT NULL, body BLOB NOT NULL, tail BLOB NOT NULL
                    ) STRICT;
                    CREATE INDEX dead_letters_of_agent ON dead_letters (agent, number);
                    """)
            try db.execute(sql: "PRAGMA user_version = \(schemaVersion)")
            return .commit
        }
    }

    /// From format 1, which knew neither pauses nor gaps of messages that are sent again.
    private static func addGapsAndPauses(_ db: Database) throws {
        try db.inTransaction(.immediate) {
            for column in [
                "paused_at INTEGER", "rest_row INTEGER NOT NULL DEFAULT 0", "rest INTEGER NOT NULL DEFAULT 0",
                "max_age INTEGER",
            ] {
                try db.execute(sql: "ALTER TABLE agents ADD COLUMN \(column)")
            }
            for number in try Int64.fetchAll(db, sql: "SELECT number FROM agents") {
                try OutboxTable(number: number).addGap(db)
            }
            try db.execute(sql: "PRAGMA user_version = \(schemaVersion)")
            return .commit
        }
    }

    /// A copy, a backup and what lost its write-ahead log go on under a new epoch: they might give numbers again that
    /// receivers know already.
    private static func settleEpoch(
        _ db: Database, _ place: OutboxPlace, _ path: String, token: String
    ) throws -> (Epoch, String?) {
        let row = try Row.fetchOne(
            db, sql: "SELECT number, text, machine, inode, is_open, token FROM epochs ORDER BY number DESC LIMIT 1")
        var renewal: String?
        if let row, let number = row.integer(0), let text = row.text(1) {
            if row.text(2) != place.machine {
                renewal = "it comes from another machine"
            } else if row.integer(3) != place.inode {
                renewal = "it is a copy or was restored from one"
            } else if !place.token.fits(row.text(5) ?? "") {
                renewal = "it is not the one that was used here last: it was restored from a backup"
            } else if row.integer(4) != 0, !place.hasLog {
                renewal = "its write-ahead log is gone: what was committed last is lost"
            }
            if renewal == nil {
                try CursorFile.adopt(beside: path, token: row.text(5) ?? "", db)
                try db.execute(
                    sql: "UPDATE epochs SET is_open = 1, token = ? WHERE number = ?", arguments: [token, number])
                return (Epoch(number: number, text: text), nil)
            }
        }
        let number = max(0, try row?.count(0, from: -OutboxLimits.most) ?? 0) + 1
        let text = randomEpoch()
        try db.execute(
            sql: "INSERT INTO epochs (number, text, machine, inode, is_open, token) VALUES (?, ?, ?, ?, 1, ?)",
            arguments: [number, text, place.machine, place.inode, token])
        return (Epoch(number: number, text: text), renewal)
    }

    private static func lastToken(_ db: Database) throws -> String {
        try String.fetchOne(db, sql: "SELECT token FROM epochs ORDER BY number DESC LIMIT 1") ?? ""
    }

    /// 128 random bits as 32 hexadecimal digits.
    static func randomEpoch() -> String {
        (0..<16).map { _ in
            let byte = UInt8.random(in: 0...255)
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    /// The epochs that messages may still carry.
    func epochs() throws -> [Int64: String] {
        try pool.read { db in
            var epochs: [Int64: String] = [:]
            let rows = try Row.fetchCursor(db, sql: "SELECT number, text FROM epochs")
            while let row = try rows.next() {
                if let number = row.integer(0), let text = row.text(1) { epochs[number] = text }
            }
            return epochs
        }
    }

    /// Bytes of the file and its log, and how much of the file is free.
    func sizes() throws -> (bytes: Int64, free: Int64) {
        try pool.read { db in
            let pages = try Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            let free = try Int64.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            let size = try Int64.fetchOne(db, sql: "PRAGMA page_size") ?? 0
            return (pages * size, free * size)
        }
    }

    /// Gives room back to the file system, a little at a time.
    func shrink(pages: Int) throws {
        try pool.writeWithoutTransaction { db in
            // The pragma does its work row by row.
            _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum(\(pages))")
        }
    }

    /// Reads on the caller's thread. GRDB does not bear a read that begins while it closes, so that is kept apart here.
    func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        let mayRead = readers.withLock { count in
            count = count.map { $0 + 1 }
            return count != nil
        }
        guard mayRead else { throw OutboxError(.unavailable, "\(path) was closed") }
        defer { leaving.withLock { $0 += 1 } }
        return try pool.read(body)
    }

    /// Waits until nobody reads and lets nobody begin, nor note a cursor.
    private func endReading() {
        cursors?.close()
        let begun = readers.withLock { count in
            defer { count = nil }
            return count ?? 0
        }
        while leaving.withLock({ $0 }) < begun { usleep(500) }
    }

    /// Closes the file as it is.
    func abandon() {
        endReading()
        do { try pool.close() } catch {
            // It was damaged; there is nothing to be saved.
        }
    }

    /// Brings what is in the log into the file, which alone is whole then.
    func close() {
        endReading()
        do {
            try pool.writeWithoutTransaction { db in
                let (token, next) = (OutboxToken(beside: path), OutboxDatabase.randomEpoch())
                let last = try OutboxDatabase.lastToken(db)
                // Where the file beside it cannot be written it keeps the token that it has.
                let isRenewed = (try? token.write(token.both(last, and: next))) != nil
                try db.execute(sql: "PRAGMA synchronous = FULL")
                try db.execute(
                    sql: "UPDATE epochs SET is_open = 0, token = ? WHERE number = ?",
                    arguments: [isRenewed ? next : last, epoch.number])
                if isRenewed { try token.write([next]) }
                _ = try Row.fetchAll(db, sql: "PRAGMA wal_checkpoint(TRUNCATE)")
            }
        } catch {
            // Nothing is lost: the log stays beside it, and the next opening reads it.
        }
        // Closed in any case: another one may be opened at once.
        try? pool.close()
    }

    private static var systemError: String { unsafe String(cString: strerror(errno)) }

    static func failure(_ error: any Error, path: String) -> OutboxError {
        if let error = error as? OutboxError { return error }
        guard let error = error as? DatabaseError else { return OutboxError(.unavailable, "\(path): \(error)") }
        let reason = "\(path): \(error.message ?? "SQLite code \(error.extendedResultCode.rawValue)")"
        switch error.resultCode {
        case .SQLITE_FULL: return OutboxError(.full, reason)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return OutboxError(.damaged, reason)
        case .SQLITE_ERROR, .SQLITE_MISMATCH, .SQLITE_CONSTRAINT: return OutboxError(.inconsistent, reason)
        default: return OutboxError(.unavailable, reason)
        }
    }
}
