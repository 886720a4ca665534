import Foundation
import GRDB
import Synchronization

/// The users and API tokens of one data directory. What is asked on the hot path is answered from memory; every change is durable
/// before it is seen, and seen by the next request.
///
/// One process at a time: the gateway's lock on the data directory sees to that.
package final class UserStore: Sendable {
    struct Record: Sendable {
        var user: User
        var hash: PasswordHash
        /// The generation in which this user last changed.
        var version: UInt64 = 0
    }

    struct Users: Sendable {
        /// By folded name.
        var records: [String: Record] = [:]
        /// By SHA-256.
        var tokens: [[UInt8]: APIToken] = [:]
        /// Counts everything that was put in force.
        var generation: UInt64 = 0
        /// Which reading of the database this is.
        var number: UInt64 = 0
        var hasAdministrator = false
        /// What the users' hashes cost, one entry a user.
        var costs: [PasswordHash.Parameters] = []

        /// By the bytes of the name: a dictionary takes another composition of the same letters for the same.
        func record(named name: String) -> Record? {
            records[foldedName(name)].flatMap { sameName($0.user.name, name) ? $0 : nil }
        }
    }

    let database: UserDatabase
    let worker = ScryptWorker()
    /// What new hashes cost.
    let parameters: PasswordHash.Parameters
    private let users = Mutex(Users())
    private let minimumPasswordLength: Mutex<Int>

    private init(
        database: UserDatabase, contents: UserDatabase.Contents, minimumPasswordLength: Int,
        parameters: PasswordHash.Parameters
    ) {
        self.database = database
        self.parameters = parameters
        self.minimumPasswordLength = Mutex(minimumPasswordLength)
        take(contents)
    }

    /// Opens or makes `security.sqlite` in the data directory, mode 0600.
    package static func open(
        dataDirectory: String, minimumPasswordLength: Int = 14
    ) async throws(SecurityPolicyError) -> UserStore {
        try await open(
            dataDirectory: dataDirectory, minimumPasswordLength: minimumPasswordLength, parameters: .current)
    }

    /// Tests choose cheaper parameters.
    static func open(
        dataDirectory: String, minimumPasswordLength: Int = 14, parameters: PasswordHash.Parameters
    ) async throws(SecurityPolicyError) -> UserStore {
        let path = dataDirectory + "/security.sqlite"
        // Opening blocks: not on the cooperative pool.
        let result = await withCheckedContinuation { (done: CheckedContinuation<Opened, Never>) in
            DispatchQueue.global().async {
                done.resume(returning: Opened { () throws(SecurityPolicyError) in try open(path: path) })
            }
        }
        let (database, contents) = try result.get()
        return UserStore(
            database: database, contents: contents, minimumPasswordLength: minimumPasswordLength, parameters: parameters
        )
    }

    private typealias Opened = Result<(UserDatabase, UserDatabase.Contents), SecurityPolicyError>

    private static func open(path: String) throws(SecurityPolicyError) -> (UserDatabase, UserDatabase.Contents) {
        // SQLite gives its WAL files the mode of the database itself, so the file is made first.
        let file = Foundation.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw .database(path: path, reason: String(cString: strerror(errno))) }
        let failed = fchmod(file, 0o600) != 0
        let code = errno
        close(file)
        guard !failed else { throw .database(path: path, reason: String(cString: strerror(code))) }
        let database = try UserDatabase(path: path)
        do {
            return (database, try database.queue.write { try database.contents($0) })
        } catch {
            throw UserDatabase.described(error, path: path)
        }
    }

    // MARK: asking

    /// Everybody, by name.
    package func list() -> [User] {
        users.withLock { $0.records.values.map(\.user) }.sorted { foldedName($0.name) < foldedName($1.name) }
    }

    /// The user of that name, compared without ASCII case.
    package func user(named name: String) -> User? { users.withLock { $0.record(named: name)?.user } }

    /// Whether somebody can administer: an enabled member of `Administrators`.
    package var hasAdministrator: Bool { users.withLock { $0.hasAdministrator } }

    func record(named name: String) -> (record: Record?, generation: UInt64) {
        users.withLock { ($0.record(named: name), $0.generation) }
    }

    var generation: UInt64 { users.withLock { $0.generation } }

    /// When the user last changed, with the generation that says so; 0 where there is none.
    func version(of name: String) -> (version: UInt64, generation: UInt64) {
        users.withLock { ($0.record(named: name)?.version ?? 0, $0.generation) }
    }

    /// What checking a name that does not exist costs: as much as one of those that do, always the same for a name. Older
    /// users, whose hash is cheaper until they log in, would stand out otherwise.
    ///
    /// - Parameter choice: a number that belongs to the name and that nobody outside can know.
    func cost(ofUnknown choice: UInt64) -> PasswordHash.Parameters {
        users.withLock { users in
            let cost = users.costs.isEmpty ? nil : users.costs[Int(choice % UInt64(users.costs.count))]
            return cost ?? parameters
        }
    }

    func withUsers<Value>(_ body: (Users) -> Value) -> Value { users.withLock { body($0) } }

    // MARK: changing

    /// For passwords set from now on.
    package func setMinimumPasswordLength(_ length: Int) { minimumPasswordLength.withLock { $0 = length } }

    /// Makes a user. Whether the groups exist is the caller's to check: they stand in the configuration.
    package func add(name: String, password: String, groups: [String]) async throws(SecurityPolicyError) {
        try User.check(name: name)
        guard !groups.isEmpty else { throw .noGroup }
        guard user(named: name) == nil else { throw .userExists(name) }
        let hash = try await hash(password, user: name)
        try await change { db in
            let known = try Int.fetchOne(db, sql: "SELECT 1 FROM users WHERE name = ?", arguments: [name])
            guard known == nil else { throw SecurityPolicyError.userExists(name) }
            try UserDatabase.insert(db, name: name, hash: hash)
            try UserDatabase.setGroups(db, of: name, to: groups)
        }
    }

    package func remove(name: String) async throws(SecurityPolicyError) {
        try await change { db in
            try UserStore.keepingAdministrator(db, name) {
                try UserDatabase.touch(db, name)
                try db.execute(sql: "DELETE FROM users WHERE name = ?", arguments: [name])
            }
        }
    }

    package func disable(name: String) async throws(SecurityPolicyError) {
        try await change { db in
            try UserStore.keepingAdministrator(db, name) {
                try db.execute(sql: "UPDATE users SET disabled = 1 WHERE name = ?", arguments: [name])
                try UserDatabase.touch(db, name)
            }
        }
    }

    package func enable(name: String) async throws(SecurityPolicyError) {
        try await change { db in
            try db.execute(sql: "UPDATE users SET disabled = 0 WHERE name = ?", arguments: [name])
            try UserDatabase.touch(db, name)
        }
    }

    package func setPassword(of name: String, to password: String) async throws(SecurityPolicyError) {
        guard let known = user(named: name) else { throw .noSuchUser(name) }
        let hash = try await hash(password, user: known.name)
        try await change { try UserDatabase.setPassword($0, of: name, to: hash) }
    }

    /// Stores the password anew when its hash is weaker than new ones are. What comes in between, a change of the user or
    /// a full queue, leaves it for the next login.
    func rehash(_ password: [UInt8], of record: Record) async {
        guard record.hash.parameters.isWeaker(than: parameters) else { return }
        let salt = PasswordHash.randomBytes(PasswordHash.saltBytes)
        guard let digest = try? await worker.digest(of: password, salt: salt, parameters: parameters) else { return }
        let hash = PasswordHash(parameters: parameters, salt: salt, digest: digest)
        let name = record.user.name
        let contents = try? await database.change { try UserDatabase.rehash($0, of: name, from: record.hash, to: hash) }
        if let contents { take(contents, rehashed: (name, hash)) }
    }

    /// Replaces the user's groups.
    package func setGroups(of name: String, to groups: [String]) async throws(SecurityPolicyError) {
        guard !groups.isEmpty else { throw .noGroup }
        try await change { db in
            try UserStore.keepingAdministrator(db, name) {
                try UserDatabase.touch(db, name)
                try UserDatabase.setGroups(db, of: name, to: groups)
            }
        }
    }

    /// Refuses, and so rolls back, a change that takes the last administrator away while other users stay.
    private static func keepingAdministrator(_ db: Database, _ name: String, _ change: () throws -> Void) throws {
        let before = try administrators(db)
        try change()
        guard before > 0, try administrators(db) == 0 else { return }
        if try UserDatabase.rows(db).contains(where: { !sameName($0.name, name) }) {
            throw SecurityPolicyError.lastAdministrator(name)
        }
    }

    private static func administrators(_ db: Database) throws -> Int {
        try UserDatabase.rows(db).count { row in
            !row.isDisabled && row.groups.contains { sameName($0, GroupOptions.administrators) }
        }
    }

    private func hash(_ password: String, user: String) async throws(SecurityPolicyError) -> PasswordHash {
        let minimum = minimumPasswordLength.withLock { $0 }
        try PasswordRules.check(password, user: user, minimumLength: minimum)
        let salt = PasswordHash.randomBytes(PasswordHash.saltBytes)
        guard
            let digest = try await worker.digest(
                of: PasswordRules.bytes(of: password), salt: salt, parameters: parameters, always: true)
        else { throw .database(path: database.path, reason: "the password could not be hashed") }
        return PasswordHash(parameters: parameters, salt: salt, digest: digest)
    }

    func change(_ body: @escaping @Sendable (Database) throws -> Void) async throws(SecurityPolicyError) {
        take(try await database.change(body))
    }

    /// Puts what was read in force, unless something newer is: two changes at once may come here in either order.
    ///
    /// - Parameter rehashed: a user whose hash is another one of the same password, which is no change.
    func take(_ contents: UserDatabase.Contents, rehashed: (name: String, hash: PasswordHash)? = nil) {
        users.withLock { users in
            users.generation += 1
            guard contents.number > users.number else { return }
            users.number = contents.number
            let before = users.records
            let records = contents.users.map { row in
                var record = Record(
                    user: User(
                        name: row.name, groups: row.groups, isDisabled: row.isDisabled, created: row.created,
                        changed: row.changed),
                    hash: row.hash, version: users.generation)
                if let known = before[foldedName(row.name)], known.user == record.user {
                    let isRehashed = rehashed.map { sameName($0.name, row.name) && $0.hash == row.hash } ?? false
                    if known.hash == record.hash || isRehashed { record.version = known.version }
                }
                return record
            }
            users.records = Dictionary(records.map { (foldedName($0.user.name), $0) }) { first, _ in first }
            users.tokens = Dictionary(contents.tokens.map { ($0.digest, $0) }) { first, _ in first }
            users.hasAdministrator = records.contains { $0.user.isAdministrator && !$0.user.isDisabled }
            users.costs = records.map(\.hash.parameters).filter(\.isSane)
        }
    }
}
