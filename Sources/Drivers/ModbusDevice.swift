package import Logging
package import NIOCore
package import Tags

/// One Modbus TCP device: one connection, one request at a time, polls and writes in turn.
///
/// The actor runs on its event loop's thread, which its connection uses as well: a request, its reply and the decoding
/// of it cost no change of threads, and thousands of devices share a few loops. What is worked out (which addresses go
/// into one request, which reply belongs to what, how bytes become values, how long to wait) stands in pure types
/// beside it; here is the order in which things happen.
package actor ModbusDevice: Driver {
    /// What became of one request.
    enum Outcome {
        case reply(ByteBuffer)
        case exception(ModbusException)
        case timeout
        /// The connection broke, with the request sent.
        case lost(String)
        case violation(ModbusProtocolError)
        /// There was no connection: not a byte was sent.
        case notSent
    }

    struct PendingWrite {
        let id: Int
        let tag: Int
        let request: ModbusRequest
        let continuation: CheckedContinuation<WriteOutcome, Never>
        let expiry: Scheduled<Void>
    }

    static let mostPendingWrites = 64
    /// After this long with nothing but silent blocks, those that answered are asked before they are due.
    static let longestUnheard = TimeAmount.minutes(1)

    nonisolated let options: ModbusDeviceOptions
    nonisolated let loop: any EventLoop
    private nonisolated let executor: any SerialExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let logger: Logger
    let sink: TagSink
    let handles: [TagHandle]
    let access: [TagAccess]
    let codecs: [ModbusTagCodec]
    let indexes: [TagHandle: Int]
    let words: ModbusTrace
    let timeout: TimeAmount
    let names: ModbusNames

    /// What was last reported of each tag.
    var last: [TagValue]
    var groups: [ModbusPollGroup]
    /// When each group is due, as `groups`.
    var due: [NIODeadline]
    var exchange: ModbusExchange
    var backoff: ModbusBackoff
    var state: DeviceStatus
    var listeners = TraceListeners()

    /// Counts connections, so that what an old one still says is not taken for the new one's.
    var connection = 0
    var channel: (any Channel)?
    /// The attempt that is under way.
    var opening: EventLoopPromise<any Channel>?
    var lookingUp: EventLoopFuture<[SocketAddress]>?
    var repliesOnConnection = 0
    /// A block that used to answer has just not done so, and nothing has come since: the next such block decides whether
    /// the device is silent.
    var isDoubted = false
    /// When the last reply came.
    var lastHeard = NIODeadline.now()
    var retryAt = NIODeadline.uptimeNanoseconds(0)
    var isRunning = false
    var isStopping = false
    var runs = 0

    private var outstanding: ModbusRequest?
    private var waiter: CheckedContinuation<Outcome, Never>?
    private var deadline: Scheduled<Void>?
    private var sleeper: CheckedContinuation<Void, Never>?
    private var alarm: Scheduled<Void>?
    var writes: [PendingWrite] = []
    var nextWrite = 0
    /// A write was the last thing sent: a block that is due comes before the next one.
    var isPollOwed = false

    package init(
        name: String, options: ModbusDeviceOptions, tags: [(handle: TagHandle, options: ModbusTagOptions)],
        sink: @escaping TagSink, eventLoopGroup: any EventLoopGroup, names: ModbusNames = .system, logger: Logger
    ) {
        self.names = names
        self.options = options
        self.sink = sink
        var logger = logger
        logger[metadataKey: "device"] = "\(name)"
        self.logger = logger
        loop = eventLoopGroup.next()
        executor = loop.executor
        handles = tags.map(\.handle)
        access = tags.map(\.options.access)
        codecs = tags.map { ModbusTagCodec($0.options, device: options) }
        indexes = Dictionary(tags.enumerated().map { ($1.handle, $0) }, uniquingKeysWith: { first, _ in first })
        words = ModbusTrace(unit: options.unit, isZeroBased: options.isZeroBased)
        timeout = .nanoseconds(options.timeout.pollNanoseconds)
        let never = TagValue(data: .none, quality: .waitingForInitialData, timestamp: Timestamp(microseconds: 0))
        last = Array(repeating: never, count: tags.count)
        groups = ModbusPlan.groups(tags.map(\.options), poll: options.poll)
        due = groups.map { _ in NIODeadline.uptimeNanoseconds(0) }
        exchange = ModbusExchange(unit: options.unit)
        backoff = ModbusBackoff(demotion: options.demotion, poll: options.poll)
        state = DeviceStatus(
            name: name, driver: "modbus-tcp", endpoint: "\(options.host):\(options.port), unit \(options.unit)",
            state: .stopped, tags: tags.count)
    }

    package func status() -> DeviceStatus { state }

    package func trace() -> AsyncStream<TraceEntry> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: TraceEntry.self, bufferingPolicy: .bufferingNewest(TraceListeners.buffered))
        let id = listeners.add(continuation)
        continuation.onTermination = { [weak self] _ in
            guard let self else { return }
            self.loop.execute { self.assumeIsolated { $0.listeners.remove(id) } }
        }
        return stream
    }

    // MARK: One request

    /// Sends a request and waits for what becomes of it, for the device's timeout at most.
    func perform(_ request: ModbusRequest) async -> Outcome {
        guard let channel, channel.isActive, !isStopping else { return .notSent }
        let transaction = exchange.begin(request)
        var frame = channel.allocator.buffer(capacity: 12)
        request.encode(transaction: transaction, unit: options.unit, into: &frame)
        state.requests += 1
        if !listeners.isEmpty {
            listeners.send(words.request(request, transaction: transaction, bytes: Array(frame.readableBytesView)))
        }
        outstanding = request
        return await withCheckedContinuation { continuation in
            waiter = continuation
            deadline = loop.scheduleTask(in: timeout) { self.assumeIsolated { $0.expired(transaction) } }
            // Last: a connection that breaks in this call finds the waiter in its place.
            channel.writeAndFlush(frame, promise: nil)
        }
    }

    private func finish(_ outcome: Outcome) {
        guard let waiter else { return }
        deadline?.cancel()
        deadline = nil
        outstanding = nil
        self.waiter = nil
        waiter.resume(returning: outcome)
    }

    private func expired(_ transaction: UInt16) {
        guard waiter != nil, exchange.transaction == transaction else { return }
        exchange.timeOut()
        event("no reply to transaction \(transaction) within \(options.timeout)")
        finish(.timeout)
    }

    /// A frame from the connection; gives back what is wrong with it.
    func received(_ frame: ModbusFrame, on connection: Int) -> ModbusProtocolError? {
        guard connection == self.connection else { return nil }
        let asked = outstanding
        switch exchange.receive(frame) {
        case .reply(let pdu):
            if !listeners.isEmpty, let asked { listeners.send(words.reply(pdu, to: asked, frame: frame)) }
            finish(.reply(pdu))
        case .exception(let exception):
            if !listeners.isEmpty, let asked { listeners.send(words.exception(exception, to: asked, frame: frame)) }
            finish(.exception(exception))
        case .late(let transaction):
            event("late reply to transaction \(transaction) dropped", bytes: frame)
        case .violation(let error):
            event("\(error)", bytes: frame)
            return error
        }
        return nil
    }

    func expects(_ transaction: UInt16, on connection: Int) -> Bool {
        connection != self.connection || exchange.expects(transaction)
    }

    /// The connection's bytes broke the protocol; it is being closed.
    func violated(_ error: ModbusProtocolError, on connection: Int) {
        guard connection == self.connection else { return }
        channel = nil
        exchange.reset()
        event("protocol error: \(error); the connection is closed")
        if waiter != nil {
            finish(.violation(error))
        } else {
            lostWhileIdle = .violation(error)
            wake()
        }
    }

    /// The connection ended.
    func disconnected(_ reason: String, on connection: Int) {
        guard connection == self.connection, channel != nil else { return }
        channel = nil
        exchange.reset()
        event(reason)
        if waiter != nil {
            finish(.lost(reason))
        } else {
            lostWhileIdle = .lost(reason)
            wake()
        }
    }

    /// How the connection ended with nothing asked; taken up by the poll loop.
    var lostWhileIdle: Outcome?

    // MARK: Waiting

    func sleep(until time: NIODeadline) async {
        guard !isStopping else { return }
        await withCheckedContinuation { continuation in
            sleeper = continuation
            alarm = loop.scheduleTask(deadline: time) { self.assumeIsolated { $0.wake() } }
        }
    }

    /// Waits on an open connection, whatever wakes the sleeper in between.
    func pause(_ time: TimeAmount) async {
        let end = NIODeadline.now() + time
        while channel != nil, !isStopping, NIODeadline.now() < end { await sleep(until: end) }
    }

    func wake() {
        guard let sleeper else { return }
        alarm?.cancel()
        alarm = nil
        self.sleeper = nil
        sleeper.resume()
    }

    /// Ends what is waited for, so that `run` returns soon.
    ///
    /// - Parameter run: which run was cancelled; it may have ended by itself, and another begun.
    func stop(_ run: Int) {
        guard run == runs else { return }
        isStopping = true
        finish(.lost("the gateway is stopping"))
        opened(.failure(CancellationError()), connection)
        wake()
    }

    func event(_ text: @autoclosure () -> String, bytes frame: ModbusFrame? = nil) {
        guard !listeners.isEmpty else { return }
        listeners.send(TraceEntry(time: .now, direction: .event, text: text(), bytes: frame?.bytes ?? []))
    }
}
