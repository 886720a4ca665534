import GatewayConfiguration
import Logging
import NIOCore
package import SecurityPolicy
import TLS
import Tags

/// What is asked of the audit log.
package enum AuditLogRequest: Codable, Sendable, Equatable {
    case show(AuditFilter)
    /// Every new entry that matches, until the client hangs up.
    case follow(AuditFilter)
    /// The lines of an export, between two times in microseconds since 1970.
    case export(since: Int64?, until: Int64?)
    /// The end of the chain, signed now.
    case head
    case verify(heads: [AuditHead], trustedKeys: [String])
}

extension Gateway {
    /// Records what was done to the gateway itself. A log that cannot be written has said so already: the gateway goes on.
    nonisolated func audit(
        _ action: AuditEvent.Action, of object: String, old: String? = nil, new: String? = nil,
        _ outcome: AuditEvent.Outcome = .succeeded, _ reason: String = ""
    ) async {
        let event = AuditEvent(
            action, of: object, by: "sallyport", kind: .localOperator, old: old, new: new, outcome: outcome,
            reason: reason)
        do throws(AuditError) {
            try await audit.record(event)
        } catch {
            logger.warning(
                "Not in the audit log", metadata: ["action": "\(action.rawValue)", "object": "\(object)"])
        }
    }

    /// Forwards the audit log as configured; what stays the same goes on.
    func forwardAudit(_ options: AuditForwarding) async {
        guard options != auditForwarding else { return }
        auditForwarding = options
        certificateWatch.forget(GatewayConfiguration.forwarder)
        await restartForwarding()
    }

    func restartForwarding() async {
        let options = auditForwarding
        await stopForwarding()
        if let syslog = options.syslog {
            let names = (try? await offPool { MachineNames.current().hostNames }) ?? []
            let name = names.first { $0 != "localhost" } ?? configuration?.name ?? "-"
            let target = SyslogTarget(syslog, host: name, group: eventLoops)
            forward("syslog", to: target)
        }
        if let file = options.file { forward("file", to: AuditFileTarget(path: file)) }
    }

    private func forward(_ name: String, to target: any AuditTarget) {
        let forwarder = AuditForwarder(name: name, audit: audit, target: target, logger: logger)
        auditForwarders.append(Task { await forwarder.run() })
        logger.info("The audit log is forwarded", metadata: ["to": "\(name)"])
    }

    private func stopForwarding() async {
        let tasks = auditForwarders
        auditForwarders = []
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    /// Closes the log, and gives forwarders a moment for its last entries.
    func endAudit() async {
        await audit.close()
        let tasks = auditForwarders
        let deadline = Task {
            try? await Task.sleep(for: .seconds(2))
            for task in tasks { task.cancel() }
        }
        for task in tasks { await task.value }
        deadline.cancel()
        auditForwarders = []
    }

    /// Answers about the running gateway's audit log.
    nonisolated func answer(_ request: AuditLogRequest, _ output: ControlOutput) async throws {
        let reader = audit.reader
        switch request {
        case .show(let filter):
            try await send(try await offAuditPool { () throws(AuditError) in try reader.entries(filter) }, output)
        case .follow(let filter): try await follow(filter, reader, output)
        case .export(let since, let until): try await export(since, until, reader, output)
        case .head: try await output.send(.auditHead(try await audit.head()))
        case .verify(let heads, let keys):
            try? await audit.flush()
            // What this process knows to be there, so that an end that somebody cut off just now is missed.
            let heads = heads + [try await audit.head()]
            try await output.send(
                .auditVerification(
                    try await offAuditPool { () throws(AuditError) in
                        try reader.verify(heads: heads, trustedKeys: keys)
                    }))
        }
    }

    private nonisolated func follow(
        _ filter: AuditFilter, _ reader: AuditReader, _ output: ControlOutput
    ) async throws {
        // Before the position is asked for: a commit in between is then told of.
        let commits = audit.commits()
        var last = try await offAuditPool { () throws(AuditError) in try reader.position().last }
        for await _ in commits {
            while true {
                let after = last
                let entries = try await offAuditPool { () throws(AuditError) in
                    try reader.entries(after: after, limit: 500)
                }
                guard let newest = entries.last else { break }
                last = newest.sequence
                try await send(entries.filter { filter.matches($0) }, output)
            }
        }
    }

    private nonisolated func export(
        _ since: Int64?, _ until: Int64?, _ reader: AuditReader, _ output: ControlOutput
    ) async throws {
        // A thread that may block reads; what it read waits in a bounded buffer for the client to take it.
        let lines = AuditLineBuffer()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { lines.finish() }
                _ = try await offAuditPool { () throws(AuditError) in
                    try reader.export(
                        since: since.map(Timestamp.init(microseconds:)), until: until.map(Timestamp.init(microseconds:))
                    ) { try lines.append($0) }
                }
            }
            try await lines.drain { try await output.send(.auditLines($0)) }
            try await tasks.waitForAll()
        }
    }

    private nonisolated func send(_ entries: [AuditEntry], _ output: ControlOutput) async throws {
        var rest = entries[...]
        while !rest.isEmpty {
            try await output.send(.auditEntries(Array(rest.prefix(500))))
            rest = rest.dropFirst(500)
        }
    }
}
