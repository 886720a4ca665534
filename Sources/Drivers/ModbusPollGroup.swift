import NIOCore

/// Blocks that are polled together, at one rate.
///
/// A block whose addresses the device refuses is cut until what is refused stands alone. A device that is starting
/// refuses addresses that it has a minute later: what was planned is kept, and comes back.
struct ModbusPollGroup: Equatable, Sendable {
    /// How long refused blocks are polled in pieces, or not cut, until they are tried as planned again.
    static let retryAfter = TimeAmount.minutes(1)

    /// Nanoseconds.
    let period: Int64
    let tags: Int
    /// What is asked now: the planned blocks and pieces of them.
    var blocks: [ModbusBlock]
    private let planned: [ModbusBlock]
    /// nil while all is as planned.
    private var restoredAt: NIODeadline?

    init(period: Int64, blocks: [ModbusBlock], tags: Int) {
        self.period = period
        self.tags = tags
        planned = blocks.enumerated().map { plan, block in
            var block = block
            block.plan = plan
            return block
        }
        self.blocks = planned
    }

    /// The device refused a block's addresses.
    ///
    /// - Returns: whether pieces stand in its place now, to be asked instead.
    mutating func refused(at index: Int, now: NIODeadline) -> Bool {
        if restoredAt == nil { restoredAt = now + ModbusPollGroup.retryAfter }
        guard !blocks[index].isRefused, let pieces = blocks[index].split() else {
            blocks[index].isRefused = true
            blocks[index].pieces = []
            return false
        }
        blocks.replaceSubrange(index...index, with: pieces)
        return true
    }

    /// A block got no answer, or one that is not about addresses. If it is whole on trial, it is cut as it was before.
    ///
    /// - Returns: whether its pieces stand in its place now, to be asked instead.
    mutating func cutAgain(at index: Int, now: NIODeadline) -> Bool {
        let pieces = blocks[index].pieces
        guard !pieces.isEmpty else { return false }
        if restoredAt == nil { restoredAt = now + ModbusPollGroup.retryAfter }
        blocks.replaceSubrange(index...index, with: pieces)
        return true
    }

    /// A poll has ended: where every piece of a block was refused, one request is enough to hear that.
    mutating func mendSplits() {
        guard restoredAt != nil else { return }
        for (plan, pieces) in cut() where pieces.allSatisfy(\.isRefused) {
            var whole = planned[plan]
            whole.isRefused = true
            put(whole)
        }
    }

    mutating func restoreIfDue(at now: NIODeadline) {
        guard let restoredAt, restoredAt <= now else { return }
        restore(at: now)
    }

    /// Back to what was planned. A block with a silent piece stays in pieces: whole it would take the others' answers
    /// away.
    mutating func restore(at now: NIODeadline) {
        guard restoredAt != nil else { return }
        for index in blocks.indices { blocks[index].isRefused = false }
        for (plan, pieces) in cut() where !pieces.contains(where: \.isSuspect) {
            var whole = planned[plan]
            whole.pieces = pieces
            put(whole)
        }
        restoredAt = cut().isEmpty ? nil : now + ModbusPollGroup.retryAfter
    }

    /// The pieces of each planned block that is not whole.
    private func cut() -> [Int: [ModbusBlock]] {
        Dictionary(grouping: blocks, by: \.plan).filter { $0.value.count > 1 }
    }

    private mutating func put(_ whole: ModbusBlock) {
        let place = blocks.firstIndex { $0.plan == whole.plan } ?? blocks.endIndex
        blocks.removeAll { $0.plan == whole.plan }
        blocks.insert(whole, at: min(place, blocks.endIndex))
    }
}
