import Dispatch
import Foundation
import GRDB
package import Logging
import Synchronization

/// The durable store-and-forward queues of all agents, in `outbox.sqlite`.
package final class Outbox: Sendable {
    private let exchange: OutboxExchange

    /// Left free for the audit log, without which no device may be written.
    package static let reserve: Int64 = 64 << 20

    private init(exchange: OutboxExchange) {
        self.exchange = exchange
    }

    deinit {
        // Whoever forgot to close it loses nothing, and the thread ends.
        let isOpen = exchange.state.withLock { state in
            guard !state.isClosed else { return false }
            state.isClosed = true
            state.jobs.append { $0.close() }
            return true
        }
        if isOpen { exchange.signal() }
    }

    /// Opens or makes `outbox.sqlite` in a directory. Where the disk does not allow it now, messages are in memory until it
    /// does.
    ///
    /// - Parameters:
    ///   - machine: what tells this machine from others, such as systemd's machine id.
    ///   - reserve: bytes of the file system that are left to others.
    ///   - movesDamagedAside: false for whoever only looks.
    /// - Throws: where a newer version wrote it, or where it is damaged and stays.
    package static func open(
        dataDirectory: String, machine: String, movesDamagedAside: Bool = true,
        reserve: Int64 = Outbox.reserve, logger: Logger
    ) async throws -> Outbox {
        let exchange = OutboxExchange()
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let thread = Thread {
                let writer = OutboxWriter(
                    path: dataDirectory + "/outbox.sqlite", machine: machine, exchange: exchange,
                    movesDamagedAside: movesDamagedAside, reserve: reserve, logger: logger)
                do throws(OutboxError) {
                    try writer.openFirst()
                } catch {
                    return continuation.resume(throwing: error)
                }
                continuation.resume()
                writer.work()
            }
            thread.name = "outbox"
            thread.start()
        }
        return Outbox(exchange: exchange)
    }

    /// Runs on the outbox's thread.
    func perform<Value: Sendable>(_ body: @escaping @Sendable (OutboxWriter) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let isOpen = exchange.state.withLock { state in
                guard !state.isClosed else { return false }
                state.jobs.append { writer in continuation.resume(with: Result { try body(writer) }) }
                return true
            }
            guard isOpen else { return continuation.resume(throwing: OutboxError(.closed, "the outbox is closed")) }
            exchange.signal()
        }
    }

    /// The queue of an agent that begins now: with what an earlier one of this name has left. That one is at its end.
    package func queue(for agent: String, options: OutboxOptions) async throws -> OutboxQueue {
        try await perform { $0.attach(agent, options) }
    }

    /// The agent has ended: what it left waits for the next one of this name.
    ///
    /// - Parameter isPaused: whether the gateway goes on without it: then nothing becomes too old meanwhile.
    package func release(_ agent: String, isPaused: Bool = false) async {
        do { try await perform { $0.release(agent, isPaused: isPaused) } } catch {}
    }

    /// Commits what there is and closes the file. Nothing can be asked any more.
    package func close() async {
        do {
            try await perform { [exchange] writer in
                exchange.state.withLock { $0.isClosed = true }
                writer.close()
            }
        } catch {}
    }
}
