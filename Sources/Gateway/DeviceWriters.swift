import Synchronization
import Tags
import Writes

/// Which driver writes to a tag. Asked for every write, from anywhere; changed only when devices start and stop.
///
/// A device that is being replaced has no writer in between, so a write that comes then is refused and not lost.
final class DeviceWriters: Sendable {
    private struct State {
        var devices: [WriteTarget?] = []
        /// By handle: the index of the device and one, or 0.
        var indexes: [UInt32] = []
    }

    private let state = Mutex(State())

    func target(_ tag: TagHandle) -> WriteTarget? {
        state.withLock { state in
            let index = Int(tag.index)
            guard index < state.indexes.count, state.indexes[index] > 0 else { return nil }
            return state.devices[Int(state.indexes[index]) - 1]
        }
    }

    func add(_ handles: [TagHandle], of target: WriteTarget) {
        state.withLock { state in
            let free = state.devices.firstIndex { $0 == nil }
            let device = free ?? state.devices.count
            if free == nil { state.devices.append(target) } else { state.devices[device] = target }
            for handle in handles {
                let index = Int(handle.index)
                if index >= state.indexes.count {
                    state.indexes.append(contentsOf: repeatElement(0, count: index + 1 - state.indexes.count))
                }
                state.indexes[index] = UInt32(device) + 1
            }
        }
    }

    func remove(_ handles: [TagHandle]) {
        state.withLock { state in
            for handle in handles where Int(handle.index) < state.indexes.count {
                let device = Int(state.indexes[Int(handle.index)])
                if device > 0 { state.devices[device - 1] = nil }
                state.indexes[Int(handle.index)] = 0
            }
        }
    }
}
