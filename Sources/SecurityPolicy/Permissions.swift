import Synchronization
package import Tags

/// What one set of groups may do, remembered for each tag, so that a decision on the hot path costs a look at a byte.
///
/// It belongs to one `PolicySnapshot`. Handles are never given twice and a handle's name never changes, so a decision
/// holds as long as the snapshot; it is made by `PolicySnapshot.decide` when it is first asked for.
package final class Permissions: Sendable {
    package let principal: Principal
    private let snapshot: PolicySnapshot
    /// By handle: 0 undecided, else `decided` and a bit an action.
    private let decisions = Mutex<[UInt8]>([])

    private static let decided: UInt8 = 0x80

    init(principal: Principal, snapshot: PolicySnapshot) {
        self.principal = principal
        self.snapshot = snapshot
    }

    /// Replaces every handle by nil on which the action is denied. `name` tells the name of a handle that has not been
    /// decided yet; a handle without one is denied. One lock for the whole batch.
    package func removeDenied(
        _ action: TagAction, from handles: inout [TagHandle?], name: (TagHandle) -> TagName?
    ) {
        let wanted = action.bit
        decisions.withLock { decisions in
            for position in handles.indices {
                guard let handle = handles[position] else { continue }
                let index = Int(handle.index)
                if index >= decisions.count {
                    decisions.append(contentsOf: repeatElement(0, count: index + 1 - decisions.count))
                }
                if decisions[index] == 0 { decisions[index] = decide(name(handle)) }
                if decisions[index] & wanted == 0 { handles[position] = nil }
            }
        }
    }

    private func decide(_ name: TagName?) -> UInt8 {
        guard let name else { return 0 }
        return TagAction.allCases.reduce(Permissions.decided) { bits, action in
            snapshot.decide(principal, action, name).isAllowed ? bits | action.bit : bits
        }
    }
}

extension TagAction {
    fileprivate var bit: UInt8 {
        switch self {
        case .browse: 1
        case .read: 2
        case .write: 4
        }
    }
}
