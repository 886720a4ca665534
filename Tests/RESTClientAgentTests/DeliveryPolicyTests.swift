import RESTClientAgent
import Testing

/// What is done after each answer, and when. Times are given; the jitter is 1, so that waits are at their longest.
@Suite("The policy of delivery", .timeLimit(.minutes(1)))
struct DeliveryPolicyTests {
    private static let begin = ContinuousClock.now

    /// Attempts one after the other, each at the time of the policy's next one.
    private struct Course {
        var policy: DeliveryPolicy
        var now = DeliveryPolicyTests.begin
        var waits: [Duration] = []
        var steps: [DeliveryPolicy.Step] = []
        var lastTrouble: String?

        init(tries: Int = 3) {
            policy = DeliveryPolicy(tries: tries, now: now)
        }

        mutating func attempt(_ result: DeliveryPolicy.Result, ticket: UInt64 = 1) {
            now = max(now, policy.nextAttempt)
            let judgement = policy.judge(
                result, DeliveryPolicy.Attempt(ticket: ticket, started: now), at: now, time: 1_000_000_000, jitter: 1)
            waits.append(max(.zero, now.duration(to: policy.nextAttempt)))
            steps.append(judgement.step)
            lastTrouble = judgement.trouble
        }
    }

    private static let away = DeliveryPolicy.Result.failure(EndpointFailure(.network, "away"))

    private static func status(_ status: Int, retryAfter: String? = nil, date: String? = nil) -> DeliveryPolicy.Result {
        .reply(EndpointReply(status, retryAfter: retryAfter, date: date))
    }

    @Test(arguments: [200, 201, 202, 204, 205, 226])
    func taken(_ status: Int) {
        var course = Course()
        course.attempt(Self.status(status))
        #expect(course.steps == [.done] && course.waits == [.zero] && course.lastTrouble == nil)
    }

    @Test func partlyTakenCountsAsTaken() {
        var course = Course()
        course.attempt(Self.status(207))
        #expect(course.steps == [.done] && course.waits == [.zero])
        #expect(course.lastTrouble?.contains("part of a message only (207)") == true)
    }

    @Test(arguments: [nil, 500, 501, 502, 503, 504, 599, 408, 425])
    func outageDoublesUpToFourSeconds(_ status: Int?) {
        var course = Course()
        for _ in 0..<7 { course.attempt(status.map { Self.status($0) } ?? Self.away) }
        #expect(course.waits == [0.25, 0.5, 1, 2, 4, 4, 4].map { Duration.seconds($0) })
        #expect(course.steps.allSatisfy { $0 == .again } && course.policy.failuresInARow == 7)
        #expect(!course.policy.isHeld)
        course.attempt(Self.status(200))
        course.attempt(Self.away)
        #expect(course.waits.suffix(2) == [.zero, .milliseconds(250)] && course.policy.failuresInARow == 1)
    }

    @Test func jitterHalvesTheWaitAtMost() {
        var policy = DeliveryPolicy(tries: 3, now: Self.begin)
        _ = policy.judge(
            Self.away, .init(ticket: 1, started: Self.begin), at: Self.begin, time: 0, jitter: 0)
        #expect(policy.nextAttempt == Self.begin.advanced(by: .milliseconds(125)))
    }

    @Test func tooFastWaitsLonger() {
        var course = Course()
        for _ in 0..<9 { course.attempt(Self.status(429)) }
        #expect(course.waits.suffix(3) == [16, 30, 30].map { Duration.seconds($0) })
        // An outage that follows is not made worse by it.
        course.attempt(Self.away)
        #expect(course.waits.last == .seconds(4))
    }

    @Test(arguments: [429, 503, 500])
    func retryAfterIsHonoured(_ status: Int) {
        var course = Course()
        course.attempt(Self.status(status, retryAfter: "120"))
        #expect(course.waits == [.seconds(120) + .milliseconds(250)])
        #expect(course.lastTrouble?.hasSuffix("it asks to wait 120 s") == true)
    }

    @Test func retryAfterIsCapped() {
        var course = Course()
        course.attempt(Self.status(503, retryAfter: "86400"))
        #expect(course.waits == [.seconds(300) + .milliseconds(250)])
    }

    @Test(arguments: ["", "-5", "1.5", "soon", "86401", "99999999999999999999", "Sat, 08 Sep 2001 21:46:40 GMT"])
    func retryAfterThatMakesNoSenseIsNone(_ text: String) {
        var course = Course()
        course.attempt(Self.status(503, retryAfter: text))
        #expect(course.waits == [.milliseconds(250)])
    }

    @Test func aDateCountsFromTheEndpointsOwnClock() {
        var course = Course()
        // 1 000 000 000 is Sun, 09 Sep 2001 01:46:40 GMT.
        course.attempt(Self.status(503, retryAfter: "Sun, 09 Sep 2001 01:47:00 GMT"))
        #expect(course.waits.last == .seconds(20) + .milliseconds(250))
        course.attempt(
            Self.status(
                503, retryAfter: "Mon, 29 Feb 2016 12:00:07 GMT", date: "Mon, 29 Feb 2016 12:00:00 GMT"))
        #expect(course.waits.last == .seconds(7) + .milliseconds(250))
    }

    @Test(arguments: [401, 403, 407, 301, 302, 303, 307, 308, 304])
    func whatOnlyPeopleCanMendIsHeld(_ status: Int) {
        var course = Course()
        for _ in 0..<5 { course.attempt(Self.status(status)) }
        #expect(course.waits.allSatisfy { $0 == .seconds(30) } && course.steps.allSatisfy { $0 == .again })
        #expect(course.policy.isHeld)
        // Something was mended: at once.
        course.policy.startOver(at: course.now)
        #expect(course.policy.nextAttempt == course.now && !course.policy.isHeld)
        course.attempt(Self.status(200))
        #expect(!course.policy.isHeld && course.steps.last == .done)
    }

    @Test(arguments: [400, 404, 405, 409, 410, 415, 422, 431, 451])
    func refusedMessagesAreSetAside(_ status: Int) {
        var course = Course()
        for _ in 0..<3 { course.attempt(Self.status(status)) }
        #expect(course.steps == [.again, .again, .setAside])
        #expect(course.lastTrouble == "the endpoint refuses the message (\(status))")
        // The next one has tries of its own.
        course.attempt(Self.status(status), ticket: 2)
        #expect(course.steps.last == .again)
        var once = Course(tries: 1)
        once.attempt(Self.status(status))
        #expect(once.steps == [.setAside])
    }

    @Test func anEndpointThatRefusesEverythingIsLeftAloneLonger() {
        var course = Course()
        for ticket: UInt64 in 1...4 {
            for _ in 0..<3 { course.attempt(Self.status(404), ticket: ticket) }
        }
        #expect(course.steps.filter { $0 == .setAside }.count == 4)
        #expect(course.waits.last == .seconds(30))
        course.attempt(Self.status(200), ticket: 5)
        course.attempt(Self.status(404), ticket: 6)
        #expect(course.waits.last == .milliseconds(250))
    }

    @Test func anOutageBetweenDoesNotCountAsARefusal() {
        var course = Course()
        course.attempt(Self.status(400))
        course.attempt(Self.away)
        course.attempt(Self.status(502))
        course.attempt(Self.status(400))
        #expect(course.steps.allSatisfy { $0 == .again })
        course.attempt(Self.status(400))
        #expect(course.steps.last == .setAside)
    }

    @Test func tooLargeIsCutAtOnce() {
        var course = Course()
        course.attempt(Self.status(413))
        #expect(course.steps == [.split] && course.waits == [.zero])
        // One event that is too large: the next message waits, as after any other refusal.
        course.policy.isUncuttable(.init(ticket: 1, started: course.now), at: course.now, jitter: 1)
        #expect(course.now.duration(to: course.policy.nextAttempt) == .milliseconds(250))
    }

    @Test func requestsThatFailTogetherCountOnce() {
        var policy = DeliveryPolicy(tries: 3, now: Self.begin)
        for ticket: UInt64 in 1...16 {
            _ = policy.judge(
                Self.away, .init(ticket: ticket, started: Self.begin), at: Self.begin.advanced(by: .seconds(5)),
                time: 0, jitter: 1)
        }
        #expect(policy.failuresInARow == 1)
        #expect(policy.nextAttempt == Self.begin.advanced(by: .milliseconds(5250)))
    }

    @Test func aTakenRequestDoesNotShortenAWaitThatWasAskedFor() {
        var policy = DeliveryPolicy(tries: 3, now: Self.begin)
        _ = policy.judge(
            Self.status(503, retryAfter: "60"), .init(ticket: 1, started: Self.begin), at: Self.begin, time: 0,
            jitter: 0)
        _ = policy.judge(Self.status(200), .init(ticket: 2, started: Self.begin), at: Self.begin, time: 0, jitter: 0)
        #expect(policy.nextAttempt == Self.begin.advanced(by: .seconds(60)))
    }
}
