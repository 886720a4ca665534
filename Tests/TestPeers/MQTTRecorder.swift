import Synchronization

/// An MQTT broker (5 and 3.1.1) for publishers, which writes each PUBLISH to a file, waits for the disk, and only then
/// acknowledges: the judge of whether something is lost. What a real broker acknowledges may still be in memory.
///
/// It keeps no sessions and delivers nothing; subscriptions are granted and stay silent.
package final class MQTTRecorder: Sendable {
    /// What the connections' threads share.
    final class Core: Sendable {
        let log: RecordLog
        let behaviour: Mutex<Behaviour>
        let counters = Mutex(Counters())
        /// By client identifier.
        let clients = Mutex<[String: PeerConnection]>([:])

        init(log: RecordLog, behaviour: Behaviour) {
            self.log = log
            self.behaviour = Mutex(behaviour)
        }

        func count(_ change: (inout Counters) -> Void) { counters.withLock { change(&$0) } }
    }

    private let core: Core
    private let listener: PeerListener

    /// Listens when this returns.
    ///
    /// - Parameters:
    ///   - path: of the file with a JSON line for each PUBLISH; one that is there is continued.
    ///   - port: of 127.0.0.1; 0 for one that is free.
    package init(recordingTo path: String, port: Int = 0, behaviour: Behaviour = Behaviour()) throws {
        let core = Core(log: try RecordLog(path: path), behaviour: behaviour)
        self.core = core
        listener = try PeerListener(port: port) { connection in
            core.count { if $0.attempts.count < 100_000 { $0.attempts.append(.now) } }
            var session = MQTTRecorderSession(connection, core)
            session.run()
        }
        try listener.start()
    }

    package var port: Int { listener.port }

    /// What it has written.
    package var file: RecorderFile { RecorderFile(path: core.log.path) }

    package var behaviour: Behaviour { core.behaviour.withLock { $0 } }

    package var counters: Counters { core.counters.withLock { $0 } }

    package func behave(_ change: (inout Behaviour) -> Void) {
        core.behaviour.withLock { change(&$0) }
    }

    /// As a broker that goes down: connections are refused from now on, and those that are there end, with or without RST.
    /// Nothing more is acknowledged.
    package func stop(reset: Bool = false) {
        listener.stop(reset ? .reset : .close)
    }

    /// At the same port again.
    package func start() throws {
        try listener.start()
    }

    /// Ends all connections that there are, and goes on listening. A DISCONNECT is of MQTT 5: set it on no others.
    package func disconnectAll(_ ending: Disconnection.Ending) {
        switch ending {
        case .disconnect(let code): listener.endAll(.close, farewell: MQTTReply.disconnect(code))
        case .close: listener.endAll(.close)
        case .reset: listener.endAll(.reset)
        }
    }

    /// Waits until the counters are as wanted, and gives them.
    @discardableResult
    package func wait(
        within limit: Duration = .seconds(20), until isWanted: (Counters) -> Bool
    ) async throws -> Counters {
        try await waitFor(limit, "the MQTT recorder", { counters }, isWanted)
    }
}

/// Looks every 10 ms: the threads that count know nothing of Swift's concurrency.
func waitFor<Value>(
    _ limit: Duration, _ source: String, _ look: () -> Value, _ isWanted: (Value) -> Bool
) async throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
        let value = look()
        if isWanted(value) { return value }
        guard ContinuousClock.now < deadline else {
            // The counts stand behind the instants, of which there may be many.
            let seen = String("\(value)".suffix(400))
            throw TestPeerError("\(source) did not come to what was waited for within \(limit): …\(seen)")
        }
        try await Task.sleep(for: .milliseconds(10))
    }
}
