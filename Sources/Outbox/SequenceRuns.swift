/// Which sequences were seen, and how many events of each from the first on: as runs of neighbours with the same number, so
/// that ten million messages in order take no more room than one.
struct SequenceRuns: Sendable {
    struct Run: Sendable, Equatable {
        var first: UInt64
        var last: UInt64
        /// From the first event on; `unknown` where nobody said, or it was forgotten.
        var events: UInt32
    }

    static let unknown = UInt32.max

    private(set) var runs: [Run] = []
    /// Beyond so many, the numbers of events of the older half are forgotten.
    private let most: Int

    init(most: Int) {
        self.most = most
    }

    /// Even without the numbers of events there are too many.
    var isOverfull: Bool { runs.count > most }

    /// Of a sequence that was seen.
    func events(of sequence: UInt64) -> UInt32? {
        guard let run = place(of: sequence).map({ runs[$0] }), sequence <= run.last else { return nil }
        return run.events
    }

    mutating func set(_ sequence: UInt64, events: UInt32) {
        let new = Run(first: sequence, last: sequence, events: events)
        let index: Int
        if let place = place(of: sequence) {
            let run = runs[place]
            if sequence <= run.last {
                guard run.events != events else { return }
                var parts: [Run] = []
                if run.first < sequence { parts.append(Run(first: run.first, last: sequence - 1, events: run.events)) }
                index = place + parts.count
                parts.append(new)
                if sequence < run.last { parts.append(Run(first: sequence + 1, last: run.last, events: run.events)) }
                runs.replaceSubrange(place...place, with: parts)
            } else if run.last + 1 == sequence, run.events == events {
                runs[place].last = sequence
                index = place
            } else {
                index = place + 1
                runs.insert(new, at: index)
            }
        } else {
            index = 0
            runs.insert(new, at: 0)
        }
        join(index)
        if index > 0 { join(index - 1) }
        if runs.count > most { forget() }
    }

    /// Of the last run that does not begin behind a sequence.
    private func place(of sequence: UInt64) -> Int? {
        // Nearly always the last one.
        if let last = runs.last, last.first <= sequence { return runs.count - 1 }
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].first <= sequence { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? low - 1 : nil
    }

    /// Makes a run one with the next where they are neighbours.
    private mutating func join(_ index: Int) {
        guard index + 1 < runs.count, runs[index].events == runs[index + 1].events,
            runs[index].last + 1 == runs[index + 1].first
        else { return }
        runs[index].last = runs[index + 1].last
        runs.remove(at: index + 1)
    }

    private mutating func forget() {
        let half = runs.count / 2
        var kept: [Run] = []
        kept.reserveCapacity(runs.count)
        for (index, run) in runs.enumerated() {
            let events = index < half ? SequenceRuns.unknown : run.events
            if let last = kept.last, last.events == events, last.last + 1 == run.first {
                kept[kept.count - 1].last = run.last
            } else {
                kept.append(Run(first: run.first, last: run.last, events: events))
            }
        }
        runs = kept
    }
}

/// Sequences as ranges in order, with at least one other between any two of them.
struct SequenceRanges: Sendable, Equatable {
    private(set) var ranges: [ClosedRange<UInt64>] = []

    var count: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) + 1 } }

    mutating func insert(_ range: ClosedRange<UInt64>) {
        var first = range.lowerBound
        var last = range.upperBound
        var low = ranges.count
        // Nearly always behind all others.
        while low > 0, ranges[low - 1].upperBound >= first || ranges[low - 1].upperBound + 1 == first { low -= 1 }
        var high = low
        while high < ranges.count, ranges[high].lowerBound <= last || ranges[high].lowerBound - 1 == last {
            first = min(first, ranges[high].lowerBound)
            last = max(last, ranges[high].upperBound)
            high += 1
        }
        ranges.replaceSubrange(low..<high, with: [first...last])
    }

    /// What of a range is not among them.
    func missing(in range: ClosedRange<UInt64>) -> SequenceRanges {
        var missing = SequenceRanges()
        var next = range.lowerBound
        for known in ranges where known.upperBound >= range.lowerBound && known.lowerBound <= range.upperBound {
            if known.lowerBound > next { missing.ranges.append(next...(known.lowerBound - 1)) }
            guard known.upperBound < range.upperBound else { return missing }
            next = known.upperBound + 1
        }
        missing.ranges.append(next...range.upperBound)
        return missing
    }

    /// Without what is among others.
    func subtracting(_ others: SequenceRanges) -> SequenceRanges {
        var rest = SequenceRanges()
        var index = 0
        for range in ranges {
            var next = range.lowerBound
            while index < others.ranges.count, others.ranges[index].upperBound < next { index += 1 }
            var other = index
            var isOver = false
            while other < others.ranges.count, others.ranges[other].lowerBound <= range.upperBound {
                let taken = others.ranges[other]
                if taken.lowerBound > next { rest.ranges.append(next...(taken.lowerBound - 1)) }
                guard taken.upperBound < range.upperBound else {
                    isOver = true
                    break
                }
                next = max(next, taken.upperBound + 1)
                other += 1
            }
            if !isOver { rest.ranges.append(next...range.upperBound) }
        }
        return rest
    }
}
