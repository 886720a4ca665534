import Testing

@testable import SecurityPolicy

/// The throttle with a clock that only the test moves.
private struct Door {
    var throttle = LoginThrottle()
    let start = ContinuousClock.now
    var passed = Duration.zero

    var now: ContinuousClock.Instant { start + passed }

    /// A wrong try: nil when it was looked at, else how long to wait.
    mutating func wrong(_ user: String, _ client: String, isKnown: Bool = false) -> Duration? {
        if let wait = throttle.admit(user: user, client: client, isKnown: isKnown, at: now) { return wait }
        throttle.failed(user: user, client: client, isKnown: isKnown, at: now)
        return nil
    }

    mutating func right(_ user: String, _ client: String, isKnown: Bool = false) -> Duration? {
        if let wait = throttle.admit(user: user, client: client, isKnown: isKnown, at: now) { return wait }
        throttle.succeeded(user: user, client: client, isKnown: isKnown, at: now)
        return nil
    }
}

@Suite(.timeLimit(.minutes(1)))
struct LoginThrottleTests {
    @Test func waitsGrowToACap() {
        var door = Door()
        var waits: [Duration] = []
        for _ in 0..<14 {
            while let wait = door.wrong("ada", "10.0.0.1") {
                if waits.last != wait { waits.append(wait) }
                door.passed += wait
            }
        }
        // The failures that are forgotten while it waits for minutes keep it from ever going past this.
        #expect(waits.starts(with: [1, 2, 4, 8, 16, 32, 64].map { .seconds($0) }), "\(waits)")
        #expect(waits.allSatisfy { $0 <= LoginThrottle.pairPace.cap })
        let pace = LoginThrottle.Pace(free: 2, cap: .seconds(300))
        #expect(pace.wait(after: 1) == .zero)
        #expect(pace.wait(after: 11) == .seconds(300))
        #expect(pace.wait(after: 60) == .seconds(300))
    }

    @Test func askingWhileItWaitsMakesItNoLonger() {
        var door = Door()
        for _ in 0..<3 { #expect(door.wrong("ada", "10.0.0.1") == nil) }
        for _ in 0..<50 { #expect(door.wrong("ada", "10.0.0.1") == .seconds(1)) }
        door.passed += .milliseconds(999)
        #expect(door.right("ada", "10.0.0.1") == .milliseconds(1))
        door.passed += .milliseconds(1)
        #expect(door.right("ada", "10.0.0.1") == nil)
    }

    @Test func successForgetsWhatTheNameFailedThere() {
        var door = Door()
        for _ in 0..<3 { _ = door.wrong("ada", "10.0.0.1") }
        door.passed += .seconds(1)
        #expect(door.right("ADA", "10.0.0.1") == nil)
        for _ in 0..<3 { #expect(door.wrong("ada", "10.0.0.1") == nil) }
    }

    /// One address after the other, each with the right password among the first tries from there.
    @Test func floodNeverKeepsAnotherAddressOut() {
        var door = Door()
        for attacker in 0..<3000 {
            for _ in 0..<4 { _ = door.wrong("ada", "10.1.\(attacker / 256).\(attacker % 256)") }
            door.passed += .milliseconds(10)
            if attacker % 100 == 0 { #expect(door.right("ada", "10.2.0.\(attacker / 100)") == nil) }
        }
    }

    @Test func attackedNameHasFewerFreeTriesWhereItIsNotKnown() {
        var door = Door()
        for attacker in 0..<20 { _ = door.wrong("ada", "10.1.0.\(attacker)") }
        #expect(door.wrong("ada", "10.2.0.1") == nil)
        #expect(door.wrong("ada", "10.2.0.1") == .seconds(1))
        for _ in 0..<3 { #expect(door.wrong("ada", "10.2.0.2", isKnown: true) == nil) }
        // Others are not concerned.
        for _ in 0..<3 { #expect(door.wrong("bob", "10.2.0.3") == nil) }
    }

    /// Guessing through many names is slowed by the address, but not for a name that is known there.
    @Test func addressWaitsWhateverTheName() {
        var door = Door()
        for number in 0..<10 { #expect(door.wrong("user\(number)", "10.0.0.1") == nil) }
        #expect(door.wrong("another", "10.0.0.1") == .seconds(1))
        #expect(door.right("ada", "10.0.0.1", isKnown: true) == nil)
        #expect(door.wrong("another", "10.0.0.1") == .seconds(1), "a login of one's own buys no guess")
        #expect(door.wrong("another", "10.0.0.2") == nil)
    }

    @Test func onlyOneTryIsUnderWayAfterAWait() {
        var door = Door()
        for _ in 0..<3 { _ = door.wrong("ada", "10.0.0.1") }
        door.passed += .seconds(1)
        func admit() -> Duration? { door.throttle.admit(user: "ada", client: "10.0.0.1", isKnown: false, at: door.now) }
        #expect(admit() == nil)
        #expect(admit() == .seconds(1))
        door.throttle.withdrawn(user: "ada", client: "10.0.0.1", isKnown: false, at: door.now)
        #expect(admit() == nil)
    }

    @Test func failuresAreForgotten() {
        var door = Door()
        for _ in 0..<3 { _ = door.wrong("ada", "10.0.0.1") }
        door.passed += LoginThrottle.forgetting * 3
        for _ in 0..<3 { #expect(door.wrong("ada", "10.0.0.1") == nil) }
        #expect(door.wrong("ada", "10.0.0.1") == .seconds(1))
    }

    @Test func tokensCountForTheAddress() {
        var door = Door()
        for _ in 0..<10 { door.throttle.failed(client: "10.0.0.1", at: door.now) }
        #expect(door.throttle.wait(client: "10.0.0.1", at: door.now) == .seconds(1))
        #expect(door.throttle.wait(client: "10.0.0.2", at: door.now) == nil)
        #expect(door.right("ada", "10.0.0.1") == .seconds(1))
    }

    @Test func tablesAreBounded() {
        var door = Door()
        for _ in 0..<9 { _ = door.wrong("ada", "here") }
        for number in 0..<(3 * LoginThrottle.rows) {
            _ = door.wrong("user\(number)", "client\(number)")
            door.passed += .milliseconds(1)
        }
        let count = door.throttle.count
        #expect(max(count.pairs, count.clients, count.users) <= LoginThrottle.rows)
        #expect(min(count.pairs, count.clients, count.users) > LoginThrottle.rows / 2)
    }

    /// The clock of a virtual machine may stand still or, seen from another core, go back a little.
    @Test func aClockThatGoesBackEndsNothing() {
        var door = Door()
        for _ in 0..<5 { _ = door.wrong("ada", "10.0.0.1") }
        door.passed -= .seconds(10)
        #expect(door.wrong("ada", "10.0.0.1") == .seconds(11))
        #expect(door.wrong("bob", "10.0.0.2") == nil)
    }

    /// 100 000 steps by chance: who has failed nothing is never kept out, nobody waits past the cap, and nothing traps.
    @Test func chanceFindsNoWayAroundIt() {
        var generator = Chance(state: 0x5a11_7090)
        var door = Door()
        var failing: Set<String> = []
        var longest = Duration.zero
        var keptOut = 0
        for _ in 0..<100_000 {
            let client = "c\(Int.random(in: 0..<40, using: &generator))"
            let user = "u\(Int.random(in: 0..<10, using: &generator))"
            let isKnown = Bool.random(using: &generator)
            door.passed += .milliseconds(Int.random(in: 0..<3000, using: &generator))
            let wait: Duration?
            switch Int.random(in: 0..<4, using: &generator) {
            // The clients with low numbers only ever know their password.
            case 0: wait = door.right(user, client, isKnown: isKnown)
            case 1: wait = client.count > 2 ? door.wrong(user, client, isKnown: isKnown) : nil
            case 2:
                wait = door.throttle.admit(user: user, client: client, isKnown: isKnown, at: door.now)
                if wait == nil { door.throttle.withdrawn(user: user, client: client, isKnown: isKnown, at: door.now) }
            default:
                wait = door.throttle.wait(client: client, at: door.now)
                if wait == nil, client.count > 2 { door.throttle.failed(client: client, at: door.now) }
            }
            if client.count > 2 { failing.insert(client) }
            if let wait {
                longest = max(longest, wait)
                if !failing.contains(client) { keptOut += 1 }
            }
        }
        #expect(keptOut == 0)
        #expect(longest > .zero && longest <= LoginThrottle.pairPace.cap)
        #expect(door.throttle.count.pairs <= 400)
    }
}

/// Always the same numbers: SplitMix64.
private struct Chance: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
