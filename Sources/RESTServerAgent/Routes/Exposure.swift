import Publishing
import Synchronization
import Tags

/// Which tags exist through this agent: those its items match. Remembered for each handle, which never changes hands.
final class Exposure: Sendable {
    private let items: [ItemOptions]
    /// By handle: 0 undecided, 1 hidden, 2 exposed.
    private let decisions = Mutex<[UInt8]>([])

    init(items: [ItemOptions]) {
        self.items = items
    }

    /// Replaces every handle by nil that does not exist through this agent.
    func removeHidden(from handles: inout [TagHandle?], name: (TagHandle) -> TagName?) {
        decisions.withLock { decisions in
            for position in handles.indices {
                guard let handle = handles[position] else { continue }
                let index = Int(handle.index)
                if index >= decisions.count {
                    decisions.append(contentsOf: repeatElement(0, count: index + 1 - decisions.count))
                }
                if decisions[index] == 0, let name = name(handle) { decisions[index] = exposes(name) ? 2 : 1 }
                if decisions[index] != 2 { handles[position] = nil }
            }
        }
    }

    /// Whether one tag exists through this agent.
    func exposes(_ handle: TagHandle, _ name: TagName) -> Bool {
        var handles: [TagHandle?] = [handle]
        removeHidden(from: &handles) { _ in name }
        return handles[0] != nil
    }

    private func exposes(_ name: TagName) -> Bool { items.winner(for: name)?.enabled ?? false }
}
