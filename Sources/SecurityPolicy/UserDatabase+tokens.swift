import GRDB
import Tags

extension UserDatabase {
    static func makeTokens(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE tokens (
                    name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
                    digest BLOB NOT NULL UNIQUE,
                    created INTEGER NOT NULL, expires INTEGER
                );
                CREATE TABLE token_memberships (
                    token TEXT NOT NULL COLLATE NOCASE REFERENCES tokens(name) ON DELETE CASCADE,
                    name TEXT NOT NULL COLLATE NOCASE,
                    PRIMARY KEY (token, name)
                );
                """)
    }

    static func tokens(_ db: Database) throws -> [APIToken] {
        let groups = try memberships(db, of: "token", in: "token_memberships")
        return try GRDB.Row.fetchAll(db, sql: "SELECT * FROM tokens ORDER BY name").map { row in
            let name: String = try row.decode(forColumn: "name")
            let expires: Int64? = try row.decode(forColumn: "expires")
            return APIToken(
                name: name, groups: groups[foldedName(name)] ?? [],
                created: Timestamp(milliseconds: try row.decode(forColumn: "created")),
                expires: expires.map { Timestamp(milliseconds: $0) }, digest: bytes(row["digest"]))
        }
    }

    static func insert(_ db: Database, _ token: APIToken) throws {
        let known = try Int.fetchOne(db, sql: "SELECT 1 FROM tokens WHERE name = ?", arguments: [token.name])
        guard known == nil else { throw SecurityPolicyError.tokenExists(token.name) }
        let count = try Int.fetchOne(db, sql: "SELECT count(*) FROM tokens") ?? 0
        guard count < APIToken.most else { throw SecurityPolicyError.tooManyTokens(APIToken.most) }
        try db.execute(
            sql: "INSERT INTO tokens (name, digest, created, expires) VALUES (?, ?, ?, ?)",
            arguments: [token.name, blob(token.digest), token.created.milliseconds, token.expires?.milliseconds])
        for group in token.groups {
            try db.execute(
                sql: "INSERT INTO token_memberships (token, name) VALUES (?, ?)", arguments: [token.name, group])
        }
    }

    static func removeToken(_ db: Database, _ name: String) throws {
        try db.execute(sql: "DELETE FROM tokens WHERE name = ?", arguments: [name])
        if db.changesCount == 0 { throw SecurityPolicyError.noSuchToken(name) }
    }
}
