import GRDB
package import Tags

extension UserStore {
    /// Every token, by name.
    package func tokens() -> [APIToken] {
        withUsers { Array($0.tokens.values) }.sorted { foldedName($0.name) < foldedName($1.name) }
    }

    /// The token of that name, compared without ASCII case.
    package func token(named name: String) -> APIToken? {
        // Asked for every write of a token: no copy, no order.
        withUsers { $0.tokens.values.first { sameName($0.name, name) } }
    }

    /// Makes a token and returns its secret, which is kept nowhere. Whether the groups exist is the caller's to check:
    /// they stand in the configuration.
    ///
    /// - Parameter expires: from when on it is refused; nil: never.
    package func createToken(
        name: String, groups: [String], expires: Timestamp? = nil
    ) async throws(SecurityPolicyError) -> String {
        try APIToken.check(name: name)
        guard !groups.isEmpty else { throw .tokenWithoutGroup }
        let secret = APIToken.newSecret()
        guard let digest = APIToken.digest(of: secret) else {
            throw .database(path: database.path, reason: "no secret")
        }
        let now = Timestamp.now
        if let expires {
            let latest = now.microseconds + APIToken.longestLife.components.seconds * 1_000_000
            guard expires > now, expires.microseconds <= latest else { throw .tokenLife }
        }
        let token = APIToken(
            name: name, groups: Principal(.token, name: name, groups: groups).groups,
            // As the database keeps it.
            created: Timestamp(milliseconds: now.milliseconds),
            expires: expires.map { Timestamp(milliseconds: $0.milliseconds) }, digest: digest)
        try await change { try UserDatabase.insert($0, token) }
        return secret
    }

    /// Takes a token away, at once.
    package func revokeToken(name: String) async throws(SecurityPolicyError) {
        try await change { try UserDatabase.removeToken($0, name) }
    }

    /// The token with that digest, and the generation in which it was there.
    func token(with digest: [UInt8]) -> (token: APIToken?, generation: UInt64) {
        withUsers { ($0.tokens[digest], $0.generation) }
    }
}

/// Who is in a group, for a look at the data directory from outside.
package struct GroupMember: Sendable, Equatable {
    /// `user` or `token`.
    package let kind: Principal.Kind
    package let name: String
    package let groups: [String]

    /// Everybody in the database of that data directory, also while a gateway runs on it. Changes nothing; nil when there
    /// is none that can be read. Blocks on the file system.
    package static func all(dataDirectory: String) -> [GroupMember]? {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(1)
        let queue = try? DatabaseQueue(path: dataDirectory + "/security.sqlite", configuration: configuration)
        return try? queue?.read { db in
            let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
            guard version <= UserDatabase.schemaVersion else { return nil }
            let users = try UserDatabase.rows(db).map { GroupMember(kind: .user, name: $0.name, groups: $0.groups) }
            guard version > 1 else { return users }
            return users
                + (try UserDatabase.tokens(db).map { GroupMember(kind: .token, name: $0.name, groups: $0.groups) })
        }
    }
}
