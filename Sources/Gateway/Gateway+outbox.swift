import Logging
package import Outbox
package import SecurityPolicy

/// What the command line asks of the outbox.
package enum OutboxRequest: Codable, Sendable, Equatable {
    case status
    /// The oldest dead letters of an agent.
    case letters(agent: String, limit: Int)
    /// Sends dead letters again: one message's, or all.
    case retry(agent: String, sequence: UInt64?)
    case discardLetters(agent: String, sequence: UInt64?)
    /// Gives up everything that waits for an agent's peer.
    case discardWaiting(agent: String)
}

extension OutboxRequest {
    /// Of which agent it changes what, in words; nil where it only looks.
    fileprivate var change: (agent: String, words: String)? {
        let one = { (sequence: UInt64?) in sequence.map { " of sequence \($0)" } ?? "" }
        return switch self {
        case .status, .letters: nil
        case .retry(let agent, let sequence): (agent, "dead letters\(one(sequence)) are sent again")
        case .discardLetters(let agent, let sequence): (agent, "dead letters\(one(sequence)) are given up")
        case .discardWaiting(let agent): (agent, "what waits is given up")
        }
    }
}

extension Outbox {
    /// Answers a request, with word of how far long work has come. What it changes is in the audit log before it is done.
    package func answer(
        _ request: OutboxRequest, by principal: Principal, _ audit: AuditLog,
        _ send: (ControlReply) async throws -> Void
    ) async throws {
        func note(_ outcome: AuditEvent.Outcome, _ reason: String = "") async throws(AuditError) {
            guard let (agent, words) = request.change else { return }
            try await audit.record(
                AuditEvent(.outbox, of: agent, by: principal, new: words, outcome: outcome, reason: reason))
        }
        do throws(AuditError) {
            try await note(.begun)
        } catch {
            throw GatewayError(.refused, "nothing was changed: \(error)")
        }
        do {
            try await carryOut(request, send)
            try await note(.succeeded)
        } catch {
            let reason = (error as? GatewayError)?.reason ?? "\(error)"
            // Said to who asked in any case.
            try? await note(.failed, reason)
            throw GatewayError(.refused, reason)
        }
    }

    private func carryOut(_ request: OutboxRequest, _ send: (ControlReply) async throws -> Void) async throws {
        switch request {
        case .status: try await send(.outbox(try await overview()))
        case .letters(let agent, let limit): try await send(.deadLetters(try await letters(of: agent, limit: limit)))
        case .retry(let agent, let sequence):
            try await repeated(send) { try await self.retry(agent, sequence: sequence) }
        case .discardLetters(let agent, let sequence):
            try await repeated(send) { try await self.discardLetters(of: agent, sequence: sequence) }
        case .discardWaiting(let agent):
            try await send(.outboxProgress(done: try await discardWaiting(of: agent), left: 0))
        }
    }

    private func repeated(
        _ send: (ControlReply) async throws -> Void, _ work: () async throws -> (done: Int, left: Int)
    ) async throws {
        var total = 0
        // What the peer refuses again meanwhile is not taken up twice.
        var most: Int?
        while true {
            let (done, left) = try await work()
            total += done
            most = most ?? (done + left)
            let rest = max(0, min(left, (most ?? 0) - total))
            try await send(.outboxProgress(done: total, left: rest))
            if rest == 0 || done == 0 { return }
        }
    }
}

extension Gateway {
    nonisolated func answer(_ request: OutboxRequest, _ output: ControlOutput) async throws {
        let user = output.user
        let principal = try await offPool { localOperator(user: user) }
        let audit = audit
        try await outbox.answer(request, by: principal, audit) { try await output.send($0) }
    }

    /// Says which messages wait for agents that do not run, so that nobody believes them to be on their way.
    func noteLeftMessages() async {
        guard let overview = try? await outbox.overview() else { return }
        for status in overview.agents where !status.isRunning && status.messages > 0 {
            logger.warning(
                "Messages wait for an agent that does not run; they stay until it runs again or they are discarded",
                metadata: [
                    "agent": "\(status.agent)", "messages": "\(status.messages)",
                    "to give them up": "sallyport outbox discard --waiting '\(status.agent)'",
                ])
        }
    }
}
