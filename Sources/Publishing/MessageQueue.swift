import DequeModule
import Synchronization

/// The messages of one agent that its peer has not acknowledged, in memory and in order.
///
/// Its calls are those of a durable queue: read ahead with `next`, move the cursor with `acknowledge`, go back to it with
/// `rewind` when the connection is lost. Beyond the cap the oldest messages go and are counted.
package final class MessageQueue: Sendable {
    package struct Entry: Sendable, Equatable {
        /// Gapless from 1 in the order of appending; a drop leaves a gap.
        package let sequence: UInt64
        package let message: Message
    }

    /// What `sallyport status` and metrics show.
    package struct Depth: Sendable, Equatable {
        package var messages: Int
        package var bytes: Int
        package var appended: UInt64
        package var acknowledged: UInt64
        package var droppedMessages: UInt64
        package var droppedEvents: UInt64
    }

    private struct State {
        var cap: Int
        var entries: Deque<Entry> = []
        /// How many of the entries were read ahead and wait for their acknowledgement.
        var readAhead = 0
        var acknowledgedOutOfOrder: Set<UInt64> = []
        var depth = Depth(
            messages: 0, bytes: 0, appended: 0, acknowledged: 0, droppedMessages: 0, droppedEvents: 0)
        var isDropping = false
        var wake: (@Sendable () -> Void)?
    }

    private let state: Mutex<State>

    /// - Parameter cap: bytes of payload and topics.
    package init(cap: Int) {
        state = Mutex(State(cap: cap))
    }

    /// Bytes of payload and topics that may wait. A smaller one counts from the next message on.
    package var cap: Int {
        get { state.withLock { $0.cap } }
        set { state.withLock { $0.cap = newValue } }
    }

    package var depth: Depth { state.withLock { $0.depth } }

    /// Sets what is called, outside the lock, after a message came to a queue whose reader had seen everything.
    package func setWake(_ wake: (@Sendable () -> Void)?) {
        state.withLock { $0.wake = wake }
    }

    /// Adds a message. True when this begins an episode of drops, which the caller logs once.
    package func append(_ message: Message) -> Bool {
        let (wake, beganDropping) = state.withLock { state -> ((@Sendable () -> Void)?, Bool) in
            state.depth.appended += 1
            state.entries.append(Entry(sequence: state.depth.appended, message: message))
            state.depth.bytes += message.size
            let wasDropping = state.isDropping
            // What is in flight stays: it is on the wire already.
            while state.depth.bytes > state.cap, state.entries.count > state.readAhead + 1 {
                let dropped = state.entries.remove(at: state.readAhead)
                state.depth.bytes -= dropped.message.size
                state.depth.droppedMessages += 1
                state.depth.droppedEvents += UInt64(dropped.message.events)
                state.isDropping = true
            }
            state.depth.messages = state.entries.count
            let isNews = state.entries.count == state.readAhead + 1
            return (isNews ? state.wake : nil, state.isDropping && !wasDropping)
        }
        wake?()
        return beganDropping
    }

    /// The next message that was not read yet; nil when all were.
    package func next() -> Entry? {
        state.withLock { state in
            guard state.readAhead < state.entries.count else { return nil }
            defer { state.readAhead += 1 }
            return state.entries[state.readAhead]
        }
    }

    /// The peer has taken this message. Acknowledgements may come in any order.
    package func acknowledge(_ sequence: UInt64) {
        state.withLock { state in
            guard state.readAhead > 0, sequence >= state.entries[0].sequence,
                sequence <= state.entries[state.readAhead - 1].sequence
            else { return }
            state.acknowledgedOutOfOrder.insert(sequence)
            while let first = state.entries.first, state.readAhead > 0,
                state.acknowledgedOutOfOrder.remove(first.sequence) != nil
            {
                state.entries.removeFirst()
                state.readAhead -= 1
                state.depth.bytes -= first.message.size
                state.depth.acknowledged += 1
            }
            // Half empty: what comes now is another episode.
            if state.depth.bytes <= state.cap / 2 { state.isDropping = false }
            state.depth.messages = state.entries.count
        }
    }

    /// The connection is gone: what was read and not acknowledged is read again.
    package func rewind() {
        state.withLock { state in
            state.readAhead = 0
            state.acknowledgedOutOfOrder.removeAll()
        }
    }
}
