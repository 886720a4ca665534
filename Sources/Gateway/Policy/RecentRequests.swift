package import SecurityPolicy
import Tags

/// The requests that the audit log of a data directory has kept: writes, and what was refused.
package enum RecentRequests {
    /// A bound on what is read: of more, the newest.
    private static let most = 200_000

    /// Those of the last days, oldest first. Reads beside the gateway that writes the log. Blocks.
    package static func read(dataDirectory: String, days: Int) throws(AuditError) -> [AuditEvent] {
        let since = Timestamp(milliseconds: Timestamp.now.milliseconds - Int64(days) * 86_400_000)
        return try AuditReader(dataDirectory: dataDirectory).entries(AuditFilter(since: since, limit: most))
            .compactMap(AuditEvent.init)
    }
}

extension AuditEvent {
    /// Nil for an entry whose words this version does not know.
    fileprivate init?(_ entry: AuditEntry) {
        guard let action = Action(rawValue: entry.action), let kind = Principal.Kind(rawValue: entry.kind),
            let outcome = Outcome(rawValue: entry.outcome)
        else { return nil }
        self.init(
            action, of: entry.object, by: entry.principal, kind: kind, address: entry.address, agent: entry.agent,
            old: entry.old, new: entry.new, outcome: outcome, reason: entry.reason,
            count: Int(clamping: entry.count), time: entry.time)
    }
}
