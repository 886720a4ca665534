import Logging
package import Outbox
import SecurityPolicy

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

extension Outbox {
    /// Answers a request, with word of how far long work has come.
    package func answer(_ request: OutboxRequest, _ send: (ControlReply) async throws -> Void) async throws {
        do {
            switch request {
            case .status: try await send(.outbox(try await overview()))
            case .letters(let agent, let limit):
                try await send(.deadLetters(try await letters(of: agent, limit: limit)))
            case .retry(let agent, let sequence):
                try await repeated(send) { try await self.retry(agent, sequence: sequence) }
            case .discardLetters(let agent, let sequence):
                try await repeated(send) { try await self.discardLetters(of: agent, sequence: sequence) }
            case .discardWaiting(let agent):
                try await send(.outboxProgress(done: try await discardWaiting(of: agent), left: 0))
            }
        } catch let error as OutboxError {
            throw GatewayError(.refused, error.description)
        }
    }

    private func repeated(
        _ send: (ControlReply) async throws -> Void, _ work: () async throws -> (done: Int, left: Int)
    ) async throws {
        var total = 0
        while true {
            let (done, left) = try await work()
            total += done
            try await send(.outboxProgress(done: total, left: left))
            if left == 0 || done == 0 { return }
        }
    }
}

extension Gateway {
    nonisolated func answer(_ request: OutboxRequest, _ output: ControlOutput) async throws {
        try await outbox.answer(request) { try await output.send($0) }
    }

    /// Says which messages wait for agents that do not run, so that nobody believes them to be on their way.
    func noteLeftMessages() async {
        guard let overview = try? await outbox.overview() else { return }
        for status in overview.agents where !status.isRunning && status.messages > 0 {
            logger.warning(
                "Messages wait for an agent that does not run; they stay until it runs again or they are discarded",
                metadata: [
                    "agent": "\(status.agent)", "messages": "\(status.messages)",
                    "to give them up": "sallyport outbox discard \(status.agent)",
                ])
        }
    }
}
