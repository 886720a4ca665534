/// What the outbox's thread knows of one agent.
struct OutboxLedger {
    /// A message that is not ended yet.
    struct OpenLane {
        let first: Int64
        var events: Int
        /// nil when they are too many to hold; the disk has them.
        var chunks: [[UInt8]]?
        var bytes: Int
        var trims: [OutboxChunk.Trim]
        /// Whether its chunks are on the disk.
        var isStored: Bool
        /// What of it was on the disk, and is there for nothing.
        var counted = StoredMessage.Counted()
        // What its last chunk said.
        var topic: String?
        var head: [UInt8] = []
        var tail: [UInt8] = []
        var time: Int64 = 0

        mutating func note(_ chunk: OutboxChunk) {
            events += chunk.events
            bytes += chunk.bytes.count
            if chunk.events > 0 { trims = chunk.trims }
            (topic, head, tail, time) = (chunk.topic, chunk.head, chunk.tail, chunk.time)
        }
    }

    /// The most that is held in memory of one message that grows.
    static let mostOpenBytes = 1 << 20

    /// What an agent that ended left in memory.
    struct Left {
        var messages: [StoredMessage] = []
        var announced: UInt64 = 0
    }

    var record: AgentRecord
    var left = Left()
    /// nil: no agent of the configuration has this name.
    var queue: OutboxQueue?
    /// The last row, and what came with all.
    var end = OutboxMark()
    /// The last row that the disk had when it was opened.
    var opened = OutboxMark()
    var lanes: [Int: OpenLane] = [:]
    /// Lanes whose message goes on although what it began with went another way, or is lost.
    var cutLanes: Set<Int> = []
    /// Rows that are not needed any more, the oldest first.
    var deletable: [ClosedRange<Int64>] = []
    /// Chunks whose message went another way.
    var orphans: [(rows: ClosedRange<Int64>, lane: Int)] = []
    /// Up to here the cursor's rows are deleted, or in `deletable`.
    var deletedThrough: Int64 = 0
    var sequenceInMemory: UInt64 = 0
    var isDropping = false
    var meter = RateMeter()
    /// Of what waits.
    var growth = RateMeter()
    var letters = 0
    var letterBytes = 0
    /// Of what waits, to see whether it grows.
    var lastBytes = 0

    /// A row for what was appended.
    ///
    /// - Returns: the row, and the message if one ends with it; nil where there is nothing left to be kept.
    mutating func row(for next: OutboxChunk, age: Int64) -> (StoredRow, StoredMessage?)? {
        guard let chunk = goingOn(next) else { return nil }
        end.row += 1
        end.bytes += Int64(chunk.size)
        end.events += Int64(chunk.events)
        var lane =
            lanes.removeValue(forKey: chunk.lane)
            ?? OpenLane(first: end.row, events: 0, chunks: [], bytes: 0, trims: [], isStored: true)
        lane.note(chunk)
        lane.chunks?.append(chunk.bytes)
        var row = StoredRow(
            mark: end, lane: chunk.lane, first: lane.first, sequence: nil, events: chunk.events, time: chunk.time,
            age: age, topic: chunk.topic, head: chunk.head, tail: chunk.tail, trims: lane.trims, bytes: chunk.bytes)
        guard chunk.isLast else {
            if lane.bytes > OutboxLedger.mostOpenBytes { lane.chunks = nil }
            lanes[chunk.lane] = lane
            return (row, nil)
        }
        end.messages += 1
        row.mark = end
        row.sequence = record.next
        row.events = lane.events
        record.next.number += 1
        let message = lane.chunks.map { chunks in
            StoredMessage(
                mark: end, sequence: row.sequence ?? record.next, offset: 0, isAgain: false, events: lane.events,
                time: chunk.time, age: age, topic: chunk.topic, parts: [],
                content: OutboxContent(head: chunk.head, tail: chunk.tail, chunks: chunks, trims: lane.trims))
        }
        return (row, message)
    }

    /// The same where the disk is not to be had: the message if one ends with the chunk.
    mutating func message(inMemory next: OutboxChunk, epoch: String, age: Int64) -> StoredMessage? {
        if let lane = lanes[next.lane], lane.isStored {
            leaveDisk(lane: next.lane, after: end.row)
            lanes[next.lane]?.counted = StoredMessage.Counted(events: lane.events, bytes: lane.bytes)
        }
        guard let chunk = goingOn(next) else { return nil }
        var lane =
            lanes.removeValue(forKey: chunk.lane)
            ?? OpenLane(first: end.row + 1, events: 0, chunks: [], bytes: 0, trims: [], isStored: false)
        lane.note(chunk)
        lane.chunks = (lane.chunks ?? []) + [chunk.bytes]
        guard chunk.isLast else {
            lanes[chunk.lane] = lane
            return nil
        }
        sequenceInMemory += 1
        return StoredMessage(
            mark: end, sequence: OutboxSequence(epoch: 0, number: sequenceInMemory), offset: 0, isAgain: false,
            events: lane.events, time: chunk.time, age: age, topic: chunk.topic, parts: [],
            content: OutboxContent(
                head: chunk.head, tail: chunk.tail, chunks: lane.chunks ?? [], trims: lane.trims),
            isDurable: false, epochText: epoch, counted: lane.counted)
    }

    /// The first of a message that is begun anew in its middle.
    private mutating func goingOn(_ chunk: OutboxChunk) -> OutboxChunk? {
        guard !cutLanes.isEmpty, cutLanes.contains(chunk.lane) else { return chunk }
        // Its end alone is no message.
        guard chunk.events > 0 else {
            if chunk.isLast { cutLanes.remove(chunk.lane) }
            return nil
        }
        cutLanes.remove(chunk.lane)
        var chunk = chunk
        // It stood between two events, and there is none before now.
        if chunk.bytes.first == 0x2C { chunk.bytes.removeFirst() }
        return chunk
    }

    /// The disk has lost what came behind a row; with 0 there is another one, or none.
    mutating func leaveDisk(after row: Int64) {
        for (number, lane) in lanes where lane.isStored { leaveDisk(lane: number, after: row) }
        orphans = orphans.filter { $0.rows.lowerBound <= row }
    }

    /// What is in memory of a message that grows goes on there; else what the disk has of it becomes a message of its own
    /// when it can be written again, and the next chunk begins another.
    private mutating func leaveDisk(lane number: Int, after row: Int64) {
        guard var lane = lanes.removeValue(forKey: number) else { return }
        guard lane.chunks != nil else {
            cutLanes.insert(number)
            return
        }
        if lane.first <= row { orphans.append((lane.first...row, number)) }
        lane.isStored = false
        lanes[number] = lane
    }

    // MARK: Deleting

    var deletableRows: Int64 { deletable.reduce(0) { $0 + Int64($1.count) } }
    /// About.
    var deletableBytes: Int64 { deletableRows * meanRow }
    private var meanRow: Int64 { max(1, end.bytes / max(1, end.row)) }

    /// What the cursor has passed is not needed any more.
    mutating func delete(through cursor: Int64) {
        guard cursor > deletedThrough else { return }
        delete(deletedThrough + 1...cursor)
        deletedThrough = cursor
    }

    mutating func delete(_ rows: ClosedRange<Int64>) {
        if let last = deletable.last, last.upperBound + 1 == rows.lowerBound {
            deletable[deletable.count - 1] = last.lowerBound...rows.upperBound
        } else {
            deletable.append(rows)
        }
    }

    private static let mostSliceRows: Int64 = 2000
    /// A row that is larger than a page is read to be deleted, and meanwhile nothing is committed.
    private static let sliceBytes: Int64 = 16 << 20

    /// How many rows are deleted at once.
    private var sliceRows: Int64 { min(OutboxLedger.mostSliceRows, max(16, OutboxLedger.sliceBytes / meanRow)) }

    /// Rows that are to be deleted now.
    mutating func nextSlice() -> ClosedRange<Int64>? {
        guard let first = deletable.first else { return nil }
        let slice = first.lowerBound...min(first.upperBound, first.lowerBound + sliceRows - 1)
        if slice.upperBound == first.upperBound {
            deletable.removeFirst()
        } else {
            deletable[0] = slice.upperBound + 1...first.upperBound
        }
        return slice
    }

    /// The row from which on there may be chunks without a message.
    var openFrom: Int64 { lanes.values.lazy.filter(\.isStored).map(\.first).min() ?? end.row + 1 }
}

/// How fast something comes: bytes a second, over the last half minute or so.
struct RateMeter {
    private var total = 0.0
    private(set) var rate = 0.0
    private var last = ContinuousClock.now

    mutating func add(_ bytes: Int) { total += Double(bytes) }

    /// To be called about once a second.
    mutating func tick() {
        let now = ContinuousClock.now
        let seconds = last.duration(to: now) / .seconds(1)
        guard seconds > 0.2 else { return }
        let weight = min(1, seconds / 30)
        rate += (total / seconds - rate) * weight
        total = 0
        last = now
    }
}
