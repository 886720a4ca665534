/// What to do with a message after an attempt, and when the next attempt may be. Pure: times are given, jitter comes from
/// outside.
package struct DeliveryPolicy: Sendable {
    /// What came of one request.
    package enum Result: Sendable, Equatable {
        case reply(EndpointReply)
        case failure(EndpointFailure)
    }

    package enum Step: Sendable, Equatable {
        /// The endpoint has it.
        case done
        /// The same message again, not before `nextAttempt`.
        case again
        /// In parts, where it can be cut.
        case split
        /// Never again: it is kept with this reason, and those behind it go on.
        case setAside
    }

    package struct Judgement: Sendable, Equatable {
        package let step: Step
        /// What is wrong, for people; nil when nothing is.
        package let trouble: String?
    }

    /// One attempt with one message.
    package struct Attempt: Sendable, Equatable {
        package let ticket: UInt64
        package let started: ContinuousClock.Instant

        package init(ticket: UInt64, started: ContinuousClock.Instant) {
            self.ticket = ticket
            self.started = started
        }
    }

    /// The first wait after a failure, doubled up to the longest one of its kind.
    static let shortest = Duration.milliseconds(250)
    /// Short enough to be steady again five seconds after an endpoint comes back.
    static let longestOutage = Duration.seconds(4)
    /// Where the endpoint itself works and does not want what we send: haste helps nobody.
    static let longestRefusal = Duration.seconds(30)
    /// After an answer that only people can mend.
    static let held = Duration.seconds(30)
    /// The most that an endpoint may have us wait.
    static let longestRetryAfter = Duration.seconds(300)

    private let mostTries: Int
    private var wait = DeliveryPolicy.shortest
    private var lastFailure: ContinuousClock.Instant?
    /// Refusals of messages that are not done yet, by ticket.
    private var tries: [UInt64: Int] = [:]
    /// Attempts since the last one that the endpoint took.
    package private(set) var failuresInARow = 0
    package private(set) var isHeld = false
    package private(set) var nextAttempt: ContinuousClock.Instant

    /// - Parameter tries: how often a message is sent that the endpoint refuses; at least once.
    package init(tries: Int, now: ContinuousClock.Instant) {
        mostTries = max(1, tries)
        nextAttempt = now
    }

    /// The next attempt comes at once: something of ours has changed.
    package mutating func startOver(at now: ContinuousClock.Instant) {
        wait = DeliveryPolicy.shortest
        lastFailure = nil
        failuresInARow = 0
        isHeld = false
        nextAttempt = now
    }

    /// - Parameters:
    ///   - time: seconds since 1970, for a `Retry-After` that is a date.
    ///   - jitter: 0…1, spreads the attempts of many gateways.
    package mutating func judge(
        _ result: Result, _ attempt: Attempt, at now: ContinuousClock.Instant, time: Int64,
        jitter: @autoclosure () -> Double
    ) -> Judgement {
        switch result {
        case .failure(let failure):
            back(off: attempt, upTo: DeliveryPolicy.longestOutage, at: now, jitter: jitter())
            return Judgement(step: .again, trouble: failure.reason)
        case .reply(let reply):
            if 200..<300 ~= reply.status {
                succeed(attempt)
                // Which part was not taken, if any, stands in a body that is not read: sending all again would repeat the
                // rest.
                return Judgement(step: .done, trouble: reply.status == 207 ? reply.trouble : nil)
            }
            return judge(reply, attempt, at: now, time: time, jitter: jitter())
        }
    }

    /// Of an answer that is no success.
    private mutating func judge(
        _ reply: EndpointReply, _ attempt: Attempt, at now: ContinuousClock.Instant, time: Int64, jitter: Double
    ) -> Judgement {
        switch reply.status {
        case 300..<400, 401, 403, 407:
            hold(attempt, at: now, jitter: jitter)
            return Judgement(step: .again, trouble: reply.trouble)
        case 413:
            return Judgement(step: .split, trouble: reply.trouble)
        case 408, 425, 429, 500...:
            let longest = reply.status == 429 ? DeliveryPolicy.longestRefusal : DeliveryPolicy.longestOutage
            back(off: attempt, upTo: longest, at: now, jitter: jitter)
            guard let asked = RetryAfter.seconds(reply.retryAfter, replied: reply.date, time: time) else {
                return Judgement(step: .again, trouble: reply.trouble)
            }
            let wanted = min(.seconds(asked), DeliveryPolicy.longestRetryAfter)
            nextAttempt = max(nextAttempt, now.advanced(by: wanted + .milliseconds(250) * jitter))
            return Judgement(step: .again, trouble: "\(reply.trouble); it asks to wait \(asked) s")
        default:
            // An endpoint that refuses one message after the other is wrong itself: the wait, which only a success ends,
            // keeps the whole outbox from being set aside in a moment.
            back(off: attempt, upTo: DeliveryPolicy.longestRefusal, at: now, jitter: jitter)
            let count = tries[attempt.ticket, default: 0] + 1
            guard count >= mostTries else {
                tries[attempt.ticket] = count
                return Judgement(step: .again, trouble: reply.trouble)
            }
            tries[attempt.ticket] = nil
            return Judgement(step: .setAside, trouble: reply.trouble)
        }
    }

    /// A message that is too large by itself cannot be cut: it is set aside.
    package mutating func isUncuttable(_ attempt: Attempt, at now: ContinuousClock.Instant, jitter: Double) {
        tries[attempt.ticket] = nil
        back(off: attempt, upTo: DeliveryPolicy.longestRefusal, at: now, jitter: jitter)
    }

    private mutating func succeed(_ attempt: Attempt) {
        tries[attempt.ticket] = nil
        wait = DeliveryPolicy.shortest
        failuresInARow = 0
        isHeld = false
    }

    private mutating func back(
        off attempt: Attempt, upTo longest: Duration, at now: ContinuousClock.Instant, jitter: Double
    ) {
        guard isNews(attempt, at: now) else { return }
        isHeld = false
        wait = min(wait, longest)
        nextAttempt = max(nextAttempt, now.advanced(by: wait * (0.5 + jitter / 2)))
        wait = min(wait * 2, longest)
    }

    private mutating func hold(_ attempt: Attempt, at now: ContinuousClock.Instant, jitter: Double) {
        guard isNews(attempt, at: now) else { return }
        isHeld = true
        nextAttempt = max(nextAttempt, now.advanced(by: DeliveryPolicy.held * (0.75 + jitter / 4)))
    }

    /// Of several requests that fail together only the first one counts.
    private mutating func isNews(_ attempt: Attempt, at now: ContinuousClock.Instant) -> Bool {
        if let lastFailure, attempt.started < lastFailure { return false }
        lastFailure = now
        failuresInARow += 1
        return true
    }
}
