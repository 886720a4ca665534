package import Logging
package import Publishing
import Synchronization
package import TagStore
import Tags

/// Publishes the items of one agent to one broker, until its task is cancelled.
///
/// Connection and queue live as long as the agent; its items can be replaced while it runs, when tags come and go.
package final class MQTTAgent: Sendable {
    private struct State {
        var items: [Item]
        var publishing: Task<Void, Never>?
        var isReplaced = false
    }

    package let options: MQTTAgentOptions
    /// What the broker has not acknowledged; an agent that takes this one's place goes on with it.
    package let queue: MessageQueue
    private let store: TagStore
    private let connection: BrokerConnection
    private let state: Mutex<State>
    private let logger: Logger

    /// How long the connection may take to end before it is left to itself: a black-holed look-up cannot be stopped.
    private static let patience = Duration.seconds(5)

    /// Opens no connection.
    ///
    /// - Parameters:
    ///   - items: the agent's items, resolved against the tags that are there now.
    ///   - queue: what an agent of this name that was stopped has left, nil to begin anew.
    package init(
        options: MQTTAgentOptions, items: [Item], store: TagStore, queue: MessageQueue? = nil, logger: Logger
    ) throws(BrokerLoss) {
        self.options = options
        self.store = store
        self.queue = queue ?? MessageQueue(cap: options.outboxBytes)
        self.queue.cap = options.outboxBytes
        self.queue.rewind()
        var logger = logger
        logger[metadataKey: "agent"] = "\(options.name)"
        self.logger = logger
        connection = try BrokerConnection(options: options, queue: self.queue, logger: logger)
        state = Mutex(State(items: items))
    }

    package var status: BrokerStatus { connection.status }
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

    /// Connects anew with what lies in the files of `options.tls` now: what is in flight is waited for, for a moment,
    /// nothing is lost, and no last will is published.
    package func reconnect() { connection.reconnect() }

    /// Returns when cancelled, after the queue was flushed as far as the broker took it within a few seconds.
    package func run() async throws(BrokerLoss) {
        try connection.start()
        await publish()
        connection.stop()
        // Not a child task: the task that runs us is cancelled already, and this wait must not be.
        let patience = Task {
            guard (try? await Task.sleep(for: MQTTAgent.patience)) != nil else { return }
            logger.warning("The broker connection did not end in time and is left behind")
            connection.abandon()
        }
        await connection.finished()
        patience.cancel()
        let left = connection.status.queue
        if left.messages > 0 {
            logger.warning(
                "Stopped with messages that the broker did not take", metadata: ["messages": "\(left.messages)"])
        }
    }

    /// One publisher after the other, as items are replaced.
    private func publish() async {
        var known: [TagHandle: EventFilter.Known] = [:]
        while !Task.isCancelled {
            let items = state.withLock { state in
                state.isReplaced = false
                return state.items
            }
            let publisher = Publisher(
                items: items, options: options.publish, store: store, queue: queue, logger: logger, known: known)
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
