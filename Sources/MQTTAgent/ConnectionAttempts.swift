/// When to connect next, and with which version of MQTT. Pure: times are given, jitter comes from outside.
package struct ConnectionAttempts: Sendable {
    package enum Version: Sendable, Equatable {
        case v5
        case v3_1_1
    }

    /// The first wait after a loss, doubled up to the longest one.
    static let shortest = Duration.milliseconds(250)
    /// Short enough to be steady again five seconds after a broker comes back.
    static let longest = Duration.seconds(4)
    /// After a refusal that only people can mend.
    static let afterRefusal = Duration.seconds(30)
    /// A connection that lasted this long was a good one.
    static let stable = Duration.seconds(10)
    /// So many that did not, one after the other, are no accident.
    static let mostShortLived = 5

    private let choice: MQTTAgentOptions.ProtocolChoice
    private var wait = ConnectionAttempts.shortest
    private var connectedAt: ContinuousClock.Instant?
    private(set) var failuresInARow = 0
    private var shortLivedInARow = 0
    /// The broker took no message when it was asked last: one goes alone before the others, so that a broker which begins
    /// to take messages again takes them in order.
    var isProbing = false
    /// So many messages to the agent's one topic are set aside because the access rules forbid it.
    static let mostForbidden = 1000
    /// Of them, since one was taken.
    var forbiddenInARow = 0
    /// Bytes of a payload for which the broker ended the connection, and had not said that it would.
    var tooLarge: Int?
    /// The message that went alone and was refused without a reason, and when that was first.
    private var refusedAlone: (ticket: UInt64, since: ContinuousClock.Instant)?
    /// What the broker refused of the last will: it cannot say so before CONNACK.
    private var isWillLowered = false
    private var isWillKept = true
    package private(set) var version: Version
    package private(set) var nextAttempt: ContinuousClock.Instant

    package init(choice: MQTTAgentOptions.ProtocolChoice, now: ContinuousClock.Instant) {
        self.choice = choice
        version = choice == .v3_1_1 ? .v3_1_1 : .v5
        nextAttempt = now
    }

    /// Whether the broker ends our connections again and again: trying in a hurry would only go on with a fight.
    package var isThrownOut: Bool { shortLivedInARow >= ConnectionAttempts.mostShortLived }

    /// A last will as the broker takes it, as far as that is known.
    func lowered(_ will: MQTTNotice?) -> MQTTNotice? {
        guard var will else { return nil }
        if isWillLowered { will.qos = .atMostOnce }
        if !isWillKept { will.retain = false }
        return will
    }

    package mutating func connected(at now: ContinuousClock.Instant) {
        connectedAt = now
        failuresInARow = 0
    }

    /// Notes that a message which went alone was refused as if it might be taken later.
    ///
    /// - Returns: whether that has gone on for so long that it holds up those behind it for nothing.
    package mutating func isRefusedForGood(
        _ ticket: UInt64, within patience: Duration, at now: ContinuousClock.Instant
    ) -> Bool {
        guard let refusedAlone, refusedAlone.ticket == ticket else {
            refusedAlone = (ticket, now)
            return false
        }
        return refusedAlone.since.duration(to: now) >= patience
    }

    /// The next attempt is a new beginning and comes at once: something of ours has changed.
    package mutating func startOver(at now: ContinuousClock.Instant) {
        let forbidden = forbiddenInARow
        self = ConnectionAttempts(choice: choice, now: now)
        forbiddenInARow = forbidden
    }

    /// - Parameter jitter: 0…1, spreads the attempts of many gateways.
    package mutating func lost(_ loss: BrokerLoss, at now: ContinuousClock.Instant, jitter: Double) {
        if let connectedAt {
            let isStable = connectedAt.duration(to: now) >= ConnectionAttempts.stable
            if isStable { wait = ConnectionAttempts.shortest }
            shortLivedInARow = isStable ? 0 : shortLivedInARow + 1
        } else if loss.kind == .network {
            // A broker that is away throws nobody out: it restarts, and is to be used again soon.
            shortLivedInARow = 0
        }
        let wasConnected = connectedAt != nil
        connectedAt = nil
        failuresInARow += 1
        switch loss.kind {
        case .willQoS where !isWillLowered:
            isWillLowered = true
            nextAttempt = now
            return
        case .willRetain where isWillKept:
            isWillKept = false
            nextAttempt = now
            return
        case .protocolVersion where choice == .auto && version == .v5:
            version = .v3_1_1
            nextAttempt = now
            return
        case .network where isThrownOut, .credentials, .takenOver, .protocolVersion:
            nextAttempt = now.advanced(by: ConnectionAttempts.afterRefusal * (0.75 + jitter / 4))
        case .network, .tls, .refused, .protocolError, .willQoS, .willRetain:
            nextAttempt = now.advanced(by: wait * (0.5 + jitter / 2))
            wait = min(wait * 2, ConnectionAttempts.longest)
        }
        // A broker that was replaced may speak 5 again.
        if choice == .auto && wasConnected { version = .v5 }
    }
}
