import Outbox

/// What is outstanding on one connection, and what the broker allows.
struct BrokerSession {
    struct InFlight {
        let message: OutboxMessage
        let topic: String
    }

    private(set) var isConnected = false
    private var most: Int
    /// One message goes alone, to see whether the broker takes any.
    var isProbing: Bool
    private(set) var limits = BrokerLimits()
    var inFlight: [Int32: InFlight] = [:]
    /// Tickets of messages that the broker has acknowledged, and the queue has not heard of.
    var taken: [UInt64] = []

    init(window: Int, isProbing: Bool) {
        most = window
        self.isProbing = isProbing
    }

    /// So many messages may be outstanding.
    var window: Int { isProbing ? 1 : most }

    /// What a broker may send to somebody who only publishes: TLS handshake and CONNACK, then a little for each
    /// acknowledgement and ping. More is an attack on our memory: nothing was subscribed to.
    private static let greeting = 256 << 10
    private static let perAcknowledgement = 256
    private static let perSecond = 256
    private let begin = ContinuousClock().now
    private var acknowledgements = 0

    /// When a message was acknowledged last, or was still on its way out.
    private var progress = ContinuousClock().now

    mutating func heard() {
        acknowledgements += 1
        progress = ContinuousClock().now
    }

    /// A broker that answers pings and no messages would be waited for for ever, with the window full.
    ///
    /// - Parameter isSending: not everything has reached the broker's machine; slow is not silent.
    mutating func checkAcknowledgements(
        within patience: Duration, isSending: Bool, at now: ContinuousClock.Instant
    ) throws(BrokerLoss) {
        if inFlight.isEmpty || isSending { progress = now }
        guard progress.duration(to: now) > patience else { return }
        throw BrokerLoss(.refused, "the broker acknowledged no message within \(patience)")
    }

    func checkIncoming(_ bytes: Int, at now: ContinuousClock.Instant) throws(BrokerLoss) {
        let seconds = Int(clamping: begin.duration(to: now).components.seconds)
        let budget =
            BrokerSession.greeting + acknowledgements * BrokerSession.perAcknowledgement
            + seconds * BrokerSession.perSecond
        guard bytes > budget else { return }
        throw BrokerLoss(.protocolError, "the broker sent \(bytes) bytes that nobody asked for")
    }

    mutating func connected(limits: BrokerLimits) {
        isConnected = true
        self.limits = limits
        if let maximum = limits.receiveMaximum, maximum > 0 { most = min(most, Int(maximum)) }
    }
}

/// What a broker of MQTT 5 says of itself when it takes a connection; nil: no limit of its own.
struct BrokerLimits: Equatable {
    /// QoS 1 and 2 messages that may be outstanding.
    var receiveMaximum: UInt16?
    /// Bytes of a whole packet.
    var packetSize: UInt32?
    var maximumQoS: UInt8?
    var retains = true
}
