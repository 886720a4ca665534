import CCurl
import Glibc
import Logging
import Outbox
import TLS

/// What the thread of an `EndpointConnection` does, from its start to its end, and what only it has.
///
/// As many requests as `delivery` allows are under way. What is to be sent again comes before anything else of the queue, and
/// nothing is sent before the policy's next attempt: so the order stays, where there is one.
final class EndpointSession {
    /// How long an orderly end may take.
    private static let farewell = Duration.seconds(3)
    private static let longestWait: Int32 = 60_000

    private let connection: EndpointConnection
    private let queue: OutboxQueue
    private let inFlight: Int
    private let clock = ContinuousClock()
    private var policy: DeliveryPolicy
    private var outage = EpisodeLog()
    private var refusal = EpisodeLog()
    private var hasDelivered = false
    /// Of the message that was cut last: that its parts are taken does not mean that messages are small enough.
    private var cutSequence: UInt64?
    private var active: [CurlTransfer] = []
    private var idle: [CurlTransfer] = []
    /// In order.
    private var again: [OutboxMessage] = []
    /// The next request, made ready while the answer to the one before is awaited. While all goes well only.
    private var ready: CurlTransfer?

    init(_ connection: EndpointConnection) {
        self.connection = connection
        queue = connection.queue
        inFlight = connection.options.delivery.inFlight
        policy = DeliveryPolicy(tries: connection.options.tries, now: clock.now)
    }

    func run() {
        while !connection.isAbandoned {
            do throws(EndpointFailure) {
                let multi = try CurlMulti(connections: inFlight)
                connection.wakeUp.set(multi)
                if try deliver(over: multi) { break }
            } catch {
                // The library has no memory, or no descriptor: nothing was asked of the endpoint.
                fail(error, at: clock.now)
                if connection.isStopping { break }
                usleep(1_000_000)
            }
        }
        connection.wakeUp.set(nil)
    }

    /// Until the end (true), or until connections are to be made anew.
    private func deliver(over multi: CurlMulti) throws(EndpointFailure) -> Bool {
        defer { giveUp(multi) }
        var end: ContinuousClock.Instant?
        while !connection.isAbandoned {
            let now = clock.now
            if connection.isStopping {
                let last = end ?? now.advanced(by: EndpointSession.farewell)
                end = last
                let isDone = active.isEmpty && (policy.failuresInARow > 0 || queue.depth.messages == 0)
                if isDone || now >= last { return true }
            } else if connection.isReconnecting, active.isEmpty {
                connection.reconnected()
                policy.startOver(at: now)
                connection.logger.info(
                    "Connections to the endpoint are made anew",
                    metadata: ["endpoint": "\(connection.options.endpoint)"])
                return false
            }
            try begin(over: multi, at: now)
            try multi.perform()
            reachFailpoint()
            var any = false
            while let (transfer, code) = multi.takeEnded(of: active) {
                any = true
                active.removeAll { $0 === transfer }
                finish(transfer, code)
                idle.append(transfer)
            }
            guard !any else { continue }
            try makeReady()
            try multi.wait(milliseconds: wait(until: end))
        }
        return true
    }

    /// What is under way was not answered: it is sent again, by whoever comes next.
    private func giveUp(_ multi: CurlMulti) {
        for transfer in active {
            multi.remove(transfer)
            if let message = transfer.takeMessage() { sendAgain(message) }
        }
        active = []
        takeBackReady()
        idle = []
    }

    private func wait(until end: ContinuousClock.Instant?) -> Int32 {
        let now = clock.now
        var wait = EndpointSession.longestWait
        if policy.nextAttempt > now { wait = min(wait, now.milliseconds(until: policy.nextAttempt)) }
        if let end { wait = min(wait, now.milliseconds(until: end)) }
        return wait
    }

    private func begin(over multi: CurlMulti, at now: ContinuousClock.Instant) throws(EndpointFailure) {
        while active.count < inFlight, now >= policy.nextAttempt, !connection.isReconnecting || connection.isStopping {
            guard let transfer = try nextTransfer() else { return }
            do throws(EndpointFailure) {
                try multi.add(transfer)
                transfer.start(at: clock.now)
                active.append(transfer)
            } catch {
                if let message = transfer.takeMessage() { sendAgain(message) }
                throw error
            }
        }
    }

    private func nextTransfer() throws(EndpointFailure) -> CurlTransfer? {
        if let transfer = ready {
            ready = nil
            return transfer
        }
        guard let message = again.isEmpty ? queue.next() : again.removeFirst() else { return nil }
        return try transfer(of: message)
    }

    private func transfer(of message: OutboxMessage) throws(EndpointFailure) -> CurlTransfer {
        do throws(EndpointFailure) {
            let transfer: CurlTransfer =
                if let used = idle.popLast() { used } else { try CurlTransfer(options: connection.options) }
            try transfer.prepare(message)
            return transfer
        } catch {
            sendAgain(message)
            throw error
        }
    }

    private func makeReady() throws(EndpointFailure) {
        guard ready == nil, again.isEmpty, policy.failuresInARow == 0, !active.isEmpty, let message = queue.next()
        else {
            return
        }
        ready = try transfer(of: message)
    }

    /// Something else goes before it.
    private func takeBackReady() {
        guard let transfer = ready else { return }
        ready = nil
        if let message = transfer.takeMessage(), !connection.isAbandoned { queue.takeBack(message.ticket) }
        idle.append(transfer)
    }

    private func sendAgain(_ message: OutboxMessage) {
        let place = again.firstIndex { $0.ticket > message.ticket } ?? again.endIndex
        again.insert(message, at: place)
    }

    private func reachFailpoint() {
        #if DEBUG
            if active.contains(where: \.isSent) { Failpoint.afterSend.reach() }
        #endif
    }

    // MARK: What came of it

    private func finish(_ transfer: CurlTransfer, _ code: CURLcode) {
        guard let message = transfer.takeMessage(), !connection.isAbandoned else { return }
        let now = clock.now
        let attempt = DeliveryPolicy.Attempt(ticket: message.ticket, started: transfer.started)
        let result = transfer.result(code)
        connection.requested(connections: transfer.newConnections, httpVersion: transfer.httpVersion)
        let judgement = policy.judge(
            result, attempt, at: now, time: Int64(time(nil)), jitter: Double.random(in: 0...1))
        if judgement.step != .done { takeBackReady() }
        switch judgement.step {
        case .done: done(message, judgement.trouble, at: now)
        case .again:
            sendAgain(message)
            note(judgement.trouble ?? "", result, at: now)
        case .split:
            let trouble = judgement.trouble ?? ""
            guard queue.split(message.ticket, bytes: transfer.size / 2) else {
                let why = message.events > 1 ? "its events cannot be told apart" : "one event cannot be cut"
                policy.isUncuttable(attempt, at: now, jitter: Double.random(in: 0...1))
                return setAside(message, "\(trouble); \(why)", at: now)
            }
            cutSequence = message.sequence
            connection.told(trouble)
            guard refusal.failed(1, at: now) else { return }
            connection.logger.warning(
                "The endpoint takes smaller messages only: they are sent in parts",
                metadata: ["bytes": "\(transfer.size)", "reason": "\(trouble)"])
        case .setAside: setAside(message, judgement.trouble ?? "", at: now)
        }
    }

    private func done(_ message: OutboxMessage, _ trouble: String?, at now: ContinuousClock.Instant) {
        Failpoint.afterAcknowledgement.reach()
        queue.acknowledge(message.ticket)
        let isWhole = cutSequence != message.sequence
        connection.delivered(events: message.events, trouble: trouble, isAllWell: isWhole)
        if let trouble {
            if refusal.failed(1, at: now) {
                connection.logger.warning(
                    "The endpoint took a part of a message only", metadata: ["reason": "\(trouble)"])
            }
        } else if isWhole {
            refusal.isOver()
        }
        guard outage.ended(at: now) || !hasDelivered else { return }
        hasDelivered = true
        connection.logger.info(
            "The endpoint takes messages",
            metadata: [
                "endpoint": "\(connection.options.endpoint)", "http": "\(connection.status.httpVersion ?? "")",
            ])
    }

    private func setAside(_ message: OutboxMessage, _ reason: String, at now: ContinuousClock.Instant) {
        queue.setAside(message.ticket, reason: reason)
        connection.refused(reason)
        guard refusal.failed(1, at: now) else { return }
        connection.logger.error(
            "The endpoint refuses a message, which is set aside",
            metadata: ["sequence": "\(message.sequence)", "reason": "\(reason)"])
    }

    private func note(_ trouble: String, _ result: DeliveryPolicy.Result, at now: ContinuousClock.Instant) {
        connection.failed(trouble, isHeld: policy.isHeld)
        guard outage.failed(policy.failuresInARow, at: now) else { return }
        let kind =
            switch result {
            case .failure(let failure): failure.kind.rawValue
            case .reply(let reply): "\(reply.status)"
            }
        connection.logger.warning(
            "The endpoint does not take messages",
            metadata: [
                "endpoint": "\(connection.options.endpoint)", "reason": "\(trouble)", "kind": "\(kind)",
                "attempts": "\(policy.failuresInARow)",
            ])
    }

    private func fail(_ failure: EndpointFailure, at now: ContinuousClock.Instant) {
        _ = policy.judge(
            .failure(failure), DeliveryPolicy.Attempt(ticket: 0, started: now), at: now, time: 0,
            jitter: Double.random(in: 0...1))
        note(failure.reason, .failure(failure), at: now)
    }
}

extension ContinuousClock.Instant {
    /// For a wait: rounded up, never negative, at most an hour.
    fileprivate func milliseconds(until later: ContinuousClock.Instant) -> Int32 {
        let (seconds, attoseconds) = duration(to: later).components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return Int32(min(seconds, 3600) * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
