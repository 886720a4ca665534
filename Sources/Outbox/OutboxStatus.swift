/// What waits for one agent's peer.
package struct OutboxStatus: Sendable, Codable, Equatable {
    package var agent: String
    /// Whether the agent runs; what an agent leaves that was renamed or taken out of the configuration stays.
    package var isRunning: Bool
    package var messages: Int
    package var events: Int
    package var bytes: Int
    package var maxBytes: Int?
    package var whenFull: String?
    package var durability: String?
    /// How long the oldest message waits, in milliseconds.
    package var oldestAge: Int64?
    /// What comes, in bytes a second.
    package var bytesPerSecond: Double
    /// Until the cap, as it goes now; nil where it does not grow.
    package var secondsToFull: Double?
    package var deadLetters: Int
    /// Since the database was made.
    package var droppedMessages: Int64
    package var droppedEvents: Int64
    package var epoch: String
    /// Of the newest message.
    package var sequence: UInt64
    /// Since the database was made: events that outlive the process.
    package var committedEvents: Int64
}

/// The outbox as a whole.
package struct OutboxOverview: Sendable, Codable, Equatable {
    package var agents: [OutboxStatus]
    package var path: String
    /// Of the file.
    package var fileBytes: Int64
    /// Why nothing can be written at present; messages are in memory then.
    package var failure: String?
    /// Databases that were damaged and moved aside since the start.
    package var quarantined: Int
    package var commits: UInt64
}

/// A message that its peer refused for good, as an engineer sees it.
package struct DeadLetterSummary: Sendable, Codable, Equatable {
    package var epoch: String
    package var sequence: UInt64
    package var offset: Int
    package var events: Int
    package var bytes: Int
    package var topic: String?
    package var reason: String
    /// Milliseconds since 1970.
    package var time: Int64
    package var setAside: Int64
}
