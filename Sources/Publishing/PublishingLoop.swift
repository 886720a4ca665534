package import Logging
package import Outbox
import Synchronization
package import TagStore
import Tags

/// Publishes an agent's items into its outbox: one publisher after the other, as the items are replaced while it runs.
package final class PublishingLoop: Sendable {
    private struct State {
        var items: [Item]
        var publishing: Task<Void, Never>?
        var isReplaced = false
    }

    private let options: PublishOptions
    private let store: TagStore
    private let queue: OutboxQueue
    private let logger: Logger
    private let state: Mutex<State>

    package init(items: [Item], options: PublishOptions, store: TagStore, queue: OutboxQueue, logger: Logger) {
        self.options = options
        self.store = store
        self.queue = queue
        self.logger = logger
        state = Mutex(State(items: items))
    }

    package var items: [Item] { state.withLock { $0.items } }

    /// Publishes other items from now on. What waits stays, and what was published already is no event again.
    package func replace(items: [Item]) {
        let publishing = state.withLock { state in
            state.items = items
            state.isReplaced = true
            return state.publishing
        }
        publishing?.cancel()
    }

    /// Until its task is cancelled; what was gathered by then is in the outbox.
    package func run() async {
        var known: [TagHandle: EventFilter.Known] = [:]
        while !Task.isCancelled {
            let items = state.withLock { state in
                state.isReplaced = false
                return state.items
            }
            let publisher = Publisher(
                items: items, options: options, store: store, queue: queue, logger: logger, known: known)
            // A task of its own, so that a replacement can end it without ending the agent.
            let task = Task { await publisher.run() }
            let isOutdated = state.withLock { state in
                state.publishing = task
                return state.isReplaced
            }
            if isOutdated { task.cancel() }
            await withTaskCancellationHandler {
                await task.value
            } onCancel: {
                task.cancel()
            }
            known = await publisher.known
        }
    }
}
