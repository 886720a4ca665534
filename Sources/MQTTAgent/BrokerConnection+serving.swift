import Glibc
import Outbox
import TLS

extension BrokerConnection {
    /// Of MQTT 3.1.1, which does not say what a broker takes: as many as libmosquitto keeps in flight by itself.
    private static let oldWindow = 20
    /// Handed over before the socket is looked at again.
    private static let most = 1000
    private static let connectTimeout = Duration.seconds(10)
    /// How long an orderly goodbye may take.
    private static let farewell = Duration.seconds(3)
    /// A message that is refused without a reason, alone, for so many keepalives is set aside.
    private static let patience = 2

    /// Why a connection ended in order.
    enum Ending {
        case stopped
        /// To be followed by another.
        case reconnecting
    }

    /// One connection, from its beginning to its loss, or to its orderly end.
    func serve(_ attempts: inout ConnectionAttempts) throws(BrokerLoss) -> Ending {
        var tls: ClientTLSContext?
        if options.broker.usesTLS {
            do {
                tls = try ClientTLSContext(options: options.tls, host: options.broker.host)
            } catch {
                throw BrokerLoss(.tls, error.description)
            }
        }
        let client = try MosquittoClient(
            options: options, version: attempts.version, will: attempts.lowered(options.lastWill), tls: tls)
        try client.connect(to: options.broker, keepalive: options.keepalive)
        var session = BrokerSession(
            window: attempts.version == .v5 ? OutboxQueue.window : BrokerConnection.oldWindow,
            isProbing: attempts.isProbing)
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: BrokerConnection.connectTimeout)
        var nextHousekeeping = clock.now
        var goodbye: ContinuousClock.Instant?
        while true {
            let now = clock.now
            if !session.isConnected, now >= deadline {
                throw BrokerLoss(.network, "the broker did not answer within \(BrokerConnection.connectTimeout)")
            }
            let ends = isStopping, isLeaving = !ends && isReconnecting
            if ends || isLeaving {
                guard session.isConnected else { return ends ? .stopped : .reconnecting }
                let end = goodbye ?? now.advanced(by: BrokerConnection.farewell)
                goodbye = end
                let isFlushed = session.inFlight.isEmpty && (isLeaving || queue.depth.messages == 0)
                if isFlushed || now >= end {
                    try finish(session, client, isLast: ends)
                    return ends ? .stopped : .reconnecting
                }
            }
            // A QoS 0 publish is done as soon as it is written: go on until nothing waits, or the window is full.
            var handedOver = 0
            while session.isConnected, !isLeaving, handedOver < BrokerConnection.most,
                case let count = try fill(&session, client, attempts), count > 0
            {
                handedOver += count
                try handle(client.takeEvents(), &session, client, &attempts)
            }
            if now >= nextHousekeeping {
                // Before a ping is on its way, which is no progress.
                try session.checkAcknowledgements(
                    within: options.keepalive * 2, isSending: client.wantsToWrite || client.bytesUnsent > 0, at: now)
                try client.housekeeping()
                try session.checkIncoming(client.bytesReceived, at: now)
                nextHousekeeping = now.advanced(by: .seconds(1))
            }
            let isHungUp: Bool
            do throws(BrokerLoss) {
                isHungUp = try transfer(client, until: nextHousekeeping)
            } catch {
                // What the broker told before the library failed says more than its error code: a refusal, who took over.
                // That the connection is gone, in the library's own numbers, says less.
                let events = client.takeEvents().filter { event in
                    if case .disconnected(let code) = event { code >= 0x80 } else { true }
                }
                try handle(events, &session, client, &attempts)
                throw error
            }
            try session.checkIncoming(client.bytesReceived, at: now)
            let events = client.takeEvents()
            try handle(events, &session, client, &attempts)
            if isHungUp, events.isEmpty {
                throw BrokerLoss(.network, "\(options.broker) refused or reset the connection")
            }
        }
    }

    private func handle(
        _ events: [BrokerEvent], _ session: inout BrokerSession, _ client: MosquittoClient,
        _ attempts: inout ConnectionAttempts
    ) throws(BrokerLoss) {
        // What the broker has taken before it broke with us it has taken.
        defer {
            if !session.taken.isEmpty {
                queue.acknowledge(session.taken)
                session.taken.removeAll(keepingCapacity: true)
                Failpoint.afterAcknowledgement.reach()
            }
        }
        for event in events { try handle(event, &session, client, &attempts) }
    }

    private func handle(
        _ event: BrokerEvent, _ session: inout BrokerSession, _ client: MosquittoClient,
        _ attempts: inout ConnectionAttempts
    ) throws(BrokerLoss) {
        switch event {
        case .connected(let code, let limits):
            guard code == 0 else { throw .refusal(connack: code) }
            guard !session.isConnected else {
                throw BrokerLoss(.protocolError, "the broker broke the MQTT protocol: a second CONNACK")
            }
            session.connected(limits: limits)
            tellLimits(limits)
            attempts.connected(at: ContinuousClock().now)
            connected(version: attempts.version)
            if let birth = options.birth { try publish(birth, session.limits, over: client) }
        case .disconnected(let code):
            if code == 0x95 { shrink(session, &attempts) }
            throw .disconnection(code: code)
        case .published(let id, let reason):
            session.heard()
            guard let entry = session.inFlight.removeValue(forKey: id) else { return }
            if reason >= 0x80 {
                let refusal = MessageRefusal(reason: reason)
                // Passing trouble: the message stays, and is sent again, in order, over a new connection.
                if refusal.isPassing {
                    let isAlone = session.isProbing && session.inFlight.isEmpty
                    attempts.isProbing = true
                    if isAlone, refusal.isUnexplained,
                        attempts.isRefusedForGood(
                            entry.message.ticket, within: options.keepalive * BrokerConnection.patience,
                            at: ContinuousClock().now)
                    {
                        return setAside(entry.message, refusal, topic: entry.topic)
                    }
                    throw BrokerLoss(.refused, "the broker takes no message now: \(refusal)")
                }
                // A broker that did not tell its limit: halves until they pass, or until they are single events.
                if refusal.isTooLarge, entry.message.events > 1 {
                    let bytes = entry.message.payload(gateway: options.gateway, agent: options.name).count
                    if queue.split(entry.message.ticket, bytes: bytes / 2) { return }
                }
                if refusal.isForbidden, entry.topic == options.topic { try checkRights(&attempts) }
                setAside(entry.message, refusal, topic: entry.topic)
            } else {
                session.isProbing = false
                attempts.isProbing = false
                attempts.forbiddenInARow = 0
                acknowledged(entry)
                session.taken.append(entry.message.ticket)
            }
        }
    }

    /// Hands over as many messages as the window takes. 0 when there was nothing to hand over, or no room.
    private func fill(
        _ session: inout BrokerSession, _ client: MosquittoClient, _ attempts: ConnectionAttempts
    ) throws(BrokerLoss) -> Int {
        var count = 0
        while session.inFlight.count < session.window, let message = queue.next() {
            count += 1
            // Of an agent that was a REST client once: no topic.
            let topic = message.topic ?? options.topic
            let properties = PublishProperties(message.identity(gateway: options.gateway, agent: options.name))
            let payload = message.payload(gateway: options.gateway, agent: options.name)
            if let most = session.limits.packetSize {
                let around = properties.packetOverhead(topic: topic)
                if payload.count + around > Int(most) {
                    tooLarge(message, payload.count, most: Int(most) - around, topic: topic)
                    continue
                }
            }
            if let least = attempts.tooLarge, payload.count >= least {
                tooLarge(message, payload.count, most: least / 2, topic: topic)
                continue
            }
            let outcome = try client.publish(
                payload[...], topic: topic, qos: options.qos.lowered(to: session.limits.maximumQoS),
                retain: options.retain && session.limits.retains, properties: properties)
            switch outcome {
            case .accepted(let id):
                session.inFlight[id] = BrokerSession.InFlight(message: message, topic: topic)
                Failpoint.afterSend.reach()
            case .refused(let refusal): setAside(message, refusal, topic: topic)
            }
        }
        return count
    }

    /// Where tags have topics of their own, those that are forbidden hold up nobody. Where all go to one, an account that may
    /// not write it would turn all data into dead letters, and those are bounded: then the rest waits in the outbox.
    private func checkRights(_ attempts: inout ConnectionAttempts) throws(BrokerLoss) {
        guard attempts.forbiddenInARow >= ConnectionAttempts.mostForbidden else {
            attempts.forbiddenInARow += 1
            return
        }
        attempts.isProbing = true
        throw BrokerLoss(
            .credentials,
            "the broker's access rules refused \(ConnectionAttempts.mostForbidden) messages in a row, which are set aside; "
                + "the others wait until the account may write \(options.topic)")
    }

    /// A broker that had told no limit ended the connection because a message was too large: which one it was shows when one
    /// goes alone.
    private func shrink(_ session: BrokerSession, _ attempts: inout ConnectionAttempts) {
        attempts.isProbing = true
        guard session.inFlight.count == 1, let entry = session.inFlight.values.first else { return }
        let bytes = entry.message.payload(gateway: options.gateway, agent: options.name).count
        attempts.tooLarge = min(bytes, attempts.tooLarge ?? .max)
        tooLarge(entry.message, bytes, most: bytes / 2, topic: entry.topic)
    }

    /// Where a message is larger than the broker takes, its events may go in several.
    private func tooLarge(_ message: OutboxMessage, _ bytes: Int, most: Int, topic: String) {
        if message.events > 1, queue.split(message.ticket, bytes: most) { return }
        setAside(message, MessageRefusal(tooLarge: bytes), topic: topic)
    }

    /// Sending it again would be refused again, and everything behind it would wait for ever.
    private func setAside(_ message: OutboxMessage, _ refusal: MessageRefusal, topic: String) {
        refused(refusal, topic: topic)
        queue.setAside(message.ticket, reason: "\(refusal)")
    }

    private func publish(
        _ notice: MQTTNotice, _ limits: BrokerLimits, over client: MosquittoClient
    ) throws(BrokerLoss) {
        let outcome = try client.publish(
            Array(notice.message.utf8)[...], topic: notice.topic, qos: notice.qos.lowered(to: limits.maximumQoS),
            retain: notice.retain && limits.retains)
        if case .refused(let refusal) = outcome { refused(refusal, topic: notice.topic) }
    }

    private func finish(_ session: BrokerSession, _ client: MosquittoClient, isLast: Bool) throws(BrokerLoss) {
        // The broker drops the last will of a client that says goodbye: say the same in our own words.
        if isLast, let will = options.lastWill { try publish(will, session.limits, over: client) }
        try client.disconnect()
        let end = ContinuousClock().now.advanced(by: .seconds(1))
        while client.wantsToWrite, ContinuousClock().now < end { try transfer(client, until: end) }
    }

    // MARK: Waiting

    /// Waits until the socket or the wake-up has something, at most until `deadline`, and lets the library work.
    ///
    /// - Returns: whether the other side is gone. A refused connection under TLS is no error to the library, which would be
    ///   asked again at once, without an end.
    @discardableResult
    private func transfer(
        _ client: MosquittoClient, until deadline: ContinuousClock.Instant
    ) throws(BrokerLoss) -> Bool {
        let socket = client.socket
        guard socket >= 0 else { throw BrokerLoss(.network, "the connection is lost") }
        let wanted = client.wantsToWrite ? POLLIN | POLLOUT : POLLIN
        var descriptors = [
            pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket, events: Int16(wanted), revents: 0),
        ]
        unsafe poll(&descriptors, 2, ContinuousClock().now.milliseconds(until: deadline))
        if descriptors[0].revents != 0 { wakeUp.clear() }
        let isHungUp = descriptors[1].revents & Int16(POLLERR | POLLHUP) != 0
        if isHungUp { try failIfBroken(socket) }
        if descriptors[1].revents & Int16(POLLOUT) != 0 { try client.write() }
        if descriptors[1].revents & ~Int16(POLLOUT) != 0 { try client.read() }
        return isHungUp
    }

    /// The system's own word for it, where nobody has asked for it before.
    private func failIfBroken(_ socket: Int32) throws(BrokerLoss) {
        var number: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(socket, SOL_SOCKET, SO_ERROR, &number, &length) == 0, number != 0 else { return }
        throw BrokerLoss(.network, "connecting to \(options.broker): \(unsafe String(cString: strerror(number)))")
    }
}
