import Logging
import Synchronization

/// What the streams of one listener have come to.
struct StreamCounts: Sendable, Equatable {
    var open = 0
    /// For want of a place.
    var refused = 0
    /// Events that told a client of changes which it has not had.
    var missed = 0
    /// Connections that ended because their client took nothing.
    var cutOff = 0
}

/// Counts what streams could not do, and tells the log of those that cannot keep up, at most once a second.
final class StreamTally: Sendable {
    private struct State {
        var counts = StreamCounts()
        var slow = Telling()
    }

    private let logger: Logger
    private let state = Mutex(State())

    init(logger: Logger) {
        self.logger = logger
    }

    /// Without those that are open.
    var counts: StreamCounts { state.withLock { $0.counts } }

    func refuse() { state.withLock { $0.counts.refused += 1 } }

    /// A client is told of what it missed: by its own slowness, or because it comes back late.
    func tellMissed() { state.withLock { $0.counts.missed += 1 } }

    /// The history has gone on without a stream, which begins anew: once for each time, however much it was.
    func fellBehind(_ client: ClientAddress, by changes: UInt64?) {
        let untold = state.withLock { $0.slow.tell(.now) }
        let number = changes.map { "\($0)" } ?? "nobody knows how many"
        tell(untold, client, "changes went by before it took them: \(number)")
    }

    func cutOff(_ client: ClientAddress) {
        let untold = state.withLock { state in
            state.counts.cutOff += 1
            return state.slow.tell(.now)
        }
        tell(untold, client, "it took nothing for limits.request-timeout, and its connection has ended")
    }

    private func tell(_ untold: Int?, _ client: ClientAddress, _ reason: String) {
        guard let untold else { return }
        var metadata: Logger.Metadata = ["client": "\(client)", "reason": "\(reason)"]
        if untold > 0 { metadata["not-logged-before-this"] = "\(untold)" }
        logger.warning("Stream cannot keep up", metadata: metadata)
    }
}
