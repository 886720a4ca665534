import Synchronization

/// Stands between a client and a server of 127.0.0.1, and is the network that fails.
package final class FaultProxy: Sendable {
    /// Counts for connections that are there, too, within 50 ms.
    package struct Behaviour: Sendable {
        /// For each way; what follows does not wait for what is under way.
        package var delay: Duration = .zero
        /// For each way of each connection.
        package var bytesPerSecond: Int?
        /// Takes everything and passes nothing on, not even the end: half-open. A connection that has lost bytes so is reset
        /// when it sends more after this, as by a router that has forgotten it.
        package var swallows = false
        /// Passes nothing on and reads nothing: what a network does that comes back before TCP gives up. Nothing is lost.
        package var holds = false
        /// Flips a bit of every so many bytes of each way.
        package var corruptEvery: Int?
        /// Accepts a connection and resets it.
        package var refuses = false
        /// Resets each connection at this age.
        package var resetEvery: Duration?
        /// Where delay, limit, swallowing and corruption happen.
        package var ways: Ways = .both

        package init() {}
    }

    package enum Ways: Sendable {
        case both
        /// From the client.
        case up
        /// To the client.
        case down
    }

    package struct Counters: Sendable {
        /// Accepted.
        package var connections = 0
        package var refused = 0
        /// Connections for which no server was there; they were reset.
        package var unanswered = 0
        /// By `cut()` or for their age.
        package var resets = 0
        /// Passed on from clients, bytes.
        package var up = 0
        /// Passed on to clients, bytes.
        package var down = 0
        package var swallowed = 0
        /// Bytes that were changed.
        package var corrupted = 0

        package init() {}
    }

    /// What the connections' threads share.
    final class Core: Sendable {
        let target: Int
        let behaviour: Mutex<Behaviour>
        let counters = Mutex(Counters())

        init(target: Int, behaviour: Behaviour) {
            self.target = target
            self.behaviour = Mutex(behaviour)
        }

        func count(_ change: (inout Counters) -> Void) { counters.withLock { change(&$0) } }
    }

    private let core: Core
    private let listener: PeerListener

    /// Listens when this returns.
    ///
    /// - Parameters:
    ///   - target: a port of 127.0.0.1, on which nobody need listen yet.
    ///   - port: of 127.0.0.1; 0 for one that is free.
    package init(to target: Int, port: Int = 0, behaviour: Behaviour = Behaviour()) throws {
        let core = Core(target: target, behaviour: behaviour)
        self.core = core
        listener = try PeerListener(port: port) { Self.serve($0, core) }
        try listener.start()
    }

    package var port: Int { listener.port }

    package var behaviour: Behaviour { core.behaviour.withLock { $0 } }

    package var counters: Counters { core.counters.withLock { $0 } }

    package func behave(_ change: (inout Behaviour) -> Void) {
        core.behaviour.withLock { change(&$0) }
    }

    /// Resets all connections that there are, both ways.
    package func cut() {
        listener.endAll(.reset)
    }

    /// Connections are refused by the kernel from now on, and those that are there are reset.
    package func stop() {
        listener.stop(.reset)
    }

    /// At the same port again.
    package func start() throws {
        try listener.start()
    }

    /// Waits until the counters are as wanted, and gives them.
    @discardableResult
    package func wait(
        within limit: Duration = .seconds(20), until isWanted: (Counters) -> Bool
    ) async throws -> Counters {
        try await waitFor(limit, "the proxy", { counters }, isWanted)
    }

    private static func serve(_ client: PeerConnection, _ core: Core) {
        core.count { $0.connections += 1 }
        if core.behaviour.withLock({ $0.refuses }) {
            core.count { $0.refused += 1 }
            return client.end(.reset)
        }
        // A network that passes nothing on shows a client nothing of the server, either.
        while core.behaviour.withLock({ $0.holds || ($0.swallows && $0.ways == .both) }) {
            guard client.pause(until: .now + .milliseconds(20)), !client.isAbandoned else { return }
        }
        guard let server = try? PeerConnection.dial(port: core.target, number: client.number) else {
            core.count { $0.unanswered += 1 }
            return client.end(.reset)
        }
        defer { server.close() }
        var up = FaultProxyWay(from: client, to: server, isUp: true, core)
        let way = FaultProxyWay(from: server, to: client, isUp: false, core)
        do {
            let back = try PeerThread {
                var down = way
                down.run()
            }
            up.run()
            back.join()
        } catch {
            client.end(.reset)
        }
        if client.isReset { core.count { $0.resets += 1 } }
    }
}
