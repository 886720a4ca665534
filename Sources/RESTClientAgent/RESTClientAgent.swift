package import Logging
package import Outbox
package import Publishing
package import TagStore

/// Publishes the items of one agent to one HTTP endpoint, until its task is cancelled. One-way: nothing that an endpoint
/// answers is ever read as a value.
///
/// Connection and publishing live as long as the agent; its items can be replaced while it runs, when tags come and go.
package final class RESTClientAgent: Sendable {
    package let options: RESTClientAgentOptions
    private let connection: EndpointConnection
    private let publishing: PublishingLoop
    private let logger: Logger

    /// How long the connection may take to end before it is left to itself: what it is blocked in cannot be stopped.
    private static let patience = Duration.seconds(4)

    /// Opens no connection.
    ///
    /// - Parameters:
    ///   - items: the agent's items, resolved against the tags that are there now.
    ///   - queue: of this agent, and of no other that runs.
    package init(
        options: RESTClientAgentOptions, items: [Item], store: TagStore, queue: OutboxQueue, logger: Logger
    ) {
        self.options = options
        var logger = logger
        logger[metadataKey: "agent"] = "\(options.name)"
        self.logger = logger
        connection = EndpointConnection(options: options, queue: queue, logger: logger)
        publishing = PublishingLoop(
            items: items, options: options.publish, store: store, queue: queue, logger: logger)
    }

    package var status: EndpointStatus { connection.status }
    package var items: [Item] { publishing.items }

    /// Publishes other items from now on. What waits stays, and what was published already is no event again.
    package func replace(items: [Item]) { publishing.replace(items: items) }

    /// Connects anew with what lies in the files of `options.tls` now. What is under way is finished before.
    package func reconnect() { connection.reconnect() }

    /// Returns when cancelled, after the outbox was emptied as far as the endpoint took it within a few seconds.
    package func run() async throws(EndpointFailure) {
        try connection.start()
        await publishing.run()
        connection.stop()
        // Not a child task: the task that runs us is cancelled already, and this wait must not be.
        let patience = Task {
            guard (try? await Task.sleep(for: RESTClientAgent.patience)) != nil else { return }
            logger.warning("The connection to the endpoint did not end in time and is left behind")
            connection.abandon()
        }
        await connection.finished()
        patience.cancel()
        let left = connection.status.queue
        if left.messages > 0 {
            logger.notice(
                "Stopped with messages that the endpoint has not taken: they wait in the outbox",
                metadata: ["messages": "\(left.messages)"])
        }
    }
}
