import Synchronization

/// The bytes of bodies that one listener holds at a time, over all its connections.
final class BodyBudget: Sendable {
    /// Given back when the request that it was taken for is let go.
    final class Share: Sendable {
        private let budget: BodyBudget
        private let taken = Atomic<Int>(0)

        init(of budget: BodyBudget) {
            self.budget = budget
        }

        deinit { budget.left.add(taken.load(ordering: .relaxed), ordering: .relaxed) }

        /// False when the budget has not so much left: then nothing was taken.
        func take(_ bytes: Int) -> Bool {
            guard budget.left.subtract(bytes, ordering: .relaxed).newValue >= 0 else {
                budget.left.add(bytes, ordering: .relaxed)
                return false
            }
            taken.add(bytes, ordering: .relaxed)
            return true
        }
    }

    private let left: Atomic<Int>

    var bytesLeft: Int { left.load(ordering: .relaxed) }

    init(bytes: Int) {
        left = Atomic(bytes)
    }
}
