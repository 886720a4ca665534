package import Logging
package import Outbox
package import Publishing
package import TagStore

/// Publishes the items of one agent to one broker, until its task is cancelled.
///
/// Connection and publishing live as long as the agent; its items can be replaced while it runs, when tags come and go.
package final class MQTTAgent: Sendable {
    package let options: MQTTAgentOptions
    private let connection: BrokerConnection
    private let publishing: PublishingLoop
    private let logger: Logger

    /// How long the connection may take to end before it is left to itself: a black-holed look-up cannot be stopped.
    private static let patience = Duration.seconds(5)

    /// Opens no connection.
    ///
    /// - Parameters:
    ///   - items: the agent's items, resolved against the tags that are there now.
    ///   - queue: of this agent, and of no other that runs.
    package init(
        options: MQTTAgentOptions, items: [Item], store: TagStore, queue: OutboxQueue, logger: Logger
    ) throws(BrokerLoss) {
        self.options = options
        var logger = logger
        logger[metadataKey: "agent"] = "\(options.name)"
        self.logger = logger
        connection = try BrokerConnection(options: options, queue: queue, logger: logger)
        var publish = options.publish
        publish.topic = options.topic
        publishing = PublishingLoop(items: items, options: publish, store: store, queue: queue, logger: logger)
    }

    package var status: BrokerStatus { connection.status }
    package var items: [Item] { publishing.items }

    /// Publishes other items from now on. What waits stays, and what was published already is no event again.
    package func replace(items: [Item]) { publishing.replace(items: items) }

    /// Connects anew with what lies in the files of `options.tls` now: what is in flight is waited for, for a moment,
    /// nothing is lost, and no last will is published.
    package func reconnect() { connection.reconnect() }

    /// Returns when cancelled, after the outbox was emptied as far as the broker took it within a few seconds.
    package func run() async throws(BrokerLoss) {
        try connection.start()
        await publishing.run()
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
            logger.notice(
                "Stopped with messages that the broker did not take: they wait in the outbox",
                metadata: ["messages": "\(left.messages)"])
        }
    }
}
