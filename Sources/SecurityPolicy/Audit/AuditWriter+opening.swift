import FoundationEssentials
import Glibc
import Logging
import Tags

extension AuditWriter {
    /// Opens key and database; what is damaged is moved aside and a new chain begins that says so.
    func open() throws(AuditError) {
        needsOperator = false
        let key: AuditKey
        let isNewKey: Bool
        do throws(AuditError) {
            (key, isNewKey) = try AuditKey.open(dataDirectory: dataDirectory)
        } catch {
            if case .database = error { needsOperator = true }
            throw error
        }
        self.key = key
        var aside: String?
        var made: AuditDatabase?
        do throws(AuditDatabase.OpenFailure) {
            made = try AuditDatabase(path: path)
        } catch {
            switch error {
            case .newer(let version):
                needsOperator = true
                throw .newer(path: path, version: version)
            case .unavailable(let reason, let isFull):
                throw isFull ? .full(path: path, reason: reason) : .database(path: path, reason: reason)
            case .damaged(let reason): aside = try moveAside(reason)
            }
        }
        do throws(AuditDatabase.OpenFailure) {
            if made == nil { made = try AuditDatabase(path: path) }
        } catch {
            throw .database(path: path, reason: "a new one cannot be made: \(error)")
        }
        guard let made else { return }
        do {
            try made.limit(to: options.maximumBytes)
        } catch {
            throw AuditError(error, path: path)
        }
        database = made
        announce(made, key, aside, isNewKey)
        if !made.isNew { try checkEnd(made) }
    }

    private func announce(_ made: AuditDatabase, _ key: AuditKey, _ aside: String?, _ isNewKey: Bool) {
        if made.isNew {
            announcements.insert(
                AuditEvent(
                    .auditLog, of: "chain", by: "sallyport", kind: .localOperator, old: aside,
                    new: Hexadecimal.text(made.chain), outcome: aside == nil ? .succeeded : .failed,
                    reason: aside == nil
                        ? "a new log begins"
                        : "the log before was damaged and moved aside; a new one begins"), at: 0)
        }
        if isNewKey {
            announcements.append(
                AuditEvent(
                    .auditLog, of: "audit.key", by: "sallyport", kind: .localOperator, new: key.publicKey,
                    outcome: .succeeded, reason: "a signing key was made"))
        }
    }

    /// Whether the newest signed head still has its entry, so that a log whose end was cut off while nothing ran is
    /// noticed at the start. What was changed in it `verify` finds.
    private func checkEnd(_ database: AuditDatabase) throws(AuditError) {
        guard database.headSequence > database.last else { return }
        tell(
            "entries \(database.last + 1) to \(database.headSequence) are missing at its end: they were signed before; run "
                + "sallyport audit-log verify")
    }

    /// Says loudly, in the log and in the audit log itself, that something was taken away.
    func tell(_ what: String) {
        logger?.critical("The audit log is not what it was", metadata: ["reason": "\(what)"])
        guard announcements.count < 16 else { return }
        announcements.append(
            AuditEvent(
                .auditLog, of: "entries", by: "sallyport", kind: .localOperator, outcome: .failed, reason: what))
    }

    /// Renames the database and what belongs to it; gives its new name.
    private func moveAside(_ reason: String) throws(AuditError) -> String {
        let stamp = AuditTime.text(.now).filter { $0.isNumber || $0 == "T" }
        let name = "audit-damaged-\(stamp).sqlite"
        for suffix in ["-wal", "-shm", ""] {
            if rename(path + suffix, "\(dataDirectory)/\(name)\(suffix)") != 0, errno != ENOENT {
                throw AuditFile.failure(path + suffix)
            }
        }
        logger?.critical(
            "The audit log is damaged: it was moved aside and a new one begins",
            metadata: ["reason": "\(reason)", "file": "\(name)"])
        return name
    }
}
