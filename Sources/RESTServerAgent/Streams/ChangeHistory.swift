import NIOCore
import Tags
import WireFormat

/// The last changes of an agent's tags in their order, rendered once for every stream that wants them.
///
/// Bounded by count and by bytes; the oldest go. A cursor is the number of changes before it, counted from the start of
/// the agent.
struct ChangeHistory {
    /// Changes that came together. Immutable, so that streams copy out of it without a lock.
    final class Segment: Sendable {
        /// The number of changes before its first.
        let first: UInt64
        let handles: [TagHandle]
        /// Where each event ends in `bytes`.
        let ends: [UInt32]
        /// The events of WIRE.md §2, each with a comma before it.
        let bytes: [UInt8]

        init(first: UInt64, handles: [TagHandle], ends: [UInt32], bytes: [UInt8]) {
            self.first = first
            self.handles = handles
            self.ends = ends
            self.bytes = bytes
        }

        var end: UInt64 { first + UInt64(handles.count) }

        /// The bytes of some events, with the comma before the first.
        func range(_ events: Range<Int>) -> Range<Int> {
            Int(events.lowerBound == 0 ? 0 : ends[events.lowerBound - 1])..<Int(ends[events.upperBound - 1])
        }

        /// What it takes of memory, about.
        fileprivate var cost: Int { bytes.count + 8 * handles.count + 256 }
    }

    /// What lies behind a cursor.
    enum Reading {
        case changes(Segment)
        case nothing
        /// The cursor's place is no longer, or never was, in this history: how many changes were lost, nil where nobody
        /// knows.
        case lost(UInt64?)
    }

    let capacity: Int
    let byteCapacity: Int
    private var segments = CircularBuffer<Segment>()
    private var bytes = 0
    /// Behind the newest change.
    private(set) var end: UInt64 = 0
    /// Nothing is known of what came before it: nobody listened then.
    private var unknownBefore: UInt64 = 0

    init(capacity: Int = 1 << 16, byteCapacity: Int = 16 << 20) {
        self.capacity = capacity
        self.byteCapacity = byteCapacity
    }

    /// The oldest cursor behind which nothing is missing.
    var start: UInt64 { segments.first?.first ?? end }

    /// Adds changes; their number is at most what a piece may have.
    mutating func append(handles: [TagHandle], ends: [UInt32], bytes added: [UInt8]) {
        guard !handles.isEmpty else { return }
        let segment = Segment(first: end, handles: handles, ends: ends, bytes: added)
        segments.append(segment)
        end = segment.end
        bytes += segment.cost
        while segments.count > 1, end - start > UInt64(capacity) || bytes > byteCapacity {
            bytes -= segments.removeFirst().cost
        }
    }

    /// Changes that nobody has: who has not seen them has missed them.
    mutating func skip(_ count: Int) {
        segments.removeAll()
        bytes = 0
        end += UInt64(max(0, count))
    }

    /// From here on nobody listens: what comes before the next change is unknown.
    mutating func interrupt() {
        skip(1)
        unknownBefore = end
    }

    func read(from cursor: UInt64) -> Reading {
        if cursor == end { return .nothing }
        guard cursor < end else { return .lost(nil) }
        guard cursor >= start else { return .lost(cursor < unknownBefore ? nil : start - cursor) }
        // Nearly everybody is at the newest.
        if let last = segments.last, last.first <= cursor { return .changes(last) }
        var low = 0, high = segments.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if segments[offset: middle].first <= cursor { low = middle } else { high = middle }
        }
        return .changes(segments[offset: low])
    }
}

extension CircularBuffer {
    fileprivate subscript(offset offset: Int) -> Element { self[index(startIndex, offsetBy: offset)] }
}
