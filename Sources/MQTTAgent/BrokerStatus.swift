package import Outbox
package import Tags

/// What an engineer sees of one broker connection.
package struct BrokerStatus: Sendable, Equatable {
    package enum State: String, Sendable {
        case connecting
        case connected
        /// Waiting before the next attempt.
        case waiting
        case stopped
    }

    package var state: State
    package var since: Timestamp
    /// "5" or "3.1.1", of the present or the last connection.
    package var protocolVersion: String?
    package var lastError: String?
    package var connections: UInt64
    package var published: UInt64
    package var events: UInt64
    package var refused: UInt64
    package var queue: OutboxQueue.Depth
}
