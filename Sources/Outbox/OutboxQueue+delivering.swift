import DequeModule
import Synchronization

extension OutboxQueue {
    private enum Step {
        case give(OutboxMessage)
        case nothing
        case read(after: Int64, through: Int64, disk: Int)
    }

    /// How much is read from the disk at once.
    private static let readMessages = 256
    private static let readBytes = 1 << 20
    /// Bytes of what is on its way, beyond which no further message is given.
    private static let mostGivenBytes = 32 << 20

    /// The next message that is to be sent; nil when there is none now, or so many are on their way.
    package func next() -> OutboxMessage? {
        while true {
            let step = state.withLock { state in
                let step = nextStep(&state)
                // Before the disk is asked, which may have nothing.
                if case .give = step { state.isDry = false } else { state.isDry = true }
                return step
            }
            switch step {
            case .give(let message): return message
            case .nothing: return nil
            case .read(let row, let last, let disk):
                let messages = exchange.read(
                    agent, after: row, through: last, OutboxQueue.readMessages, OutboxQueue.readBytes)
                guard let messages else { return nil }
                state.withLock { state in
                    // Another one meanwhile: what was read is of the one that was lost.
                    guard state.disk == disk else { return }
                    state.fromDisk = Deque(messages)
                    if messages.isEmpty { state.nothingUntil = max(state.nothingUntil, last) }
                }
            }
        }
    }

    private func nextStep(_ state: inout State) -> Step {
        guard !state.isClosed else { return .nothing }
        // What is to be repeated was counted already. Behind a message whose cut is not recorded nothing goes.
        if state.toSend > 0 || state.isHeld,
            let place = state.given.firstIndex(where: { $0.progress == .toSend || $0.progress == .held })
        {
            return state.given[place].progress == .toSend ? .give(send(place, &state)) : .nothing
        }
        guard state.given.count + state.unrecorded < OutboxQueue.window,
            state.givenBytes < OutboxQueue.mostGivenBytes
        else { return .nothing }
        let start = state.startRow
        while let first = state.fromDisk.first, first.mark.row <= start { state.fromDisk.removeFirst() }
        while let first = state.tail.first, first.isDurable, first.mark.row <= start {
            state.tail.removeFirst()
            state.tailBytes -= first.content.size
            state.tailFloor = max(state.tailFloor, first.mark.row)
        }
        if let message = state.fromDisk.popFirst() { return .give(give(message, &state)) }
        if start < state.tailFloor { return .read(after: start, through: state.tailFloor, disk: state.disk) }
        guard let message = state.tail.popFirst() else { return .nothing }
        state.tailBytes -= message.content.size
        if message.isDurable {
            state.tailFloor = max(state.tailFloor, message.mark.row)
        } else {
            state.inMemoryOnly -= 1
            state.inMemoryEvents -= message.events
            state.inMemoryBytes -= message.content.size
        }
        return .give(give(message, &state))
    }

    private func send(_ place: Int, _ state: inout State) -> OutboxMessage {
        state.given[place].progress = .sent
        state.toSend -= 1
        let given = state.given[place]
        return OutboxMessage(
            ticket: given.ticket,
            epoch: given.message.epochText ?? exchange.epochText(given.message.sequence.epoch),
            sequence: given.message.sequence.number, offset: given.offset, events: given.events, gap: given.gap,
            topic: given.message.topic, content: given.content)
    }

    private func give(_ message: StoredMessage, _ state: inout State) -> OutboxMessage {
        var gap = OutboxQueue.gap(before: message, &state)
        if let untold = state.untoldGap, !message.isAgain, untold.epoch == message.sequence.epoch,
            untold.text == message.epochText, untold.range.upperBound < message.sequence.number,
            gap.map({ $0.lowerBound == untold.range.upperBound + 1 }) ?? true
        {
            // No more than was dropped: others may have gone between the one that was to say so and this one.
            gap = untold.range.lowerBound...(gap?.upperBound ?? untold.range.upperBound)
            state.untoldGap = nil
        }
        if message.isDurable { state.read = message.mark }
        let place = state.given.count
        let parts = OutboxQueue.parts(of: message, from: message.offset, events: message.events, message.content)
        enqueue(parts, of: message, gap: gap, isLast: true, progress: .toSend, at: place, &state)
        return send(place, &state)
    }

    private static func gap(before message: StoredMessage, _ state: inout State) -> ClosedRange<UInt64>? {
        let number = message.sequence.number
        guard !message.isAgain else {
            return message.gap > 0 && message.gap < number ? number - message.gap...number - 1 : nil
        }
        let last: UInt64
        if message.epochText != nil {
            last = state.announcedInMemory
            state.announcedInMemory = number
        } else {
            last = state.announced.epoch == message.sequence.epoch ? state.announced.number : 0
            state.announced = message.sequence
        }
        return number > last && number - last > 1 ? last + 1...number - 1 : nil
    }

    private struct Part {
        var offset: Int
        var events: Int
        var content: OutboxContent
    }

    /// The parts into which a message, or a part of one, was cut.
    private static func parts(of message: StoredMessage, from offset: Int, events: Int, _ content: OutboxContent)
        -> [Part]
    {
        let whole = [Part(offset: offset, events: events, content: content)]
        guard !message.parts.isEmpty else { return whole }
        let cuts = message.parts.filter { $0 > offset && $0 < offset + events }.sorted()
        guard !cuts.isEmpty, let split = MessageSplit(content, events: events) else { return whole }
        let bounds = [offset] + cuts + [offset + events]
        return zip(bounds, bounds.dropFirst()).map { first, next in
            Part(
                offset: first, events: next - first,
                content: split.content(first - offset..<next - offset))
        }
    }

    private func enqueue(
        _ parts: [Part], of message: StoredMessage, gap: ClosedRange<UInt64>?, isLast: Bool, progress: Given.Progress,
        at place: Int, _ state: inout State
    ) {
        for (index, part) in parts.enumerated() {
            let given = Given(
                ticket: state.nextTicket,
                part: Given.Part(
                    of: message, gap: index == 0 ? gap : nil, offset: part.offset, events: part.events,
                    content: part.content, isLast: isLast && index == parts.count - 1),
                progress: progress)
            state.nextTicket += 1
            state.given.insert(given, at: place + index)
            state.givenBytes += part.content.size
            if progress == .toSend { state.toSend += 1 }
        }
    }

    /// The peer has taken this message. Acknowledgements may come in any order.
    package func acknowledge(_ ticket: UInt64) { acknowledge([ticket]) }

    /// The peer has taken these messages: the cursor is noted once for all.
    package func acknowledge(_ tickets: [UInt64]) {
        let isUrgent = state.withLock { state in
            var next = 0
            for ticket in tickets {
                // Mostly the one behind the last.
                let isNext = next < state.given.count && state.given[next].ticket == ticket
                guard let place = isNext ? next : state.given.firstIndex(where: { $0.ticket == ticket }),
                    state.given[place].progress == .sent
                else { continue }
                state.given[place].progress = .done
                state.counts.acknowledged += 1
                next = place + 1
            }
            return settle(&state)
        }
        if isUrgent { exchange.signal() }
    }

    /// The peer will never take this message: it is kept with the reason, and the queue moves on.
    package func setAside(_ ticket: UInt64, reason: String) {
        let isUrgent = state.withLock { state in
            guard let place = state.given.firstIndex(where: { $0.ticket == ticket }),
                state.given[place].progress != .done
            else { return false }
            if state.given[place].progress == .toSend { state.toSend -= 1 }
            state.given[place].progress = .done
            state.counts.setAside += 1
            let given = state.given[place]
            // Whoever comes next says it, this message included.
            if let gap = given.gap {
                let last = max(gap.upperBound, given.message.sequence.number)
                let (epoch, text) = (given.message.sequence.epoch, given.message.epochText)
                let earlier = state.untoldGap.flatMap { $0.epoch == epoch && $0.text == text ? $0.range : nil }
                state.untoldGap = (epoch, text, min(gap.lowerBound, earlier?.lowerBound ?? .max)...last)
            }
            state.letters.append(
                DeadLetter(
                    number: 0, agent: 0, sequence: given.message.sequence, offset: given.offset, events: given.events,
                    time: given.message.time, setAside: WallClock.milliseconds, reason: reason,
                    topic: given.message.topic, content: given.content, epochText: given.message.epochText))
            _ = settle(&state)
            return true
        }
        if isUrgent { exchange.signal() }
    }

    /// Moves the cursor over what is done. True when the outbox's thread is to hear of it.
    private func settle(_ state: inout State) -> Bool {
        let (wasNew, wasUrgent) = (state.isCursorNew, state.isRecordUrgent)
        while let first = state.given.first, first.progress == .done {
            state.given.removeFirst()
            state.givenBytes -= first.content.size
            guard first.message.isDurable else { continue }
            state.unrecorded += 1
            state.isCursorNew = true
            guard first.isLast else { continue }
            state.cursor.mark = first.message.mark
            if !first.message.isAgain { state.cursor.sequence = first.message.sequence }
        }
        // What was dropped is counted, and dead letters are kept, in the same commit as the cursor that passes them.
        if state.given.isEmpty, state.floor.row > state.cursor.mark.row {
            state.cursor.mark = state.floor
            state.isCursorNew = true
        } else if state.unrecorded > 0, state.letters.isEmpty, state.lettersUnderway == 0,
            let cursors = state.cursors,
            cursors.file.write(state.cursor, of: cursors.agent)
        {
            state.unrecorded = 0
        }
        return state.isRecordUrgent && !wasUrgent || state.isCursorNew && !wasNew
    }

    /// The message is too large for the peer: it goes in parts from now on, each with the message's sequence and its own
    /// offset. The cut is recorded before the first of them is given, so that a retry repeats it.
    ///
    /// - Parameter bytes: the most that the payload of a part may have.
    /// - Returns: false where it cannot be cut; then it was not changed.
    package func split(_ ticket: UInt64, bytes: Int) -> Bool {
        let isSplit = state.withLock { state in
            guard let place = state.given.firstIndex(where: { $0.ticket == ticket }) else { return false }
            let given = state.given[place]
            guard given.progress != .done, let split = MessageSplit(given.content, events: given.events),
                let cuts = split.cuts(bytes: bytes)
            else { return false }
            var message = given.message
            message.parts = (message.parts + cuts.map { given.offset + $0 }).sorted()
            state.counts.split += 1
            // Of messages that are in memory only several have one mark.
            for other in state.given.indices
            where state.given[other].message.mark.row == message.mark.row
                && state.given[other].message.sequence == message.sequence
                && state.given[other].message.epochText == message.epochText
            {
                state.given[other].message.parts = message.parts
            }
            let parts = OutboxQueue.parts(of: message, from: given.offset, events: given.events, given.content)
            if given.progress == .toSend { state.toSend -= 1 }
            state.given.remove(at: place)
            state.givenBytes -= given.content.size
            enqueue(
                parts, of: message, gap: given.gap, isLast: given.isLast, progress: message.isDurable ? .held : .toSend,
                at: place, &state)
            if message.isDurable {
                state.cuts.append((message.mark.row, message.parts))
                state.isHeld = true
            }
            return true
        }
        if isSplit { exchange.signal() }
        return isSplit
    }

    /// What was given is not sent now: it is given again, behind what comes before it.
    package func takeBack(_ ticket: UInt64) {
        state.withLock { state in
            guard let place = state.given.firstIndex(where: { $0.ticket == ticket }),
                state.given[place].progress == .sent
            else { return }
            state.given[place].progress = .toSend
            state.toSend += 1
        }
    }

    /// The connection is gone: what was given and not acknowledged is given again.
    package func rewind() {
        state.withLock { state in
            for place in state.given.indices where state.given[place].progress == .sent {
                state.given[place].progress = .toSend
                state.toSend += 1
            }
        }
    }
}
