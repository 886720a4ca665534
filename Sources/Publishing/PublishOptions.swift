package import WireFormat

/// When and in which shape an agent publishes.
package struct PublishOptions: Sendable, Equatable {
    package enum PublishType: String, Sendable, CaseIterable {
        /// At each rate, and at once when `maxEvents` wait; nothing waiting, nothing sent.
        case interval
        /// At once, coalesced for at most 10 ms.
        case onChange = "on-change"
    }

    package enum Format: String, Sendable, CaseIterable {
        /// Every change between two publishes.
        case narrow
        /// All enabled items with every publish, changed or not.
        case wide
    }

    package var type: PublishType
    package var rate: Duration
    package var format: Format
    /// The most events in one message.
    package var maxEvents: Int
    /// Whether every item is an event once when the agent starts.
    package var sendInitialUpdate: Bool
    /// Whether a change of quality alone is no event.
    package var ignoreQualityChanges: Bool
    package var template: MessageTemplate
    /// The one for all, where there are topics and no template for them.
    package var topic: String?
    /// nil: one topic for all, where there are topics.
    package var topics: TopicTemplate?

    package init(
        type: PublishType = .interval, rate: Duration = .seconds(10), format: Format = .narrow, maxEvents: Int = 1000,
        sendInitialUpdate: Bool = true, ignoreQualityChanges: Bool = false, template: MessageTemplate = .standard,
        topic: String? = nil, topics: TopicTemplate? = nil
    ) {
        self.type = type
        self.rate = rate
        self.format = format
        self.maxEvents = maxEvents
        self.sendInitialUpdate = sendInitialUpdate
        self.ignoreQualityChanges = ignoreQualityChanges
        self.template = template
        self.topic = topic
        self.topics = topics
    }
}
