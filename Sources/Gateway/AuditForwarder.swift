package import Logging
package import SecurityPolicy

/// A place that takes entries of the audit log besides the log itself.
package protocol AuditTarget: Sendable {
    /// Returns when the entries are where they are to be, as far as can be known; throws when they may not be. It is
    /// called by one task at a time.
    func send(_ entries: [AuditEntry]) async throws
    /// Lets go of what it holds open.
    func close() async
}

/// Follows the audit log from where it stood and gives every entry to one target: at least once, in order. It reads what
/// is committed, so the log never waits for it.
package struct AuditForwarder: Sendable {
    static let batch = 200
    private static let longestPause = Duration.seconds(60)

    /// Of the file that holds the position.
    let name: String
    let audit: AuditLog
    let target: any AuditTarget
    let logger: Logger
    let firstPause: Duration

    package init(
        name: String, audit: AuditLog, target: any AuditTarget, logger: Logger, firstPause: Duration = .seconds(1)
    ) {
        self.name = name
        self.audit = audit
        self.target = target
        self.logger = logger
        self.firstPause = firstPause
    }

    /// Until the log is closed or the task is cancelled.
    package func run() async {
        let commits = audit.commits()
        var pause = firstPause
        var isBroken = false
        var position: AuditPosition?
        var iterator = commits.makeAsyncIterator()
        repeat {
            while !Task.isCancelled {
                do {
                    guard try await forward(&position) else { break }
                    if isBroken {
                        logger.notice("The audit log is forwarded again", metadata: ["to": "\(name)"])
                        isBroken = false
                    }
                    pause = firstPause
                } catch is CancellationError {
                    break
                } catch {
                    if !isBroken {
                        logger.error(
                            "The audit log cannot be forwarded; it is tried again",
                            metadata: ["to": "\(name)", "reason": "\(error)"])
                        isBroken = true
                    }
                    await target.close()
                    guard (try? await Task.sleep(for: pause)) != nil else { break }
                    pause = min(pause * 2, AuditForwarder.longestPause)
                }
            }
        } while await iterator.next() != nil && !Task.isCancelled
        await target.close()
    }

    /// Sends one batch; false when there is none.
    private func forward(_ position: inout AuditPosition?) async throws -> Bool {
        let reader = audit.reader, name = name, directory = audit.dataDirectory
        let known = position
        // The chain is asked for each time: a damaged log is replaced while the gateway runs.
        let (start, entries) = try await offAuditPool { () throws(AuditError) in
            let chain = try reader.position().chain
            var start = known
            if start == nil { start = try AuditPosition.read(name, dataDirectory: directory) }
            if start?.chain != chain { start = AuditPosition(chain: chain, sequence: 0) }
            let from = start ?? AuditPosition(chain: chain, sequence: 0)
            return (from, try reader.entries(after: from.sequence, limit: AuditForwarder.batch))
        }
        position = start
        guard let first = entries.first, let last = entries.last else { return false }
        if first.sequence > start.sequence + 1 {
            logger.warning(
                "Audit entries were exported before they could be forwarded",
                metadata: ["to": "\(name)", "entries": "\(start.sequence + 1)-\(first.sequence - 1)"])
        }
        try await target.send(entries)
        let reached = AuditPosition(chain: start.chain, sequence: last.sequence)
        position = reached
        try await offAuditPool { () throws(AuditError) in try reached.write(name, dataDirectory: directory) }
        return true
    }
}
