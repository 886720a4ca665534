package import Outbox
package import Tags

/// What an engineer sees of one endpoint.
package struct EndpointStatus: Sendable, Equatable {
    package enum State: String, Sendable {
        /// Nothing was sent yet.
        case ready
        /// The last request was answered with a 2xx.
        case delivering
        /// Waiting before the next attempt.
        case waiting
        /// Waiting longer, for somebody to mend the endpoint, its address or the credentials.
        case held
        case stopped
    }

    package var state: State
    package var since: Timestamp
    /// "1.1" or "2", of the last answer.
    package var httpVersion: String?
    package var lastError: String?
    /// Requests that ended, whatever came of them.
    package var requests: UInt64
    /// Messages and events that were taken.
    package var delivered: UInt64
    package var events: UInt64
    /// Messages that were set aside.
    package var refused: UInt64
    package var connections: UInt64
    package var queue: OutboxQueue.Depth
}
