import Synchronization

/// The policy in force. Swapped whole under a lock; who asks next gets the new one.
package final class PolicyBox: Sendable {
    private struct State {
        var snapshot: PolicySnapshot
        /// Users of the same groups share what has been decided for them.
        var permissions: [[String]: Permissions] = [:]
    }

    /// A bound on remembered sets of groups: each may hold a byte a tag.
    private static let rememberedSets = 64

    private let state: Mutex<State>

    package init(_ snapshot: PolicySnapshot = PolicySnapshot()) {
        state = Mutex(State(snapshot: snapshot))
    }

    package var snapshot: PolicySnapshot { state.withLock { $0.snapshot } }

    /// Puts another policy in force and forgets every decision made under the old one.
    package func replace(_ snapshot: PolicySnapshot) {
        state.withLock { $0 = State(snapshot: snapshot) }
    }

    /// What the principal may do under the policy in force. Ask anew for every request, and do not keep it.
    package func permissions(for principal: Principal) -> Permissions {
        state.withLock { state in
            if let known = state.permissions[principal.groups] { return known }
            if state.permissions.count >= PolicyBox.rememberedSets { state.permissions.removeAll() }
            let made = Permissions(principal: principal, snapshot: state.snapshot)
            state.permissions[principal.groups] = made
            return made
        }
    }
}
