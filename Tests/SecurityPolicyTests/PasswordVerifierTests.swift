import Synchronization
import Testing

@testable import SecurityPolicy

@Suite(.timeLimit(.minutes(2)))
struct PasswordVerifierTests {
    static let password = UserStoreTests.password

    static func run(
        _ parameters: PasswordHash.Parameters = UserStoreTests.cheap,
        _ body: (UserStore, PasswordVerifier) async throws -> Void
    ) async throws {
        try await UserStoreTests.withDirectory { path in
            let users = try await UserStore.open(dataDirectory: path, parameters: parameters)
            try await users.add(name: "ada", password: password, groups: ["viewers"])
            try await body(users, PasswordVerifier(users: users))
        }
    }

    @Test func scryptIsWhatRFC7914Says() {
        let digest = PasswordHash.digest(
            of: Array("password".utf8), salt: Array("NaCl".utf8),
            parameters: .init(rounds: 1024, blockSize: 8, parallelism: 16))
        let start: [UInt8] = [0xfd, 0xba, 0xbe, 0x1c, 0x9d, 0x34, 0x72, 0x00]
        #expect(digest?.prefix(8).elementsEqual(start) == true)
        #expect(
            PasswordHash.digest(of: [1], salt: [], parameters: .init(rounds: 3, blockSize: 8, parallelism: 1)) == nil)
    }

    @Test func rightAndWrong() async throws {
        try await Self.run { users, verifier in
            let ada = PasswordVerifier.Verdict.verified(Principal(user: "ada", groups: ["viewers"]))
            #expect(await verifier.verify(user: "ada", password: Self.password) == ada)
            #expect(await verifier.verify(user: "ADA", password: Self.password) == ada)
            #expect(await verifier.verify(user: "ada", password: Self.password + " ") == .refused)
            #expect(await verifier.verify(user: "ad", password: "a" + Self.password) == .refused)
            #expect(await verifier.verify(user: "bob", password: Self.password) == .refused)
            #expect(await verifier.verify(user: "ada", password: "") == .refused)
            for end in ["\0", "\0\0\0"] {
                #expect(await verifier.verify(user: "ada", password: Self.password + end) == .refused)
            }
            let long = String(repeating: "a", count: 1025)
            #expect(await verifier.verify(user: "ada", password: long) == .refused)
            try await users.disable(name: "ada")
            #expect(await verifier.verify(user: "ada", password: Self.password) == .refused)
        }
    }

    @Test func passwordsAreComparedInNFKC() async throws {
        try await Self.run { users, verifier in
            try await users.add(name: "eve", password: "pâte à modeler ﬁne", groups: ["viewers"])
            let typed = "pa\u{302}te a\u{300} modeler fine"
            #expect(await verifier.verify(user: "eve", password: typed) != .refused)
        }
    }

    @Test func verifiedOnceIsRememberedUntilAChange() async throws {
        try await Self.run { users, verifier in
            let before = verifier.computations
            for _ in 0..<100 { _ = await verifier.verify(user: "ada", password: Self.password) }
            #expect(verifier.computations == before + 1)
            try await users.setGroups(of: "ada", to: ["operators"])
            let changed = await verifier.verify(user: "ada", password: Self.password)
            #expect(changed == .verified(Principal(user: "ada", groups: ["operators"])))
            #expect(verifier.computations == before + 2)
        }
    }

    @Test func unknownUsersCostAHashToo() async throws {
        try await Self.run { users, verifier in
            try await users.add(name: "off", password: Self.password, groups: ["viewers"])
            try await users.disable(name: "off")
            var before = verifier.computations
            for (user, password) in [("nobody", Self.password), ("off", Self.password), ("ada", "wrong")] {
                #expect(await verifier.verify(user: user, password: password) == .refused)
                #expect(verifier.computations == before + 1)
                before += 1
            }
        }
    }

    /// The same wrong password from many connections is one computation; different ones fill the queue and no more.
    @Test func floodIsBounded() async throws {
        let slow = PasswordHash.Parameters(rounds: 4096, blockSize: 8, parallelism: 1)
        try await Self.run(slow) { _, verifier in
            let before = verifier.computations
            let verdicts = await withTaskGroup(of: PasswordVerifier.Verdict.self) { group in
                for number in 0..<200 {
                    group.addTask { await verifier.verify(user: "ada", password: "guess \(number % 100)") }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(!verdicts.contains { $0 != .refused && $0 != .busy })
            #expect(verdicts.contains(.busy))
            #expect(verdicts.contains(.refused))
            #expect(verifier.computations - before <= 100)
            let right = await verifier.verify(user: "ada", password: Self.password)
            #expect(right == .verified(Principal(user: "ada", groups: ["viewers"])))
        }
    }

    /// One client that floods gets its share and no more; others are let in, also who comes from the same address and
    /// was let in from there before.
    @Test func oneClientLocksNobodyOut() async throws {
        let slow = PasswordHash.Parameters(rounds: 4096, blockSize: 8, parallelism: 1)
        try await Self.run(slow) { users, verifier in
            let ada = PasswordVerifier.Verdict.verified(Principal(user: "ada", groups: ["viewers"]))
            #expect(await verifier.verify(user: "ada", password: Self.password, client: "10.0.0.1") == ada)
            // Forgets the verified credentials, not that they were right.
            try await users.setGroups(of: "ada", to: ["viewers"])
            await withTaskGroup(of: Bool.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        let verdict = await verifier.verify(user: "x", password: "guess \(number)", client: "10.0.0.1")
                        return verdict == .busy
                    }
                }
                // Once one has been turned away the flood has taken all that it gets.
                while let isBusy = await group.next(), !isBusy {}
                #expect(await verifier.verify(user: "ada", password: Self.password, client: "10.0.0.1") == ada)
                #expect(await verifier.verify(user: "ada", password: "wrong", client: "10.0.0.2") == .refused)
            }
        }
    }

    @Test func placesAreKeptForWhoIsKnown() async throws {
        let worker = ScryptWorker()
        let slow = PasswordHash.Parameters(rounds: 1 << 15, blockSize: 8, parallelism: 1)
        await withTaskGroup(of: Bool.self) { group in
            @Sendable func isServed(_ key: String, isKnown: Bool) async -> Bool {
                let digest = try? await worker.digest(
                    of: [1], salt: [2], parameters: slow, for: .init(key: key, isKnown: isKnown))
                return digest != nil
            }
            for number in 0..<(3 * ScryptWorker.queueLimit) {
                group.addTask { await isServed("a\(number)", isKnown: false) }
            }
            while let served = await group.next(), served {}
            #expect(await isServed("known", isKnown: true))
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func aStopGivesUpWhatWaitsAndWhatIsUnderWay() async throws {
        let worker = ScryptWorker()
        // Seconds each.
        let endless = PasswordHash.Parameters(rounds: 1 << 16, blockSize: 8, parallelism: 16)
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<8 {
                group.addTask {
                    do throws(SecurityPolicyError) {
                        _ = try await worker.digest(
                            of: [1], salt: [2], parameters: endless, for: .init(key: "a\(number)"))
                        return false
                    } catch {
                        return error == .busy
                    }
                }
            }
            await Task.yield()
            worker.close()
            for await isBusy in group { #expect(isBusy) }
        }
        await #expect(throws: SecurityPolicyError.self) {
            _ = try await worker.digest(of: [1], salt: [2], parameters: endless, always: true)
        }
    }

    @Test func useKeepsAVerifiedLoginAliveForAnHour() async throws {
        try await UserStoreTests.withDirectory { path in
            let users = try await UserStore.open(dataDirectory: path, parameters: UserStoreTests.cheap)
            try await users.add(name: "ada", password: Self.password, groups: ["viewers"])
            let start = ContinuousClock.now
            let passed = Mutex(Duration.zero)
            let verifier = PasswordVerifier(users: users) { start + passed.withLock { $0 } }
            func verify() async { _ = await verifier.verify(user: "ada", password: Self.password) }
            let before = verifier.computations
            for minute in 0..<60 {
                passed.withLock { $0 = .seconds(60 * minute) }
                // Every four minutes, as a slow client does.
                if minute % 4 == 0 { await verify() }
            }
            #expect(verifier.computations == before + 1)
            var receipt = try #require(verifier.receipt(user: "ada", password: Self.password))
            passed.withLock { $0 = .seconds(3601) }
            #expect(!verifier.stillHolds(&receipt))
            await verify()
            #expect(verifier.computations == before + 2)
            // A connection that asks by its receipt keeps the login alive for the others too.
            receipt = try #require(verifier.receipt(user: "ada", password: Self.password))
            for minute in 0..<20 {
                passed.withLock { $0 = .seconds(3601 + 60 * minute) }
                #expect(verifier.stillHolds(&receipt))
            }
            await verify()
            #expect(verifier.computations == before + 2)
            try await users.setGroups(of: "ada", to: ["operators"])
            #expect(!verifier.stillHolds(&receipt))
            await verify()
            #expect(verifier.computations == before + 3)
            passed.withLock { $0 = .seconds(3601 + 60 * 19 + 301) }
            await verify()
            #expect(verifier.computations == before + 4)
        }
    }
}
