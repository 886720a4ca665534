import GRDB
import Synchronization
import Testing

@testable import SecurityPolicy

/// What happens to the stored hash, the caches and the waits around a login.
@Suite(.timeLimit(.minutes(2)))
struct LoginTests {
    private static let password = UserStoreTests.password
    private static let stronger = PasswordHash.Parameters(rounds: 64, blockSize: 1, parallelism: 1)

    @Test func weakHashIsMadeAnewAtTheNextLogin() async throws {
        try await UserStoreTests.withDirectory { path in
            do {
                let users = try await UserStoreTests.open(path)
                try await users.add(name: "ada", password: Self.password, groups: ["viewers"])
                try await users.add(name: "bob", password: Self.password, groups: ["viewers"])
            }
            let users = try await UserStore.open(dataDirectory: path, parameters: Self.stronger)
            let verifier = PasswordVerifier(users: users)
            #expect(await verifier.verify(user: "bob", password: Self.password) != .refused)
            let changed = users.user(named: "ada")?.changed
            var bob = try #require(verifier.receipt(user: "bob", password: Self.password))
            #expect(await verifier.verify(user: "ada", password: "wrong password") == .refused)
            #expect(users.record(named: "ada").record?.hash.parameters == UserStoreTests.cheap)
            #expect(await verifier.verify(user: "ada", password: Self.password) != .refused)
            #expect(users.record(named: "ada").record?.hash.parameters == Self.stronger)
            #expect(users.user(named: "ada")?.changed == changed)
            // Nobody's remembered login is lost by it.
            let before = verifier.computations
            #expect(verifier.stillHolds(&bob))
            #expect(await verifier.verify(user: "bob", password: Self.password) != .refused)
            #expect(await verifier.verify(user: "ada", password: Self.password) != .refused)
            #expect(verifier.computations == before)
            // And it is in the file.
            let again = try await UserStore.open(dataDirectory: path, parameters: Self.stronger)
            #expect(again.record(named: "ada").record?.hash.parameters == Self.stronger)
            let fresh = PasswordVerifier(users: again)
            #expect(await fresh.verify(user: "ada", password: Self.password) != .refused)
            #expect(fresh.computations == 1)
        }
    }

    @Test func rehashIsDroppedWhenTheUserChangedMeanwhile() async throws {
        try await UserStoreTests.withDirectory { path in
            do {
                let users = try await UserStoreTests.open(path)
                try await users.add(name: "ada", password: Self.password, groups: ["viewers"])
            }
            let users = try await UserStore.open(dataDirectory: path, parameters: Self.stronger)
            let old = try #require(users.record(named: "ada").record)
            try await users.setPassword(of: "ada", to: "another good password here")
            let new = users.record(named: "ada").record?.hash
            await users.rehash(Array(Self.password.utf8), of: old)
            #expect(users.record(named: "ada").record?.hash == new)
            try await users.remove(name: "ada")
            await users.rehash(Array(Self.password.utf8), of: old)
            #expect(users.user(named: "ada") == nil)
        }
    }

    @Test func strongerHashesStay() {
        let current = PasswordHash.Parameters.current
        #expect(!current.isWeaker(than: current))
        #expect(!PasswordHash.Parameters(rounds: 1 << 17, blockSize: 8, parallelism: 1).isWeaker(than: current))
        #expect(PasswordHash.Parameters(rounds: 1 << 14, blockSize: 8, parallelism: 16).isWeaker(than: current))
        #expect(PasswordHash.Parameters(rounds: 1 << 15, blockSize: 8, parallelism: 1).isWeaker(than: current))
    }

    /// Somebody else's change must not cost a thousand clients a scrypt each.
    @Test func changeOfAnotherUserForgetsNothing() async throws {
        try await PasswordVerifierTests.run { users, verifier in
            try await users.add(name: "bob", password: Self.password, groups: ["viewers"])
            for user in ["ada", "bob"] { _ = await verifier.verify(user: user, password: Self.password) }
            #expect(await verifier.verify(user: "new", password: Self.password) == .refused)
            var ada = try #require(verifier.receipt(user: "ada", password: Self.password))
            let before = verifier.computations
            try await users.setGroups(of: "bob", to: ["operators"])
            #expect(verifier.stillHolds(&ada))
            _ = await verifier.verify(user: "ada", password: Self.password)
            #expect(verifier.computations == before)
            _ = await verifier.verify(user: "bob", password: Self.password)
            #expect(verifier.computations == before + 1)
            // A name that was refused because there was none is somebody now.
            try await users.add(name: "new", password: Self.password, groups: ["viewers"])
            #expect(await verifier.verify(user: "new", password: Self.password) != .refused)
        }
    }

    @Test func wrongPasswordsMakeTheAddressWaitAndNobodyElse() async throws {
        try await PasswordVerifierTests.run { users, verifier in
            let ada = PasswordVerifier.Verdict.verified(Principal(user: "ada", groups: ["viewers"]))
            #expect(await verifier.verify(user: "ada", password: Self.password, client: "10.0.0.1") == ada)
            for user in ["ada", "nobody"] {
                var waits = 0
                for number in 0..<8 {
                    let guess = await verifier.verify(user: user, password: "guess \(number)", client: "10.9.0.\(user)")
                    if case .throttled = guess { waits += 1 } else { #expect(guess == .refused) }
                }
                #expect(waits == 5, "\(user)")
            }
            let before = verifier.computations
            // Right before, so no guess: from anywhere, also where somebody guesses, and when it is no longer remembered.
            #expect(await verifier.verify(user: "ada", password: Self.password, client: "10.9.0.ada") == ada)
            try await users.setGroups(of: "ada", to: ["viewers"])
            #expect(await verifier.verify(user: "ada", password: Self.password, client: "10.9.0.ada") == ada)
            // Never right before, but from an address of its own.
            try await users.setPassword(of: "ada", to: "another good password here")
            let new = await verifier.verify(user: "ada", password: "another good password here", client: "10.0.0.2")
            #expect(new == ada)
            #expect(verifier.computations == before + 3)
            // What was right before the change is a guess now.
            #expect(await verifier.verify(user: "ada", password: Self.password, client: "10.0.0.7") == .refused)
            for number in 0..<2 { _ = await verifier.verify(user: "ada", password: "g\(number)", client: "10.0.0.7") }
            guard case .throttled = await verifier.verify(user: "ADA", password: "g9", client: "10.0.0.7") else {
                return #expect(Bool(false), "the fourth guess was looked at")
            }
        }
    }

    @Test func aClientThatPollsWithAnOldPasswordCountsOnce() async throws {
        try await PasswordVerifierTests.run { _, verifier in
            for _ in 0..<100 {
                #expect(await verifier.verify(user: "ada", password: "old password", client: "10.0.0.1") == .refused)
            }
            #expect(await verifier.verify(user: "ada", password: Self.password, client: "10.0.0.1") != .refused)
        }
    }

    /// Old users, whose hash is cheaper than that of new ones, do not stand out from names that do not exist.
    @Test func unknownNamesCostWhatTheUsersCost() async throws {
        try await UserStoreTests.withDirectory { path in
            do {
                let users = try await UserStoreTests.open(path)
                try await users.add(name: "ada", password: Self.password, groups: ["viewers"])
            }
            let users = try await UserStore.open(dataDirectory: path, parameters: Self.stronger)
            #expect(users.cost(ofUnknown: .max) == UserStoreTests.cheap)
            try await users.add(name: "bob", password: Self.password, groups: ["viewers"])
            let costs = (0..<2).map { users.cost(ofUnknown: $0) }
            #expect(costs.contains(UserStoreTests.cheap) && costs.contains(Self.stronger))
        }
    }

    /// Each ends in the memory as in the file, whichever of two changes at once is told first.
    @Test func changesAtOnceAreAllSeen() async throws {
        try await UserStoreTests.withDirectory { path in
            let users = try await UserStoreTests.open(path)
            for round in 0..<20 {
                try await withThrowingDiscardingTaskGroup { group in
                    for number in 0..<10 {
                        group.addTask {
                            try await users.add(name: "u\(round)-\(number)", password: Self.password, groups: ["g"])
                        }
                        group.addTask { _ = try await users.createToken(name: "t\(round)-\(number)", groups: ["g"]) }
                    }
                }
                #expect(users.list().count == 10 * (round + 1))
                #expect(users.tokens().count == 10 * (round + 1))
            }
            let again = try await UserStoreTests.open(path)
            #expect(again.list() == users.list())
            #expect(again.tokens() == users.tokens())
        }
    }

    /// The later of two changes may be told first; what it brought is not taken back, and nothing that was remembered of
    /// the first outlives it.
    @Test func olderContentsDoNotReplaceNewerOnes() async throws {
        try await PasswordVerifierTests.run { users, verifier in
            _ = await verifier.verify(user: "ada", password: Self.password)
            var receipt = try #require(verifier.receipt(user: "ada", password: Self.password))
            let first = try await users.database.change { try UserDatabase.setGroups($0, of: "ada", to: ["first"]) }
            let second = try await users.database.change { try UserDatabase.setGroups($0, of: "ada", to: ["second"]) }
            users.take(second)
            users.take(first)
            #expect(users.user(named: "ada")?.groups == ["second"])
            #expect(!verifier.stillHolds(&receipt))
            let verdict = await verifier.verify(user: "ada", password: Self.password)
            #expect(verdict == .verified(Principal(user: "ada", groups: ["second"])))
        }
    }

    /// A rehash may bring somebody's change along before that is told.
    @Test func aChangeThatComesWithARehashCounts() async throws {
        try await PasswordVerifierTests.run { users, verifier in
            _ = await verifier.verify(user: "ada", password: Self.password)
            var receipt = try #require(verifier.receipt(user: "ada", password: Self.password))
            let hash = try #require(users.record(named: "ada").record?.hash)
            let change = try await users.database.change { try UserDatabase.setGroups($0, of: "ada", to: ["new"]) }
            users.take(try await users.database.change { _ in }, rehashed: ("ada", hash))
            #expect(!verifier.stillHolds(&receipt))
            users.take(change)
            #expect(!verifier.stillHolds(&receipt))
            #expect(users.user(named: "ada")?.groups == ["new"])
        }
    }

    @Test func rightLoginsSurviveChangesAndRehashesAtOnce() async throws {
        try await UserStoreTests.withDirectory { path in
            do {
                let users = try await UserStoreTests.open(path)
                for number in 0..<8 {
                    try await users.add(name: "u\(number)", password: Self.password, groups: ["viewers"])
                }
            }
            let users = try await UserStore.open(dataDirectory: path, parameters: Self.stronger)
            try await withThrowingDiscardingTaskGroup { group in
                for number in 0..<8 {
                    group.addTask {
                        for _ in 0..<10 {
                            // A new one each time: nothing is remembered.
                            let verdict = await PasswordVerifier(users: users).verify(
                                user: "u\(number)", password: Self.password)
                            #expect(verdict != .refused)
                        }
                    }
                }
                group.addTask {
                    for number in 0..<20 {
                        try await users.setGroups(of: "u\(number % 8)", to: ["viewers", "g\(number)"])
                    }
                }
            }
        }
    }

    /// 2000 runs of each; medians, because a busy machine makes outliers. Once more if they differ.
    @Test func knownAndUnknownTakeTheSameTime() async throws {
        let costly = PasswordHash.Parameters(rounds: 128, blockSize: 4, parallelism: 1)
        try await PasswordVerifierTests.run(costly) { users, verifier in
            try await users.add(name: "off", password: Self.password, groups: ["viewers"])
            try await users.disable(name: "off")
            var ratios: [Double] = []
            for round in 0..<3 {
                var times: [String: [Duration]] = [:]
                for number in 0..<2000 {
                    for user in ["ada", "off", "non"] {
                        let time = await ContinuousClock().measure {
                            let guess = "guess \(round) \(number)"
                            #expect(await verifier.verify(user: user, password: guess) == .refused)
                        }
                        times[user, default: []].append(time)
                    }
                }
                let medians = times.mapValues { $0.sorted()[$0.count / 2] }
                let known = try #require(medians["ada"])
                ratios = ["off", "non"].compactMap { medians[$0].map { $0 / known } }
                if ratios.allSatisfy({ (0.9...1.11).contains($0) }) { break }
            }
            #expect(ratios.count == 2 && ratios.allSatisfy { (0.8...1.25).contains($0) }, "\(ratios)")
        }
    }

    /// Two compositions of the same letters are two names, to the database and so to everybody.
    @Test func namesAreComparedByTheirBytes() async throws {
        try await PasswordVerifierTests.run { users, verifier in
            try await users.add(name: "Ren\u{E9}", password: Self.password, groups: ["viewers"])
            for name in [
                "Rene\u{301}", "ren\u{C9}", "Ren\u{E9}\0", "Ren\u{E9} ", "\u{FEFF}Ren\u{E9}", "Ren\u{E9}\u{200B}",
            ] {
                #expect(
                    await verifier.verify(user: name, password: Self.password) == .refused, "\(name.debugDescription)")
                #expect(users.user(named: name) == nil)
            }
            #expect(await verifier.verify(user: "rEN\u{E9}", password: Self.password) != .refused)
            // One user in any case is one to the cache and to the throttle.
            let before = verifier.computations
            #expect(await verifier.verify(user: "REN\u{E9}", password: Self.password) != .refused)
            #expect(verifier.computations == before)
        }
    }

    /// Who waits for the same check as a client that is turned away is not turned away with it.
    @Test func aThrottledClientTakesNobodyAlong() async throws {
        for verdict in [PasswordVerifier.Verdict.busy, .throttled(.seconds(1))] {
            guard case .finishedMeanwhile = PasswordVerifier.Claim(told: verdict) else {
                Issue.record("\(verdict) was told to who waits")
                continue
            }
        }
        let slow = PasswordHash.Parameters(rounds: 4096, blockSize: 8, parallelism: 1)
        try await PasswordVerifierTests.run(slow) { users, verifier in
            for number in 0..<3 { _ = await verifier.verify(user: "ada", password: "g\(number)", client: "10.0.0.1") }
            await withDiscardingTaskGroup { group in
                for number in 0..<40 {
                    group.addTask {
                        let client = number % 2 == 0 ? "10.0.0.1" : "10.0.1.\(number)"
                        let verdict = await verifier.verify(user: "ada", password: Self.password, client: client)
                        if number % 2 == 1 {
                            #expect(verdict == .verified(Principal(user: "ada", groups: ["viewers"])))
                        }
                    }
                }
            }
        }
    }

    /// 64 connections that guess at once get no more than their free tries and what was under way.
    @Test func guessesAtOnceGetNoMoreThanOneAfterTheOther() async throws {
        try await PasswordVerifierTests.run { _, verifier in
            let before = verifier.computations
            await withDiscardingTaskGroup { group in
                for number in 0..<64 {
                    group.addTask {
                        for round in 0..<5 {
                            _ = await verifier.verify(
                                user: "ada", password: "guess \(number) \(round)", client: "10.0.0.1")
                        }
                    }
                }
            }
            #expect(verifier.computations - before == LoginThrottle.pairPace.free)
        }
    }
}
