import FoundationEssentials
import TestPeers

/// An entry of the audit log, as `audit-log show --format json` tells it and somebody else's decoder reads it.
struct AuditLine: Decodable, Sendable {
    let sequence: Int
    let principal: String
    let kind: String
    let address: String
    let agent: String
    let action: String
    let object: String
    let old: String?
    let new: String?
    let outcome: String
    let reason: String
    let count: Int
}

extension Plant {
    /// The newest entries of the audit log, the oldest of them first.
    ///
    /// - Parameter more: filters.
    func auditLines(_ more: String...) async throws -> [AuditLine] {
        let outcome = try await Self.command(
            ["audit-log", "show", "--format", "json", "--limit", "100000", "--config", configuration] + more)
        guard outcome.code == 0 else { throw TestPeerError(outcome.errors) }
        return try outcome.output.split(separator: "\n").map {
            try JSONDecoder().decode(AuditLine.self, from: Data($0.utf8))
        }
    }

    /// Runs SQL on the audit log, as somebody with a shell would.
    func tamper(_ sql: String) async throws {
        try await runCommand(
            "python3",
            [
                "-c",
                "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2]); db.commit()",
                "\(dataDirectory)/audit.sqlite", sql,
            ])
    }

    /// The certificate of its REST server agents, from their first start on.
    var authority: String { "\(dataDirectory)/tls/default.pem" }
}
