import FoundationEssentials
import GRDB
import Synchronization
import Tags

/// `security.sqlite`: who the users are, and the API tokens. All calls block; `UserStore` makes them off the cooperative
/// pool.
struct UserDatabase: Sendable {
    /// `PRAGMA user_version` of what this version writes.
    static let schemaVersion = 2

    struct Row: Sendable {
        var name: String
        var hash: PasswordHash
        var groups: [String]
        var isDisabled: Bool
        var created: Timestamp
        var changed: Timestamp
    }

    /// Everything, as it is after a change.
    struct Contents: Sendable {
        var users: [Row]
        var tokens: [APIToken]
        /// Of two, the one with the higher number was read later.
        var number: UInt64
    }

    let path: String
    let queue: DatabaseQueue
    /// Counts what was read. Taken inside of a write, of which there is one at a time.
    private let reads = Reads()

    private final class Reads: Sendable {
        let count = Atomic<UInt64>(0)
    }

    init(path: String) throws(SecurityPolicyError) {
        self.path = path
        do {
            var configuration = Configuration()
            configuration.foreignKeysEnabled = true
            configuration.busyMode = .timeout(5)
            configuration.prepareDatabase { db in
                try db.execute(sql: "PRAGMA synchronous = FULL")
            }
            queue = try DatabaseQueue(path: path, configuration: configuration)
            let version = try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
            // Before anything is written: a newer version's file stays as it is.
            guard version <= UserDatabase.schemaVersion else {
                throw SecurityPolicyError.newerDatabase(path: path, version: version)
            }
            try queue.writeWithoutTransaction { db in
                _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
            }
            if version < UserDatabase.schemaVersion {
                try queue.write { try UserDatabase.migrate($0, from: version) }
            }
        } catch let error as SecurityPolicyError {
            throw error
        } catch {
            throw UserDatabase.described(error, path: path)
        }
    }

    /// In one transaction: a file is of one version or of the next, whatever happens.
    private static func migrate(_ db: Database, from version: Int) throws {
        if version < 1 { try makeUsers(db) }
        if version < 2 { try makeTokens(db) }
        try db.execute(sql: "PRAGMA user_version = \(schemaVersion)")
    }

    private static func makeUsers(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE users (
                    name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
                    digest BLOB NOT NULL, salt BLOB NOT NULL,
                    rounds INTEGER NOT NULL, block_size INTEGER NOT NULL, parallelism INTEGER NOT NULL,
                    disabled INTEGER NOT NULL DEFAULT 0,
                    created INTEGER NOT NULL, changed INTEGER NOT NULL
                );
                CREATE TABLE memberships (
                    user TEXT NOT NULL COLLATE NOCASE REFERENCES users(name) ON DELETE CASCADE,
                    name TEXT NOT NULL COLLATE NOCASE,
                    PRIMARY KEY (user, name)
                );
                """)
    }

    static func described(_ error: any Error, path: String) -> SecurityPolicyError {
        if let error = error as? DatabaseError {
            return .database(path: path, reason: error.message ?? "SQLite code \(error.resultCode.rawValue)")
        }
        return .database(path: path, reason: "\(error)")
    }

    /// Runs a change in one transaction and returns everything as it is after it.
    func change(_ body: @escaping @Sendable (Database) throws -> Void) async throws(SecurityPolicyError) -> Contents {
        do {
            return try await queue.write { db in
                try body(db)
                return try contents(db)
            }
        } catch let error as SecurityPolicyError {
            throw error
        } catch {
            throw UserDatabase.described(error, path: path)
        }
    }

    /// Inside of a write.
    func contents(_ db: Database) throws -> Contents {
        Contents(
            users: try UserDatabase.rows(db), tokens: try UserDatabase.tokens(db),
            number: reads.count.wrappingAdd(1, ordering: .relaxed).newValue)
    }

    /// Throws, instead of trapping, on a column of another type than we write.
    static func rows(_ db: Database) throws -> [Row] {
        let groups = try memberships(db, of: "user", in: "memberships")
        return try GRDB.Row.fetchAll(db, sql: "SELECT * FROM users ORDER BY name").map { row in
            let name: String = try row.decode(forColumn: "name")
            return Row(
                name: name,
                hash: PasswordHash(
                    parameters: .init(
                        rounds: try row.decode(forColumn: "rounds"),
                        blockSize: try row.decode(forColumn: "block_size"),
                        parallelism: try row.decode(forColumn: "parallelism")),
                    salt: bytes(row["salt"]), digest: bytes(row["digest"])),
                groups: groups[foldedName(name)] ?? [], isDisabled: try row.decode(forColumn: "disabled"),
                created: Timestamp(milliseconds: try row.decode(forColumn: "created")),
                changed: Timestamp(milliseconds: try row.decode(forColumn: "changed")))
        }
    }

    /// The groups of each member, by folded name.
    static func memberships(_ db: Database, of member: String, in table: String) throws -> [String: [String]] {
        var groups: [String: [String]] = [:]
        for row in try GRDB.Row.fetchAll(db, sql: "SELECT \(member), name FROM \(table) ORDER BY name") {
            let name: String = try row.decode(forColumn: member)
            groups[foldedName(name), default: []].append(try row.decode(forColumn: "name"))
        }
        return groups
    }

    static func bytes(_ blob: DatabaseValue) -> [UInt8] {
        if case .blob(let data) = blob.storage { Array(data) } else { [] }
    }

    static func setGroups(_ db: Database, of name: String, to groups: [String]) throws {
        try db.execute(sql: "DELETE FROM memberships WHERE user = ?", arguments: [name])
        for group in Principal(user: name, groups: groups).groups {
            try db.execute(sql: "INSERT INTO memberships (user, name) VALUES (?, ?)", arguments: [name, group])
        }
        try touch(db, name)
    }

    static func setPassword(_ db: Database, of name: String, to hash: PasswordHash) throws {
        try setHash(db, of: name, to: hash)
        try touch(db, name)
    }

    /// Stores the same password in another hash, which is no change for anybody; nothing when the old hash has gone.
    static func rehash(_ db: Database, of name: String, from old: PasswordHash, to hash: PasswordHash) throws {
        let stored = try GRDB.Row.fetchOne(db, sql: "SELECT digest FROM users WHERE name = ?", arguments: [name])
        guard let stored, bytes(stored["digest"]) == old.digest else { return }
        try setHash(db, of: name, to: hash)
    }

    private static func setHash(_ db: Database, of name: String, to hash: PasswordHash) throws {
        try db.execute(
            sql: """
                UPDATE users SET digest = ?, salt = ?, rounds = ?, block_size = ?, parallelism = ? WHERE name = ?
                """,
            arguments: [
                blob(hash.digest), blob(hash.salt), hash.parameters.rounds, hash.parameters.blockSize,
                hash.parameters.parallelism, name,
            ])
    }

    static func insert(_ db: Database, name: String, hash: PasswordHash) throws {
        let now = Timestamp.now.milliseconds
        try db.execute(
            sql: """
                INSERT INTO users (name, digest, salt, rounds, block_size, parallelism, created, changed)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                name, blob(hash.digest), blob(hash.salt), hash.parameters.rounds, hash.parameters.blockSize,
                hash.parameters.parallelism, now, now,
            ])
    }

    static func touch(_ db: Database, _ name: String) throws {
        try db.execute(
            sql: "UPDATE users SET changed = ? WHERE name = ?", arguments: [Timestamp.now.milliseconds, name])
        if db.changesCount == 0 { throw SecurityPolicyError.noSuchUser(name) }
    }

    static func blob(_ bytes: [UInt8]) -> DatabaseValue {
        Data(bytes).databaseValue
    }
}
