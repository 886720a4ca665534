import GatewayConfiguration
import MQTTAgent
import RESTClientAgent
import RESTServerAgent
import ServiceLifecycle
import Synchronization
import TLS
import Tags

/// An agent while it runs, with the task that runs it.
struct RunningAgent {
    enum Kind {
        case mqtt(MQTTAgent)
        case restClient(RESTClientAgent)
        case restServer(ListenerState)
    }

    let configuration: AgentConfiguration
    let kind: Kind
    let task: Task<Void, Never>

    /// Whether it has an outbox.
    var isPublishing: Bool {
        switch kind {
        case .mqtt, .restClient: true
        case .restServer: false
        }
    }

    /// Asks the agent to end in order; its task ends when it has.
    func stop() async {
        switch kind {
        case .mqtt, .restClient: task.cancel()
        case .restServer(let state):
            // Answers on their way are finished: a cancellation would cut them off.
            if let listener = state.stop() {
                await listener.triggerGracefulShutdown()
            } else {
                task.cancel()
            }
        }
    }
}

/// Whether a REST server agent listens, as its task tells it.
final class ListenerState: Sendable {
    struct Snapshot {
        var state = "starting"
        var endpoint = ""
        var lastError: String?
        /// What new connections get; nil: plain HTTP.
        var tls: ServerTLS?
        fileprivate var agent: RESTServerAgent?
        fileprivate var listener: ServiceGroup?
        fileprivate var isStopping = false
    }

    private let box: Mutex<Snapshot>

    init(tls: ServerTLS?) {
        box = Mutex(Snapshot(tls: tls))
    }

    var snapshot: Snapshot { box.withLock { $0 } }
    var isStopping: Bool { box.withLock { $0.isStopping } }

    /// Remembers what listens, to be stopped in order; false when the stop came first.
    func starting(_ agent: RESTServerAgent, _ listener: ServiceGroup) -> Bool {
        let (isWanted, tls) = box.withLock { snapshot in
            snapshot.agent = agent
            snapshot.listener = listener
            return (!snapshot.isStopping, snapshot.tls)
        }
        // What came while it was made.
        if let tls { agent.reload(tls: tls) }
        return isWanted
    }

    /// Serves new connections with another certificate or other authorities, and ends the open ones if it is told to.
    func reload(_ tls: ServerTLS, endsConnections: Bool) {
        let agent = box.withLock { snapshot in
            snapshot.tls = tls
            return snapshot.agent
        }
        agent?.reload(tls: tls, endsConnections: endsConnections)
    }

    /// What listens now, if anything does; nothing is started any more.
    fileprivate func stop() -> ServiceGroup? {
        box.withLock { snapshot in
            snapshot.isStopping = true
            return snapshot.listener
        }
    }

    func listening(at endpoint: String) {
        box.withLock { snapshot in
            snapshot.state = "listening"
            snapshot.endpoint = endpoint
            snapshot.lastError = nil
        }
    }

    func failed(_ reason: String) {
        box.withLock { snapshot in
            snapshot.state = "failed"
            snapshot.lastError = reason
            snapshot.listener = nil
        }
    }

    func stopped() { box.withLock { $0.state = "stopped" } }
}
