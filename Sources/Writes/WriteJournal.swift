import SecurityPolicy

/// Where the arbiter tells of what it does: the audit log, or in tests one that fails.
struct WriteJournal: Sendable {
    /// Durable when it returns.
    var record: @Sendable ([AuditEvent]) async throws(AuditError) -> Void
    var note: @Sendable (AuditEvent) -> Void

    init(
        record: @escaping @Sendable ([AuditEvent]) async throws(AuditError) -> Void,
        note: @escaping @Sendable (AuditEvent) -> Void
    ) {
        self.record = record
        self.note = note
    }

    init(_ log: AuditLog) {
        record = { (events) async throws(AuditError) in try await log.record(events) }
        note = { log.note($0) }
    }
}
