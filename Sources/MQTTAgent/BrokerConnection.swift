import Glibc
import Logging
import Outbox
import Synchronization
import TLS
import Tags

/// Keeps one broker connected and sends it what the queue holds, on a thread of its own: libmosquitto blocks on DNS and
/// its own loops end for good on passing trouble, so the loop is ours and a handle that failed is thrown away.
///
/// Publishes only between CONNACK and the loss, with at most the in-flight window outstanding; whatever was not
/// acknowledged is rewound and sent again from the queue, which is the only one.
final class BrokerConnection: Sendable {
    struct Shared {
        var status: BrokerStatus
        var stop = false
        /// The connection is to be made anew, in order.
        var reconnect = false
        var finished: CheckedContinuation<Void, Never>?
        var isFinished = false
        /// Nobody waits for the thread any more: it must not touch the queue, which a successor may have.
        var isAbandoned = false
        /// Whether a message was refused since one was taken.
        var isRefusing = false
        /// When a refusal was told, and how many were not since then.
        var refusalTold: ContinuousClock.Instant?
        var refusalsUntold = 0
        /// What the broker cannot do was told.
        var isLimitTold = false
    }

    let options: MQTTAgentOptions
    let queue: OutboxQueue
    let logger: Logger
    let wakeUp: WakeUp
    let shared: Mutex<Shared>

    init(options: MQTTAgentOptions, queue: OutboxQueue, logger: Logger) throws(BrokerLoss) {
        self.options = options
        self.queue = queue
        self.logger = logger
        wakeUp = try WakeUp()
        shared = Mutex(
            Shared(
                status: BrokerStatus(
                    state: .connecting, since: .now, protocolVersion: nil, lastError: nil, connections: 0,
                    published: 0, events: 0, refused: 0, queue: queue.depth)))
        queue.setWake { [wakeUp] in wakeUp.signal() }
    }

    var status: BrokerStatus {
        var status = shared.withLock { $0.status }
        status.queue = queue.depth
        return status
    }

    // MARK: Life of the thread

    /// Starts the thread. It holds this object until it ends.
    func start() throws(BrokerLoss) {
        var thread = pthread_t()
        let retained = unsafe Unmanaged.passRetained(self)
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<BrokerConnection>.fromOpaque(argument).takeRetainedValue().runThread()
                return nil
            }, retained.toOpaque())
        guard code == 0 else {
            unsafe retained.release()
            throw BrokerLoss(.network, "no thread could be started for the connection")
        }
        pthread_detach(thread)
    }

    /// Asks the thread to say goodbye and end.
    func stop() {
        shared.withLock { $0.stop = true }
        wakeUp.signal()
    }

    /// Has the thread say goodbye and connect again at once.
    func reconnect() {
        shared.withLock { $0.reconnect = true }
        wakeUp.signal()
    }

    var isReconnecting: Bool { shared.withLock { $0.reconnect } }

    private func takeReconnect() -> Bool {
        shared.withLock { shared in
            defer { shared.reconnect = false }
            return shared.reconnect
        }
    }

    /// Stops waiting for the thread: it ends when what it is blocked in returns.
    func abandon() {
        shared.withLock { $0.isAbandoned = true }
        resumeWaiter()
    }

    private var isAbandoned: Bool { shared.withLock { $0.isAbandoned } }

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
        run()
        set(state: .stopped)
        if !isAbandoned { queue.setWake(nil) }
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

    var isStopping: Bool { shared.withLock { $0.stop } }

    // MARK: Attempts

    private func run() {
        let clock = ContinuousClock()
        var attempts = ConnectionAttempts(choice: options.protocolChoice, now: clock.now)
        while !isStopping {
            if takeReconnect() { attempts.startOver(at: clock.now) }
            if clock.now < attempts.nextAttempt {
                sleep(until: attempts.nextAttempt)
                continue
            }
            do throws(BrokerLoss) {
                set(state: .connecting)
                if try serve(&attempts) == .stopped { return }
                queue.rewind()
                logger.info("The connection to the broker is made anew", metadata: ["broker": "\(options.broker)"])
            } catch {
                // Left behind in a look-up: the queue may be another connection's by now.
                if isAbandoned { return }
                queue.rewind()
                attempts.lost(error, at: clock.now, jitter: Double.random(in: 0...1))
                let isThrownOut = error.kind == .network && attempts.isThrownOut
                note(isThrownOut ? .thrownOut(error) : error, failures: isThrownOut ? 1 : attempts.failuresInARow)
            }
        }
    }

    private func sleep(until deadline: ContinuousClock.Instant) {
        set(state: .waiting)
        var descriptor = pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0)
        unsafe poll(&descriptor, 1, ContinuousClock().now.milliseconds(until: deadline))
        if descriptor.revents != 0 { wakeUp.clear() }
    }

    // MARK: Telling

    func set(state: BrokerStatus.State) {
        shared.withLock { shared in
            guard shared.status.state != state else { return }
            shared.status.state = state
            shared.status.since = .now
        }
    }

    func connected(version: ConnectionAttempts.Version) {
        let text = version == .v5 ? "5" : "3.1.1"
        set(state: .connected)
        shared.withLock { shared in
            shared.status.protocolVersion = text
            shared.status.connections += 1
            shared.status.lastError = nil
        }
        logger.info("Connected to the broker", metadata: ["mqtt": "\(text)", "broker": "\(options.broker)"])
    }

    func acknowledged(_ entry: BrokerSession.InFlight) {
        shared.withLock { shared in
            shared.status.published += 1
            shared.status.events += UInt64(clamping: entry.message.events)
            if shared.isRefusing { shared.status.lastError = nil }
            shared.isRefusing = false
        }
    }

    /// Between two lines about refused messages.
    private static let refusalPause = Duration.seconds(10)

    /// A message is set aside: counted, and told now and then.
    func refused(_ refusal: MessageRefusal, topic: String) {
        let now = ContinuousClock.now
        let untold: Int? = shared.withLock { shared in
            shared.isRefusing = true
            shared.status.refused += 1
            shared.status.lastError = "publishing to \(topic): \(refusal)"
            if let told = shared.refusalTold, told.duration(to: now) < BrokerConnection.refusalPause {
                shared.refusalsUntold += 1
                return nil
            }
            shared.refusalTold = now
            defer { shared.refusalsUntold = 0 }
            return shared.refusalsUntold
        }
        guard let untold else { return }
        logger.error(
            "The broker refuses a message, which is set aside: see sallyport outbox status",
            metadata: ["topic": "\(topic)", "reason": "\(refusal)", "others": "\(untold)"])
    }

    /// What the configuration asks for and the broker does not do: told once.
    func tellLimits(_ limits: BrokerLimits) {
        var words: [String] = []
        if let most = limits.maximumQoS, Int32(most) < options.qos.rawValue { words.append("no QoS above \(most)") }
        if !limits.retains, options.retain { words.append("no retained messages") }
        guard !words.isEmpty, !shared.withLock({ swap(&$0.isLimitTold) }) else { return }
        logger.warning(
            "The broker does less than is configured; messages are sent with what it does",
            metadata: ["broker": "\(options.broker)", "limits": "\(words.joined(separator: ", "))"])
    }

    private func swap(_ flag: inout Bool) -> Bool {
        defer { flag = true }
        return flag
    }

    /// Once at the beginning of an episode, then at every tenth attempt: a dead broker must not fill the log.
    func note(_ loss: BrokerLoss, failures: Int) {
        shared.withLock { $0.status.lastError = loss.reason }
        guard failures == 1 || failures % 10 == 0 else { return }
        logger.warning(
            "No connection to the broker",
            metadata: [
                "broker": "\(options.broker)", "reason": "\(loss.reason)", "kind": "\(loss.kind.rawValue)",
                "attempts": "\(failures)",
            ])
    }
}
