import Synchronization
import Tags

/// Takes what a driver delivers and lets a test wait for it.
final class TagRecorder: Sendable {
    /// What was delivered so far.
    struct Delivered {
        var latest: [TagHandle: TagValue] = [:]
        var history: [TagHandle: [TagValue]] = [:]
        var batches: [Int] = []

        func history(_ index: UInt32) -> [TagValue] { history[TagHandle(index: index)] ?? [] }
    }

    private struct State {
        var delivered = Delivered()
        var waiters: [Waiter] = []
        var next = 0
    }

    private struct Waiter {
        let id: Int
        let condition: @Sendable (Delivered) -> Bool
        let continuation: CheckedContinuation<Void, Never>
    }

    private let state = Mutex(State())

    var sink: TagSink { { self.take($0) } }
    var latest: [TagHandle: TagValue] { state.withLock { $0.delivered.latest } }
    /// The size of each batch.
    var batches: [Int] { state.withLock { $0.delivered.batches } }

    func history(_ index: UInt32) -> [TagValue] { state.withLock { $0.delivered.history(index) } }

    subscript(_ index: UInt32) -> TagValue? { state.withLock { $0.delivered.latest[TagHandle(index: index)] } }

    private func take(_ batch: [TagUpdate]) {
        let woken = state.withLock { state -> [Waiter] in
            state.delivered.batches.append(batch.count)
            for update in batch {
                state.delivered.latest[update.handle] = update.value
                state.delivered.history[update.handle, default: []].append(update.value)
            }
            let woken = state.waiters.filter { $0.condition(state.delivered) }
            state.waiters.removeAll { $0.condition(state.delivered) }
            return woken
        }
        for waiter in woken { waiter.continuation.resume() }
    }

    /// Returns when what was delivered fulfils the condition, which must not ask the recorder itself, or when the suite's
    /// time limit cancels the test.
    func wait(delivered condition: @escaping @Sendable (Delivered) -> Bool) async {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now = state.withLock { state in
                    if Task.isCancelled || condition(state.delivered) { return true }
                    state.waiters.append(Waiter(id: id, condition: condition, continuation: continuation))
                    return false
                }
                if now { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
            }
            waiter?.continuation.resume()
        }
    }

    /// Returns when the latest values fulfil the condition.
    func wait(until condition: @escaping @Sendable ([TagHandle: TagValue]) -> Bool) async {
        await wait(delivered: { condition($0.latest) })
    }

    func wait(for index: UInt32, _ condition: @escaping @Sendable (TagValue) -> Bool) async {
        await wait { latest in latest[TagHandle(index: index)].map(condition) ?? false }
    }

    /// Whether every one of the last values was good.
    func isGood(_ index: UInt32, last: Int = .max) -> Bool { history(index).suffix(last).allSatisfy(\.quality.isGood) }

    func waitForGood(_ count: Int) async {
        await wait { latest in latest.count >= count && latest.values.allSatisfy(\.quality.isGood) }
    }
}
