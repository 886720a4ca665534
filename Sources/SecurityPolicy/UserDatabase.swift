import FoundationEssentials
import GRDB
import Tags

/// `security.sqlite`: who the users are. All calls block; `UserStore` makes them off the cooperative pool.
struct UserDatabase: Sendable {
    /// `PRAGMA user_version` of what this version writes.
    static let schemaVersion = 1

    struct Row: Sendable {
        var name: String
        var hash: PasswordHash
        var groups: [String]
        var isDisabled: Bool
        var created: Timestamp
        var changed: Timestamp
    }

    let path: String
    let queue: DatabaseQueue

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
            if version == 0 { try queue.write { try UserDatabase.makeSchema($0) } }
        } catch let error as SecurityPolicyError {
            throw error
        } catch {
            throw UserDatabase.described(error, path: path)
        }
    }

    private static func makeSchema(_ db: Database) throws {
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
                PRAGMA user_version = \(schemaVersion);
                """)
    }

    static func described(_ error: any Error, path: String) -> SecurityPolicyError {
        if let error = error as? DatabaseError {
            return .database(path: path, reason: error.message ?? "SQLite code \(error.resultCode.rawValue)")
        }
        return .database(path: path, reason: "\(error)")
    }

    /// Runs a change in one transaction and returns every user as they are after it.
    func change(_ body: @escaping @Sendable (Database) throws -> Void) async throws(SecurityPolicyError) -> [Row] {
        do {
            return try await queue.write { db in
                try body(db)
                return try UserDatabase.rows(db)
            }
        } catch let error as SecurityPolicyError {
            throw error
        } catch {
            throw UserDatabase.described(error, path: path)
        }
    }

    static func rows(_ db: Database) throws -> [Row] {
        var groups: [String: [String]] = [:]
        for row in try GRDB.Row.fetchAll(db, sql: "SELECT user, name FROM memberships ORDER BY name") {
            groups[foldedName(row["user"]), default: []].append(row["name"])
        }
        return try GRDB.Row.fetchAll(db, sql: "SELECT * FROM users ORDER BY name").map { row in
            let name: String = row["name"]
            return Row(
                name: name,
                hash: PasswordHash(
                    parameters: .init(
                        rounds: row["rounds"], blockSize: row["block_size"], parallelism: row["parallelism"]),
                    salt: bytes(row["salt"]), digest: bytes(row["digest"])),
                groups: groups[foldedName(name)] ?? [], isDisabled: row["disabled"],
                created: Timestamp(milliseconds: row["created"]), changed: Timestamp(milliseconds: row["changed"]))
        }
    }

    private static func bytes(_ blob: DatabaseValue) -> [UInt8] {
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
        try db.execute(
            sql: """
                UPDATE users SET digest = ?, salt = ?, rounds = ?, block_size = ?, parallelism = ? WHERE name = ?
                """,
            arguments: [
                blob(hash.digest), blob(hash.salt), hash.parameters.rounds, hash.parameters.blockSize,
                hash.parameters.parallelism, name,
            ])
        try touch(db, name)
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

    private static func blob(_ bytes: [UInt8]) -> DatabaseValue {
        Data(bytes).databaseValue
    }
}
