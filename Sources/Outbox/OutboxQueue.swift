import DequeModule
import Synchronization

/// The messages of one agent, from the publisher that appends them to the peer that has taken them.
///
/// `append` never blocks. The other calls are for the one thread that sends: `next` may read the disk. What was read and
/// not acknowledged is given again after `rewind`, exactly as it was.
package final class OutboxQueue: Sendable {
    /// So many messages may be on their way, or taken and not yet recorded: the most that come twice after a crash.
    package static let window = 100

    package let agent: String
    let state: Mutex<State>
    let exchange: OutboxExchange

    /// A message that was given.
    struct Given {
        enum Progress {
            /// Its cut is not recorded yet.
            case held
            case toSend
            case sent
            case done
        }

        /// What is not changed; by reference, since places of a queue are copied when they are looked at.
        final class Part: Sendable {
            let gap: ClosedRange<UInt64>?
            let offset: Int
            let events: Int
            let content: OutboxContent
            /// Of the message's parts.
            let isLast: Bool
            let message: StoredMessage

            init(
                of message: StoredMessage, gap: ClosedRange<UInt64>?, offset: Int, events: Int,
                content: OutboxContent, isLast: Bool
            ) {
                self.message = message
                self.gap = gap
                self.offset = offset
                self.events = events
                self.content = content
                self.isLast = isLast
            }
        }

        let ticket: UInt64
        private var part: Part
        var progress: Progress

        init(ticket: UInt64, part: Part, progress: Progress) {
            self.ticket = ticket
            self.part = part
            self.progress = progress
        }

        var gap: ClosedRange<UInt64>? { part.gap }
        var offset: Int { part.offset }
        var events: Int { part.events }
        var content: OutboxContent { part.content }
        var isLast: Bool { part.isLast }
        var message: StoredMessage {
            get { part.message }
            set {
                part = Part(
                    of: newValue, gap: gap, offset: offset, events: events, content: content, isLast: isLast)
            }
        }
    }

    /// What a lane's message has come to.
    enum Lane {
        case open
        /// Its events are not kept: there is no room.
        case dropping(events: Int)
    }

    /// What waits for the next commit.
    enum Pending {
        case chunk(OutboxChunk)
        /// Messages that were not kept.
        case dropped(messages: Int, events: Int)
    }

    struct State {
        let options: OutboxOptions
        /// Bytes that may wait: `max-bytes`, or more where more waited when the agent began.
        var cap: Int
        // Appended, not committed.
        var pending: [Pending] = []
        var pendingBytes = 0
        var pendingMessages = 0
        var pendingEvents = 0
        /// Where in `pending` a lane's last chunk is that still grows.
        var growing: [Int: Int] = [:]
        var lanes: [Int: Lane] = [:]
        // Delivering.
        var given: Deque<Given> = []
        var givenBytes = 0
        var toSend = 0
        /// Whether a cut is not recorded yet.
        var isHeld = false
        /// Taken by the peer, and a crash would not know.
        var unrecorded = 0
        var nextTicket: UInt64 = 1
        /// The last message on the disk that was given.
        var read = OutboxMark()
        /// Messages up to here are not given any more.
        var floor = OutboxMark()
        /// The last message on the disk.
        var end = OutboxMark()
        /// Up to here there was nothing to read.
        var nothingUntil: Int64 = 0
        /// Of which database `fromDisk` is.
        var disk = 0
        var announced = OutboxSequence(epoch: 0, number: 0)
        /// The same, of messages that are in memory only.
        var announcedInMemory: UInt64 = 0
        /// A gap that the message which was to say so does not, because it was set aside; and of which epoch.
        var untoldGap: (epoch: Int64, text: String?, range: ClosedRange<UInt64>)?
        var fromDisk: Deque<StoredMessage> = []
        /// The newest messages; all that end behind `tailFloor`.
        var tail: Deque<StoredMessage> = []
        var tailBytes = 0
        var tailFloor: Int64 = 0
        var inMemoryOnly = 0
        var inMemoryEvents = 0
        var inMemoryBytes = 0
        /// Dropped from memory, not counted by the writer yet.
        var droppedInMemory = (messages: 0, events: 0)
        // For the writer.
        var cursor = OutboxCursor()
        var isCursorNew = false
        /// Where the cursor is noted at once, and as which agent's.
        var cursors: (file: CursorFile, agent: Int64)?
        var letters: [DeadLetter] = []
        /// Being committed.
        var lettersUnderway = 0
        var cuts: [(row: Int64, parts: [Int])] = []
        var counts = Counts()
        var isClosed = false
        /// Who sends was given nothing when it last asked: it waits to be woken.
        var isDry = true
        var wake: (@Sendable () -> Void)?

        /// Behind it comes what was not given yet.
        var start: OutboxMark { read.row >= floor.row ? read : floor }
        var startRow: Int64 { max(start.row, nothingUntil) }
        /// So much is taken that sending will soon wait for the cursor.
        var isRecordUrgent: Bool { unrecorded >= OutboxQueue.window / 2 }
    }

    /// Since the gateway started.
    package struct Counts: Sendable, Equatable {
        package var appended: UInt64 = 0
        package var acknowledged: UInt64 = 0
        package var droppedMessages: UInt64 = 0
        package var droppedEvents: UInt64 = 0
        package var setAside: UInt64 = 0
        package var split: UInt64 = 0
    }

    init(agent: String, options: OutboxOptions, exchange: OutboxExchange) {
        self.agent = agent
        self.exchange = exchange
        state = Mutex(State(options: options, cap: options.maxBytes))
    }

    /// Sets what is called, outside the lock, when there may be something to send.
    package func setWake(_ wake: (@Sendable () -> Void)?) {
        state.withLock { $0.wake = wake }
    }

    // MARK: What waits

    /// What waits to be taken by the peer, committed or not.
    package struct Depth: Sendable, Equatable {
        package var messages: Int
        package var events: Int
        package var bytes: Int
        package var counts: Counts

        package init(messages: Int, events: Int, bytes: Int, counts: Counts) {
            self.messages = messages
            self.events = events
            self.bytes = bytes
            self.counts = counts
        }
    }

    package var depth: Depth { state.withLock { OutboxQueue.depth($0) } }

    static func depth(_ state: State) -> Depth {
        let start = state.start
        let given = state.given.lazy.filter { $0.progress != .done }
        return Depth(
            messages: Int(clamping: max(0, state.end.messages - start.messages)) + given.count + state.inMemoryOnly
                + state.pendingMessages,
            events: Int(clamping: max(0, state.end.events - start.events)) + given.reduce(0) { $0 + $1.events }
                + state.inMemoryEvents + state.pendingEvents,
            bytes: bytes(state), counts: state.counts)
    }

    static func bytes(_ state: State) -> Int {
        Int(clamping: max(0, state.end.bytes - state.start.bytes)) + state.givenBytes + state.inMemoryBytes
            + state.pendingBytes
    }

    // MARK: Appending

    /// Adds events of messages, or ends them. They are committed within 50 ms.
    package func append(_ chunks: [OutboxChunk]) {
        guard !chunks.isEmpty else { return }
        let isFirst = state.withLock { state in
            let wasEmpty = state.pending.isEmpty
            if state.cap > state.options.maxBytes {
                state.cap = max(state.options.maxBytes, min(state.cap, OutboxQueue.bytes(state)))
            }
            for chunk in chunks { OutboxQueue.append(chunk, &state) }
            return wasEmpty && !state.pending.isEmpty && !state.isClosed
        }
        if isFirst { exchange.signal() }
    }

    private static func append(_ chunk: OutboxChunk, _ state: inout State) {
        switch state.lanes[chunk.lane] {
        case .dropping(let events)?:
            guard chunk.isLast else {
                state.lanes[chunk.lane] = .dropping(events: events + chunk.events)
                return
            }
            state.lanes[chunk.lane] = nil
            drop(events: events + chunk.events, &state)
        case .open?:
            // A message that was begun is finished: it is bounded by its number of events.
            keep(chunk, &state)
        case nil:
            guard isFull(state) else { return keep(chunk, &state) }
            if chunk.isLast {
                drop(events: chunk.events, &state)
            } else {
                state.lanes[chunk.lane] = .dropping(events: chunk.events)
            }
        }
    }

    /// Whether a new message is not kept: the cap is for it, or the disk does not take what waits for it.
    private static func isFull(_ state: State) -> Bool {
        if state.pendingBytes > OutboxOptions.mostInMemory { return true }
        return state.options.whenFull == .dropNewest && bytes(state) >= state.cap
    }

    private static func keep(_ chunk: OutboxChunk, _ state: inout State) {
        state.pendingBytes += chunk.size
        state.pendingEvents += chunk.events
        if chunk.isLast {
            state.pendingMessages += 1
            state.counts.appended += 1
        }
        state.lanes[chunk.lane] = chunk.isLast ? nil : .open
        if let place = state.growing[chunk.lane], case .chunk(var grown) = state.pending[place] {
            // Taken out first, so that its bytes are not copied.
            state.pending[place] = .dropped(messages: 0, events: 0)
            grown.append(chunk)
            state.pending[place] = .chunk(grown)
            if chunk.isLast { state.growing[chunk.lane] = nil }
            return
        }
        if !chunk.isLast { state.growing[chunk.lane] = state.pending.count }
        state.pending.append(.chunk(chunk))
    }

    private static func drop(events: Int, _ state: inout State) {
        state.counts.droppedMessages += 1
        state.counts.droppedEvents += UInt64(clamping: events)
        // While the disk hangs they would pile up, one for each.
        if case .dropped(let messages, let others)? = state.pending.last, messages > 0 {
            state.pending[state.pending.count - 1] = .dropped(messages: messages + 1, events: others + events)
        } else {
            state.pending.append(.dropped(messages: 1, events: events))
        }
    }
}
