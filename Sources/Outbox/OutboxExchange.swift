import Dispatch
import GRDB
import Synchronization

/// What agents, the coordinator and the outbox's thread share.
final class OutboxExchange: Sendable {
    typealias Job = @Sendable (OutboxWriter) -> Void

    struct State {
        /// Asked of the thread, in order.
        var jobs: [Job] = []
        var isSignalled = false
        var isClosed = false
        var database: OutboxDatabase?
        /// By agent's name.
        var tables: [String: OutboxTable] = [:]
        var epochs: [Int64: String] = [:]
        /// A reader met what cannot be read, and in which database.
        var readFailure: (error: OutboxError, database: OutboxDatabase)?
    }

    let state = Mutex(State())
    let wake = DispatchSemaphore(value: 0)

    /// Wakes the thread, once for all that came since it last looked.
    func signal() {
        let isNews = state.withLock { state in
            defer { state.isSignalled = true }
            return !state.isSignalled
        }
        if isNews { wake.signal() }
    }

    func epochText(_ number: Int64) -> String { state.withLock { $0.epochs[number] } ?? "" }

    /// Messages from the disk, on the caller's thread. nil when there is no disk, or it cannot be read: the outbox's thread
    /// hears of it and wakes the agent when it is better.
    func read(_ agent: String, after row: Int64, through last: Int64, _ messages: Int, _ bytes: Int) -> [StoredMessage]?
    {
        let (database, table) = state.withLock { ($0.database, $0.tables[agent]) }
        guard let database, let table else { return nil }
        do {
            return try database.read { db in
                try table.messages(after: row, through: last, limit: messages, bytes: bytes, db)
            }
        } catch {
            let failure = OutboxDatabase.failure(error, path: database.path)
            state.withLock { $0.readFailure = (failure, database) }
            signal()
            return nil
        }
    }
}
