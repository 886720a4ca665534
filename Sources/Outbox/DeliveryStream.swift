/// What a receiver has of one agent's one epoch, as it adds up line by line.
///
/// Pure, and of bounded size: sequences are kept as runs of neighbours.
struct DeliveryStream: Sendable {
    struct Key: Sendable, Hashable {
        let gateway: String
        let agent: String
        let epoch: String
    }

    /// What is kept at most of one kind; no record of a gateway comes near.
    struct Limits: Sendable {
        var runs = 1 << 20
        var parts = 1 << 20
        var ranges = 1 << 20
    }

    private let limits: Limits
    /// Each sequence whose first event came, with the number of events that have come without a hole from there on.
    private var runs: SequenceRuns
    /// Parts that came before what is in front of them, by sequence: offset and events.
    private var early: [UInt64: [UInt32: UInt32]] = [:]
    private var earlyParts = 0
    private var announced = SequenceRanges()
    private var largest: (sequence: UInt64, offset: UInt32)?
    private var lines = 0
    private var events: UInt64 = 0
    private var duplicated = 0
    private var reordered = 0

    init(limits: Limits) {
        self.limits = limits
        runs = SequenceRuns(most: limits.runs)
    }

    /// - Throws: when it would grow beyond its limits.
    mutating func add(_ line: RecordedLine) throws(RecordedLine.Flaw) {
        lines += 1
        if let gap = line.gap { announced.insert(gap) }
        guard take(line) else {
            duplicated += 1
            return
        }
        if let largest, (line.sequence, line.offset) < largest {
            reordered += 1
        } else {
            largest = (line.sequence, line.offset)
        }
        guard !runs.isOverfull, earlyParts <= limits.parts, announced.ranges.count <= limits.ranges else {
            throw RecordedLine.Flaw(reason: "its sequences have too many holes to be looked after")
        }
    }

    /// - Returns: false when nothing of it is new.
    private mutating func take(_ line: RecordedLine) -> Bool {
        let known = runs.events(of: line.sequence)
        guard let number = line.events else {
            // Without numbers of events a part cannot be held against the one before it, only against itself.
            return line.offset == 0 ? begin(line.sequence, known) : keep(line, 0)
        }
        let end = line.offset + number
        if known == SequenceRuns.unknown {
            return line.offset == 0 ? false : keep(line, number)
        }
        if line.offset > known ?? 0 { return keep(line, number) }
        if let known, end <= known { return false }
        // Only its end is new where its beginning came with another cut.
        let isNew = known.map { line.offset >= $0 } ?? true
        events += UInt64(end - (known ?? 0))
        runs.set(line.sequence, events: closed(line.sequence, upTo: end))
        return isNew
    }

    private mutating func begin(_ sequence: UInt64, _ known: UInt32?) -> Bool {
        guard known == nil else { return false }
        runs.set(sequence, events: SequenceRuns.unknown)
        return true
    }

    private mutating func keep(_ line: RecordedLine, _ number: UInt32) -> Bool {
        guard early[line.sequence]?[line.offset] == nil else { return false }
        early[line.sequence, default: [:]][line.offset] = number
        earlyParts += 1
        events += UInt64(number)
        return true
    }

    /// Takes the parts that came early and follow now.
    private mutating func closed(_ sequence: UInt64, upTo end: UInt32) -> UInt32 {
        guard var parts = early[sequence] else { return end }
        var end = end
        for (offset, number) in parts.sorted(by: { $0.key < $1.key }) {
            guard offset <= end else { break }
            parts[offset] = nil
            earlyParts -= 1
            // Counted twice where another cut overlaps.
            if offset < end { events -= UInt64(min(number, end - offset)) }
            end = max(end, offset + number)
        }
        early[sequence] = parts.isEmpty ? nil : parts
        return end
    }

    func result(_ key: Key, longest: Int) -> DeliveryReport.Stream {
        var seen = SequenceRanges()
        for run in runs.runs { seen.insert(run.first...run.last) }
        for sequence in early.keys.sorted() where runs.events(of: sequence) == nil { seen.insert(sequence...sequence) }
        let first = seen.ranges.first?.lowerBound ?? 0
        let last = seen.ranges.last?.upperBound ?? 0
        let lost = seen.missing(in: first...last).subtracting(announced)
        let dropped = announced.subtracting(seen)
        let holes = holes()
        return DeliveryReport.Stream(
            gateway: key.gateway, agent: key.agent, epoch: key.epoch, first: first, last: last,
            messages: seen.count, events: events, lines: lines, lost: lost.count,
            lostRanges: DeliveryReport.Range.list(lost, longest: longest), dropped: dropped.count,
            droppedRanges: DeliveryReport.Range.list(dropped, longest: longest), incomplete: holes.count,
            holes: Array(holes.prefix(longest)), duplicated: duplicated, reordered: reordered)
    }

    /// The events before each part whose front has not come. What is missing behind the last part does not show.
    private func holes() -> [DeliveryReport.Hole] {
        var holes: [DeliveryReport.Hole] = []
        for (sequence, parts) in early.sorted(by: { $0.key < $1.key }) {
            var next = runs.events(of: sequence) ?? 0
            guard next != SequenceRuns.unknown else { continue }
            for (offset, number) in parts.sorted(by: { $0.key < $1.key }) {
                // Whose number of events is not known may reach up to here.
                if offset > next { holes.append(DeliveryReport.Hole(sequence: sequence, from: next, to: offset - 1)) }
                next = max(next, offset + number)
                if number == 0 { break }
            }
        }
        return holes
    }
}
