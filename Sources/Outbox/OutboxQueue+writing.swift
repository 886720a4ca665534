import DequeModule
import Synchronization

/// What the outbox's thread does with a queue.
extension OutboxQueue {
    /// What goes into a commit.
    struct Taken {
        var options: OutboxOptions
        var pending: [Pending] = []
        var pendingBytes = 0
        var pendingMessages = 0
        var pendingEvents = 0
        var cursor: OutboxCursor?
        var unrecorded = 0
        var letters: [DeadLetter] = []
        var cuts: [(row: Int64, parts: [Int])] = []

        var isEmpty: Bool { pending.isEmpty && cursor == nil && letters.isEmpty && cuts.isEmpty }
    }

    var options: OutboxOptions { state.withLock { $0.options } }

    /// What there is for a commit.
    var wants: (rows: Bool, cursor: Bool, isUrgent: Bool) {
        state.withLock { state in
            (
                !state.pending.isEmpty, state.isCursorNew,
                !state.letters.isEmpty || !state.cuts.isEmpty || state.isRecordUrgent
            )
        }
    }

    func take(rows: Bool) -> Taken {
        state.withLock { state in
            var taken = Taken(options: state.options)
            if rows {
                taken.pending = state.pending
                taken.pendingBytes = state.pendingBytes
                taken.pendingMessages = state.pendingMessages
                taken.pendingEvents = state.pendingEvents
                state.pending = []
                state.growing = [:]
            }
            if state.isCursorNew {
                taken.cursor = state.cursor
                taken.unrecorded = state.unrecorded
                state.isCursorNew = false
            }
            taken.letters = state.letters
            taken.cuts = state.cuts
            state.lettersUnderway += state.letters.count
            state.letters = []
            state.cuts = []
            return taken
        }
    }

    /// Back to where it came from: in front of what came since.
    func putBack(_ taken: Taken) {
        state.withLock { state in
            let shift = taken.pending.count
            state.pending.insert(contentsOf: taken.pending, at: 0)
            // What was taken grows no more: what came since may be of the next message.
            state.growing = state.growing.mapValues { $0 + shift }
            if taken.cursor != nil { state.isCursorNew = true }
            // A cursor that cannot be recorded must not hold up what the peer takes.
            state.unrecorded = 0
            state.lettersUnderway -= taken.letters.count
            state.letters = taken.letters + state.letters
            state.cuts = taken.cuts + state.cuts
        }
    }

    /// The commit is on the disk: what it holds may be given.
    ///
    /// - Parameters:
    ///   - end: of the agent's rows.
    ///   - messages: those that ended in it, nil for one that only the disk has.
    func finish(_ taken: Taken, end: OutboxMark, messages: [StoredMessage?], inMemory: [StoredMessage]) {
        let wake = state.withLock { state in
            state.pendingBytes -= taken.pendingBytes
            state.pendingMessages -= taken.pendingMessages
            state.pendingEvents -= taken.pendingEvents
            state.unrecorded = max(0, state.unrecorded - taken.unrecorded)
            state.lettersUnderway -= taken.letters.count
            state.end = end
            for message in messages {
                if let message { keep(message, &state) } else { forgetTail(through: end.row, &state) }
            }
            for message in inMemory { keep(message, &state) }
            free(taken.cuts, &state)
            defer { state.isDry = false }
            return state.isDry ? state.wake : nil
        }
        wake?()
    }

    /// Most of what the newest messages take in memory, where the disk has them as well.
    private static let tailBytes = 8 << 20

    private func keep(_ message: StoredMessage, _ state: inout State) {
        if !message.isDurable {
            state.inMemoryOnly += 1
            state.inMemoryEvents += message.events
            state.inMemoryBytes += message.content.size
        }
        state.tail.append(message)
        state.tailBytes += message.content.size
        let most = message.isDurable ? OutboxQueue.tailBytes : min(state.options.maxBytes, OutboxOptions.mostInMemory)
        while state.tailBytes > most, state.tail.count > 1, let first = state.tail.popFirst() {
            state.tailBytes -= first.content.size
            guard !first.isDurable else {
                state.tailFloor = max(state.tailFloor, first.mark.row)
                continue
            }
            state.inMemoryOnly -= 1
            state.inMemoryEvents -= first.events
            state.inMemoryBytes -= first.content.size
            forget(first, &state)
        }
    }

    private func forget(_ message: StoredMessage, _ state: inout State) {
        state.counts.droppedMessages += 1
        state.counts.droppedEvents += UInt64(message.events)
        state.droppedInMemory.messages += 1
        state.droppedInMemory.events += message.events
    }

    /// What was dropped from memory since it was last asked.
    func takeDroppedInMemory() -> (messages: Int, events: Int) {
        state.withLock { state in
            defer { state.droppedInMemory = (0, 0) }
            return state.droppedInMemory
        }
    }

    /// Drops what is in memory only and too old; the newest stays.
    func dropInMemory(olderThan age: Int64) {
        state.withLock { state in
            while state.tail.count > 1, let first = state.tail.first, !first.isDurable, first.age < age {
                state.tail.removeFirst()
                state.tailBytes -= first.content.size
                state.inMemoryOnly -= 1
                state.inMemoryEvents -= first.events
                state.inMemoryBytes -= first.content.size
                forget(first, &state)
            }
        }
    }

    /// The messages in memory only that were not given yet, for the disk to take them over; and up to which of them the
    /// receiver needs no word of a gap.
    func takeInMemory() -> (messages: [StoredMessage], announced: UInt64) {
        state.withLock { state in
            let messages = Array(state.tail.filter { !$0.isDurable })
            let rest = state.tail.filter(\.isDurable)
            state.tail = Deque(rest)
            state.tailBytes = rest.reduce(0) { $0 + $1.content.size }
            state.inMemoryOnly = 0
            state.inMemoryEvents = 0
            state.inMemoryBytes = 0
            let announced = state.announcedInMemory
            if let last = messages.last(where: { !$0.isAgain }) { state.announcedInMemory = last.sequence.number }
            return (messages, announced)
        }
    }

    /// What was dropped behind the last message in memory is told otherwise.
    ///
    /// - Returns: how many.
    func tellInMemory(through sequence: UInt64) -> UInt64 {
        state.withLock { state in
            guard sequence > state.announcedInMemory else { return 0 }
            defer { state.announcedInMemory = sequence }
            return sequence - state.announcedInMemory
        }
    }

    /// The disk alone has what ends there.
    private func forgetTail(through row: Int64, _ state: inout State) {
        let stays = state.tail.filter { !$0.isDurable }
        state.tail = Deque(stays)
        state.tailBytes = stays.reduce(0) { $0 + $1.content.size }
        state.tailFloor = max(state.tailFloor, row)
    }

    private func free(_ cuts: [(row: Int64, parts: [Int])], _ state: inout State) {
        for cut in cuts {
            for place in state.given.indices
            where state.given[place].message.mark.row == cut.row && state.given[place].progress == .held {
                state.given[place].progress = .toSend
                state.toSend += 1
            }
        }
        state.isHeld = state.given.contains { $0.progress == .held }
    }

    // MARK: Dropping

    /// Whether more waits than may.
    var isOver: Bool {
        state.withLock { $0.options.whenFull == .dropOldest && OutboxQueue.bytes($0) > $0.cap }
    }

    /// A little below the cap, so that not every commit drops.
    var dropTarget: Int { state.withLock { $0.cap - $0.options.maxBytes / 64 } }

    /// What waits when an agent begins stays, even where `max-bytes` is smaller than it was; no more is kept, and the cap
    /// falls with it.
    ///
    /// - Returns: bytes that wait, where they are more than may.
    func keepWhatWaits() -> Int? {
        state.withLock { state in
            let waiting = OutboxQueue.bytes(state)
            guard waiting > state.options.maxBytes else { return nil }
            state.cap = waiting
            return waiting
        }
    }

    var dropStart: (OutboxMark, waiting: Int) { state.withLock { ($0.start, OutboxQueue.bytes($0)) } }

    /// Nothing up to there is given any more, but for what is on its way.
    ///
    /// - Returns: what that drops, nil when all of it was given meanwhile.
    func raise(floor: OutboxMark) -> (messages: Int64, events: Int64, rows: ClosedRange<Int64>)? {
        state.withLock { state in
            let start = state.start
            guard floor.row > start.row else { return nil }
            state.floor = floor
            let messages = floor.messages - start.messages
            let events = floor.events - start.events
            state.counts.droppedMessages += UInt64(clamping: messages)
            state.counts.droppedEvents += UInt64(clamping: events)
            if state.given.isEmpty {
                state.cursor.mark = floor
                state.isCursorNew = true
            }
            return (messages, events, start.row + 1...floor.row)
        }
    }

    /// Nothing of what waits is given any more.
    ///
    /// - Returns: what of it was on the disk.
    func forget(through end: OutboxMark) -> (messages: Int64, events: Int64) {
        let dropped = raise(floor: end)
        let isOnDisk = dropped != nil
        state.withLock { state in
            let dropped = state.inMemoryOnly
            state.counts.droppedMessages += UInt64(dropped)
            state.counts.droppedEvents += UInt64(state.inMemoryEvents)
            state.droppedInMemory.messages += dropped
            state.droppedInMemory.events += state.inMemoryEvents
            state.tail = []
            state.tailBytes = 0
            state.tailFloor = max(state.tailFloor, end.row)
            state.inMemoryOnly = 0
            state.inMemoryEvents = 0
            state.inMemoryBytes = 0
            if isOnDisk { state.fromDisk = [] }
        }
        return (dropped?.messages ?? 0, dropped?.events ?? 0)
    }

    // MARK: Beginning and ending

    /// Dead letters that cannot be written now, up to a number.
    func keep(_ letters: [DeadLetter]) {
        state.withLock { state in
            state.lettersUnderway -= letters.count
            state.letters = Array((letters + state.letters).prefix(OutboxQueue.lettersInMemory))
        }
    }

    private static let lettersInMemory = 1000

    /// The disk can be written again, and is the one it was: what is only there may be read.
    func rejoin(end: OutboxMark, cursors: (CursorFile, Int64)?) {
        let wake = state.withLock { state in
            state.end = end
            state.cursors = cursors
            state.tailFloor = end.row
            return state.wake
        }
        wake?()
    }

    /// The disk has lost what came behind a row, with 0 all: what is in memory of that goes on from there.
    func leaveDisk(after row: Int64, epoch: (Int64) -> String) {
        let wake = state.withLock { state in
            func keep(_ message: StoredMessage) -> StoredMessage {
                var message = message
                guard message.isDurable, message.mark.row > row else { return message }
                message.isDurable = false
                message.epochText = epoch(message.sequence.epoch)
                // Of another count than what is in memory only.
                message.isAgain = true
                return message
            }
            for place in state.given.indices { state.given[place].message = keep(state.given[place].message) }
            let start = max(state.startRow, row)
            let read = state.fromDisk.filter { $0.mark.row > start }.map(keep)
            let known = read.last?.mark.row ?? start
            let newest = state.tail.filter { !$0.isDurable || $0.mark.row > known }.map(keep)
            state.fromDisk = []
            state.tail = Deque(read + newest)
            state.tailBytes = state.tail.reduce(0) { $0 + $1.content.size }
            state.tailFloor = min(state.tailFloor, row)
            state.inMemoryOnly = state.tail.count
            state.inMemoryEvents = state.tail.reduce(0) { $0 + $1.events }
            state.inMemoryBytes = state.tailBytes
            state.unrecorded = 0
            state.cursors = nil
            state.letters = state.letters.map { letter in
                var letter = letter
                letter.epochText = letter.epochText ?? epoch(letter.sequence.epoch)
                return letter
            }
            state.cuts = state.cuts.filter { $0.row <= row }
            for place in state.given.indices
            where state.given[place].progress == .held && state.given[place].message.mark.row > row {
                state.given[place].progress = .toSend
                state.toSend += 1
            }
            state.isHeld = state.given.contains { $0.progress == .held }
            return state.wake
        }
        wake?()
    }

    /// The disk is the one it was, but for what came behind a row.
    func goOn(through end: OutboxMark) {
        state.withLock { state in
            func atMost(_ mark: OutboxMark) -> OutboxMark { mark.row > end.row ? end : mark }
            state.read = atMost(state.read)
            state.floor = atMost(state.floor)
            state.cursor.mark = atMost(state.cursor.mark)
            state.nothingUntil = 0
            state.disk += 1
            state.fromDisk = []
        }
    }

    /// Where the disk says that it stands.
    func begin(cursor: OutboxCursor, end: OutboxMark, cursors: (CursorFile, Int64)?) {
        state.withLock { state in
            state.cursor = cursor
            state.cursors = cursors
            state.announced = cursor.sequence
            state.read = cursor.mark
            state.floor = OutboxMark()
            state.end = end
            state.nothingUntil = 0
            state.disk += 1
            state.fromDisk = []
            state.tailFloor = end.row
            state.isCursorNew = false
        }
    }

    /// What is in memory only, of an earlier queue of this agent or because the disk does not take it over.
    func take(inMemory messages: [StoredMessage], sequence: UInt64) {
        let wake = state.withLock { state in
            state.announcedInMemory = sequence
            for message in messages { keep(message, &state) }
            return state.wake
        }
        wake?()
    }

    /// Ends it for whoever still holds it, and gives what is in memory only; and up to which of that the receiver needs no word
    /// of a gap.
    func close() -> (messages: [StoredMessage], announced: UInt64) {
        state.withLock { state in
            state.isClosed = true
            var waiting: [StoredMessage] = []
            // A message in parts is one.
            for given in state.given where given.progress != .done && !given.message.isDurable {
                let last = waiting.last
                guard last?.sequence != given.message.sequence || last?.epochText != given.message.epochText else {
                    continue
                }
                var message = given.message
                if !message.isAgain {
                    // What it told when it was given, it tells again; others beside it may have been taken.
                    message.isAgain = true
                    message.gap = UInt64(given.gap?.count ?? 0)
                }
                waiting.append(message)
            }
            return (waiting + state.tail.filter { !$0.isDurable }, state.announcedInMemory)
        }
    }

    func nudge() {
        let wake = state.withLock { $0.wake }
        wake?()
    }
}
