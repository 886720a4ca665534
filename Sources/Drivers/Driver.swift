package import Tags

/// What talks to one device. The coordinator builds one per configured device, gives it its handles and a sink, and runs
/// it as a task.
///
/// - `run` MUST return when its task is cancelled, within the device's timeout.
/// - `run` MUST NOT end for anything that the device or the network does: that becomes the quality of its tags.
/// - A batch given to the sink MUST hold only this driver's handles, and SHOULD hold all that one poll brought.
/// - A value MUST NOT be invented: what was not read is not reported good.
/// - The initialiser opens no connection.
package protocol Driver: TagWriter {
    /// Polls until the task is cancelled.
    func run() async

    /// What an engineer asks first when a tag is bad.
    func status() async -> DeviceStatus

    /// Each request, reply and exception from now on. Bounded: a slow reader misses entries and is told how many.
    func trace() async -> AsyncStream<TraceEntry>
}

/// The state of one device for `sallyport device status`.
package struct DeviceStatus: Sendable, Equatable {
    package enum State: String, Sendable {
        case connecting
        case connected
        /// Does not answer; asked at its usual rate.
        case failing
        /// Does not answer; asked less often so that it costs others nothing.
        case demoted
        case stopped
    }

    package var name: String
    package var driver: String
    package var endpoint: String
    package var state: State
    package var tags: Int
    package var requests: UInt64
    package var failures: UInt64
    package var timeouts: UInt64
    package var exceptions: UInt64
    package var reconnects: UInt64
    /// Of the last poll in which the device answered every request, be it with a refusal.
    package var lastPoll: Duration?
    /// The end of the last poll that brought a value.
    package var lastGood: Timestamp?
    /// The last failure in words, with its time.
    package var lastError: String?
    package var lastErrorTime: Timestamp?

    package init(name: String, driver: String, endpoint: String, state: State, tags: Int) {
        self.name = name
        self.driver = driver
        self.endpoint = endpoint
        self.state = state
        self.tags = tags
        requests = 0
        failures = 0
        timeouts = 0
        exceptions = 0
        reconnects = 0
    }
}

/// One line of `sallyport device trace`.
package struct TraceEntry: Sendable, Equatable {
    package enum Direction: String, Sendable {
        case request
        case reply
        case exception
        /// A connection opened or lost, a time-out, entries missed.
        case event
    }

    package var time: Timestamp
    package var direction: Direction
    /// In words: "read holding registers 40001–40010 (10), transaction 17, unit 1".
    package var text: String
    /// The frame as it went over the wire; empty for events.
    package var bytes: [UInt8]

    package init(time: Timestamp, direction: Direction, text: String, bytes: [UInt8] = []) {
        self.time = time
        self.direction = direction
        self.text = text
        self.bytes = bytes
    }
}
