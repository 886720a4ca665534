import Synchronization

/// What one listener has counted.
struct ListenerCounts: Sendable {
    var connections = 0
    var refusedConnections = 0
    var failedLogins = 0
    var streams = StreamCounts()
}

/// The listeners of a gateway, each with its counters: any of them tells of all.
package final class ListenerBoard: Sendable {
    private let box = Mutex<[String: @Sendable () -> ListenerCounts]>([:])

    package init() {}

    /// By agent, sorted.
    var counts: [(agent: String, counts: ListenerCounts)] {
        box.withLock { $0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value()) }
    }

    func join(_ agent: String, counts: @escaping @Sendable () -> ListenerCounts) {
        box.withLock { $0[agent] = counts }
    }

    func leave(_ agent: String) {
        box.withLock { $0[agent] = nil }
    }
}
