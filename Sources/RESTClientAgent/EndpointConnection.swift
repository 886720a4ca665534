import Glibc
import Logging
import Outbox
import Synchronization
import TLS
import Tags

/// Sends one endpoint what the queue holds, on a thread of its own, which libcurl's handles want: its life, and what it tells.
final class EndpointConnection: Sendable {
    private struct Shared {
        var status: EndpointStatus
        var stop = false
        /// Connections are to be made anew.
        var reconnect = false
        var finished: CheckedContinuation<Void, Never>?
        var isFinished = false
        /// Nobody waits for the thread any more: it must not touch the queue, which a successor may have.
        var isAbandoned = false
    }

    let options: RESTClientAgentOptions
    let queue: OutboxQueue
    let logger: Logger
    let wakeUp = WakeUp()
    private let shared: Mutex<Shared>

    init(options: RESTClientAgentOptions, queue: OutboxQueue, logger: Logger) {
        self.options = options
        self.queue = queue
        self.logger = logger
        shared = Mutex(
            Shared(
                status: EndpointStatus(
                    state: .ready, since: .now, httpVersion: nil, lastError: nil, requests: 0, delivered: 0, events: 0,
                    refused: 0, connections: 0, queue: queue.depth)))
        queue.setWake { [wakeUp] in wakeUp.signal() }
    }

    var status: EndpointStatus {
        var status = shared.withLock { $0.status }
        status.queue = queue.depth
        return status
    }

    // MARK: Life of the thread

    /// Starts the thread. It holds this object until it ends.
    func start() throws(EndpointFailure) {
        var thread = pthread_t()
        let retained = unsafe Unmanaged.passRetained(self)
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<EndpointConnection>.fromOpaque(argument).takeRetainedValue().runThread()
                return nil
            }, retained.toOpaque())
        guard code == 0 else {
            unsafe retained.release()
            throw EndpointFailure(.network, "no thread could be started for the endpoint")
        }
        pthread_detach(thread)
    }

    /// Asks the thread to finish what is under way and end.
    func stop() {
        shared.withLock { $0.stop = true }
        wakeUp.signal()
    }

    var isStopping: Bool { shared.withLock { $0.stop } }

    /// Has the thread finish what is under way and connect anew.
    func reconnect() {
        shared.withLock { $0.reconnect = true }
        wakeUp.signal()
    }

    var isReconnecting: Bool { shared.withLock { $0.reconnect } }

    func reconnected() { shared.withLock { $0.reconnect = false } }

    /// Stops waiting for the thread: it ends when what it is blocked in returns.
    func abandon() {
        shared.withLock { $0.isAbandoned = true }
        resumeWaiter()
    }

    var isAbandoned: Bool { shared.withLock { $0.isAbandoned } }

    /// Returns once the thread has ended or was abandoned.
    func finished() async {
        await withCheckedContinuation { continuation in
            let isFinished = shared.withLock { shared in
                if !shared.isFinished { shared.finished = continuation }
                return shared.isFinished
            }
            if isFinished { continuation.resume() }
        }
    }

    private func runThread() {
        // libcurl leaves it to us that a connection which the other side has closed ends nothing but itself.
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        EndpointSession(self).run()
        set(state: .stopped)
        if !isAbandoned {
            queue.setWake(nil)
            queue.rewind()
        }
        resumeWaiter()
    }

    private func resumeWaiter() {
        let waiter = shared.withLock { shared in
            shared.isFinished = true
            defer { shared.finished = nil }
            return shared.finished
        }
        waiter?.resume()
    }

    // MARK: Telling

    func set(state: EndpointStatus.State) {
        shared.withLock { EndpointConnection.set(state, &$0.status) }
    }

    private static func set(_ state: EndpointStatus.State, _ status: inout EndpointStatus) {
        guard status.state != state else { return }
        status.state = state
        status.since = .now
    }

    /// A request has ended.
    func requested(connections: Int, httpVersion: String?) {
        shared.withLock { shared in
            shared.status.requests += 1
            shared.status.connections += UInt64(clamping: connections)
            if let httpVersion { shared.status.httpVersion = httpVersion }
        }
    }

    /// - Parameter trouble: what is wrong although it was taken; nil keeps what was told before.
    func delivered(events: Int, trouble: String?, isAllWell: Bool) {
        shared.withLock { shared in
            EndpointConnection.set(.delivering, &shared.status)
            shared.status.delivered += 1
            shared.status.events += UInt64(clamping: events)
            if let trouble { shared.status.lastError = trouble } else if isAllWell { shared.status.lastError = nil }
        }
    }

    func failed(_ reason: String?, isHeld: Bool) {
        shared.withLock { shared in
            EndpointConnection.set(isHeld ? .held : .waiting, &shared.status)
            shared.status.lastError = reason
        }
    }

    func told(_ reason: String) { shared.withLock { $0.status.lastError = reason } }

    func refused(_ reason: String) {
        shared.withLock { shared in
            shared.status.refused += 1
            shared.status.lastError = reason
        }
    }
}

/// Wakes the thread that waits in libcurl, whichever handle it has just now.
final class WakeUp: Sendable {
    private let multi = Mutex<CurlMulti?>(nil)

    func set(_ multi: CurlMulti?) { self.multi.withLock { $0 = multi } }

    func signal() { multi.withLock { $0 }?.wake() }
}
