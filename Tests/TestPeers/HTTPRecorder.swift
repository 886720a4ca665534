import Synchronization

/// An HTTP/1.1 server that writes each request to a file, waits for the disk, and only then replies, as its script says.
package final class HTTPRecorder: Sendable {
    /// What the connections' threads share.
    final class Core: Sendable {
        struct Script {
            var behaviour: Behaviour
            var position = 0
        }

        let log: RecordLog
        let script: Mutex<Script>
        let counters = Mutex(Counters())

        init(log: RecordLog, behaviour: Behaviour) {
            self.log = log
            script = Mutex(Script(behaviour: behaviour))
        }

        func count(_ change: (inout Counters) -> Void) { counters.withLock { change(&$0) } }

        var behaviour: Behaviour { script.withLock { $0.behaviour } }

        func nextStep() -> Step {
            script.withLock { script in
                let steps = script.behaviour.script
                guard let last = steps.last else { return .reply(Reply()) }
                defer { script.position += 1 }
                return script.position < steps.count ? steps[script.position] : last
            }
        }
    }

    private let core: Core
    private let listener: PeerListener

    /// Listens when this returns.
    ///
    /// - Parameters:
    ///   - path: of the file with a JSON line for each request; one that is there is continued.
    ///   - port: of 127.0.0.1; 0 for one that is free.
    package init(recordingTo path: String, port: Int = 0, behaviour: Behaviour = Behaviour()) throws {
        let core = Core(log: try RecordLog(path: path), behaviour: behaviour)
        self.core = core
        listener = try PeerListener(port: port) { connection in
            core.count { $0.connections += 1 }
            var session = HTTPRecorderSession(connection, core)
            session.run()
        }
        try listener.start()
    }

    package var port: Int { listener.port }

    /// What it has written.
    package var file: RecorderFile { RecorderFile(path: core.log.path) }

    package var behaviour: Behaviour { core.behaviour }

    package var counters: Counters { core.counters.withLock { $0 } }

    package func behave(_ change: (inout Behaviour) -> Void) {
        core.script.withLock { script in
            change(&script.behaviour)
            script.position = 0
        }
    }

    /// Connections are refused from now on, and those that are there end, with or without RST. No reply goes out any more.
    package func stop(reset: Bool = false) {
        listener.stop(reset ? .reset : .close)
    }

    /// At the same port again.
    package func start() throws {
        try listener.start()
    }

    /// Closes all connections that there are, and goes on listening.
    package func disconnectAll(reset: Bool = false) {
        listener.endAll(reset ? .reset : .close)
    }

    /// Waits until the counters are as wanted, and gives them.
    @discardableResult
    package func wait(
        within limit: Duration = .seconds(20), until isWanted: (Counters) -> Bool
    ) async throws -> Counters {
        try await waitFor(limit, "the HTTP recorder", { counters }, isWanted)
    }
}
