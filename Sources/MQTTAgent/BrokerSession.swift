/// What is outstanding on one connection.
struct BrokerSession {
    struct InFlight {
        let sequence: UInt64
        let events: Int
        let topic: String
    }

    private(set) var isConnected = false
    private(set) var window: Int
    var inFlight: [Int32: InFlight] = [:]

    init(window: Int) {
        self.window = window
    }

    /// What a broker may send to somebody who only publishes: TLS handshake and CONNACK, then a little for each
    /// acknowledgement and ping. More is an attack on our memory: nothing was subscribed to.
    private static let greeting = 256 << 10
    private static let perAcknowledgement = 256
    private static let perSecond = 256
    private let begin = ContinuousClock().now
    private var acknowledgements = 0

    mutating func heard() { acknowledgements += 1 }

    func checkIncoming(_ bytes: Int, at now: ContinuousClock.Instant) throws(BrokerLoss) {
        let seconds = Int(clamping: begin.duration(to: now).components.seconds)
        let budget =
            BrokerSession.greeting + acknowledgements * BrokerSession.perAcknowledgement
            + seconds * BrokerSession.perSecond
        guard bytes > budget else { return }
        throw BrokerLoss(.protocolError, "the broker sent \(bytes) bytes that nobody asked for")
    }

    mutating func connected(receiveMaximum: UInt16?) {
        isConnected = true
        if let receiveMaximum, receiveMaximum > 0 { window = min(window, Int(receiveMaximum)) }
    }
}
