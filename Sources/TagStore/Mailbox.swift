package import Tags
import Synchronization

/// What one subscriber has not yet taken: filled by the store under one lock a batch, emptied whole by its owner.
package final class Mailbox: Sendable {
    package enum Mode: Sendable, Equatable {
        /// Only the latest update of each tag. Needs no cap: it never holds more than one a tag.
        case latest
        /// Every update, up to the cap; beyond it the oldest go and are counted.
        case every(cap: Int)
    }

    /// One update of the tag at `slot` of the subscription's handles.
    package struct Update: Sendable, Equatable {
        package var slot: UInt32
        package var value: TagValue

        @inlinable
        package init(slot: UInt32, value: TagValue) {
            self.slot = slot
            self.value = value
        }
    }

    /// Everything that waited.
    package struct Contents: Sendable {
        package var updates: [Update]
        /// How many were lost to the cap since the last time.
        package var dropped: Int

        package init() {
            updates = []
            dropped = 0
        }
    }

    /// Updates that an array given back may have room for; a larger one, left by a burst, goes.
    private static let keptRoom = 1 << 16

    private struct State {
        var updates: [Update] = []
        /// Where the oldest stands once the cap was reached and the array became a ring.
        var oldest = 0
        var dropped = 0
        /// For `latest`: where in `updates` a slot waits, or -1.
        var position: [Int32]
        var waiter: CheckedContinuation<Void, Never>?
        var isClosed = false
    }

    package let mode: Mode
    /// By handle: the slot, or -1 for tags that this subscriber does not want.
    private let slots: [Int32]
    private let state: Mutex<State>

    init(handles: [TagHandle], mode: Mode) {
        var slots = [Int32](repeating: -1, count: handles.map { Int($0.index) + 1 }.max() ?? 0)
        for (slot, handle) in handles.enumerated() { slots[Int(handle.index)] = Int32(slot) }
        self.slots = slots
        self.mode = mode
        state = Mutex(State(position: mode == .latest ? [Int32](repeating: -1, count: handles.count) : []))
    }

    /// Adds what this subscriber wants of a batch.
    func fill(_ batch: [TagUpdate]) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.isClosed else { return nil }
            let before = state.updates.count
            switch mode {
            case .latest: fillLatest(batch, &state)
            case .every(let cap): fillEvery(batch, cap: cap, &state)
            }
            guard before == 0, !state.updates.isEmpty else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    private func fillLatest(_ batch: [TagUpdate], _ state: inout State) {
        for update in batch {
            let index = Int(update.handle.index)
            guard index < slots.count, slots[index] >= 0 else { continue }
            let slot = Int(slots[index])
            let position = Int(state.position[slot])
            if position >= 0 {
                state.updates[position].value = update.value
            } else {
                state.position[slot] = Int32(state.updates.count)
                state.updates.append(Update(slot: UInt32(slot), value: update.value))
            }
        }
    }

    private func fillEvery(_ batch: [TagUpdate], cap: Int, _ state: inout State) {
        for update in batch {
            let index = Int(update.handle.index)
            guard index < slots.count, slots[index] >= 0 else { continue }
            let entry = Update(slot: UInt32(slots[index]), value: update.value)
            if state.updates.count < cap {
                state.updates.append(entry)
            } else {
                state.updates[state.oldest] = entry
                state.oldest = state.oldest + 1 == cap ? 0 : state.oldest + 1
                state.dropped += 1
            }
        }
    }

    /// Takes everything, in order; does not wait.
    package func take() -> Contents {
        var contents = Contents()
        take(into: &contents)
        return contents
    }

    /// Takes everything, in order, in place of what is there; does not wait. The two arrays change places, so that one
    /// who takes again and again into the same contents costs no memory to be made.
    package func take(into contents: inout Contents) {
        contents.updates.removeAll(keepingCapacity: contents.updates.capacity <= Mailbox.keptRoom)
        state.withLock { state in
            swap(&contents.updates, &state.updates)
            if state.oldest > 0 {
                contents.updates = Array(contents.updates[state.oldest...]) + contents.updates[..<state.oldest]
            }
            if mode == .latest {
                for index in contents.updates.indices { state.position[Int(contents.updates[index].slot)] = -1 }
            }
            contents.dropped = state.dropped
            state.oldest = 0
            state.dropped = 0
        }
    }

    /// Returns when something waits, the mailbox is closed, or the task is cancelled. One waiter at a time.
    package func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let resumeNow = state.withLock { state in
                    if !state.updates.isEmpty || state.isClosed || Task.isCancelled { return true }
                    state.waiter = continuation
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        } onCancel: {
            wake()
        }
    }

    /// Ends the subscription's side of the mailbox: no more updates, and who waits goes on.
    func close() {
        state.withLock { $0.isClosed = true }
        wake()
    }

    private func wake() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
