import Foundation
import GRDB
import Synchronization
import Tags
import Testing

@testable import SecurityPolicy

@Suite(.timeLimit(.minutes(2)))
struct TokenTests {
    private static let hour: Int64 = 3_600_000_000

    private static func run(_ body: (UserStore, PasswordVerifier) async throws -> Void) async throws {
        try await UserStoreTests.withDirectory { path in
            let users = try await UserStoreTests.open(path)
            try await body(users, PasswordVerifier(users: users))
        }
    }

    private static func in1h(_ hours: Int64 = 1) -> Timestamp {
        Timestamp(microseconds: Timestamp.now.microseconds + hours * hour)
    }

    @Test func tokenIsShownOnceAndOutlivesTheProcess() async throws {
        try await UserStoreTests.withDirectory { path in
            let secret: String
            do {
                let users = try await UserStoreTests.open(path)
                secret = try await users.createToken(name: "Pump-7", groups: ["viewers", "Viewers", "a"])
                #expect(secret.wholeMatch(of: /sp_[A-Za-z0-9_-]{43}/) != nil)
                #expect(try await users.createToken(name: "other", groups: ["viewers"]) != secret)
            }
            for file in try FileManager.default.contentsOfDirectory(atPath: path) {
                let bytes = try Data(contentsOf: URL(fileURLWithPath: path + "/" + file))
                #expect(bytes.range(of: Data(secret.utf8.dropFirst(3))) == nil)
            }
            let users = try await UserStoreTests.open(path)
            #expect(users.tokens().map(\.name) == ["other", "Pump-7"])
            let verifier = PasswordVerifier(users: users)
            let principal = Principal(.token, name: "Pump-7", groups: ["a", "viewers"])
            #expect(verifier.verify(token: secret, client: "10.0.0.1") == .verified(principal))
            #expect(principal.description == "token Pump-7")
            #expect(verifier.computations == 0)
        }
    }

    @Test func secretsAreBase64URLOfAllTheirBits() {
        var seen: Set<Character> = []
        for _ in 0..<200 {
            let secret = APIToken.newSecret()
            let padded = String(secret.dropFirst(3)).replacing("-", with: "+").replacing("_", with: "/") + "="
            #expect(Data(base64Encoded: padded)?.count == 32)
            seen.formUnion(secret.dropFirst(3))
        }
        #expect(seen.count == 64)
    }

    @Test func onlyTheExactTextIsTheToken() async throws {
        try await Self.run { users, verifier in
            let secret = try await users.createToken(name: "pump", groups: ["viewers"])
            let last = try #require(secret.last)
            let flipped = "\(secret.dropLast())\(last == "A" ? "B" : "A")"
            for text in [
                "", "sp_", secret + "=", secret + "\0", secret + " ", " " + secret, String(secret.dropLast()),
                flipped, secret.uppercased(), "SP_\(secret.dropFirst(3))", String(secret.dropFirst(3)),
                String(repeating: "sp_", count: 100_000), "sp_" + String(repeating: "é", count: 21) + "a",
            ] {
                #expect(verifier.verify(token: text, client: nil) == .refused, "\(text.prefix(60))")
                #expect(verifier.receipt(token: text) == nil)
            }
        }
    }

    @Test func revokingCountsAtOnce() async throws {
        try await Self.run { users, verifier in
            let secret = try await users.createToken(name: "pump", groups: ["viewers"])
            let kept = try await users.createToken(name: "kept", groups: ["viewers"])
            var receipt = try #require(verifier.receipt(token: secret))
            var other = try #require(verifier.receipt(token: kept))
            #expect(verifier.stillHolds(&receipt))
            try await users.add(name: "bob", password: UserStoreTests.password, groups: ["viewers"])
            #expect(verifier.stillHolds(&receipt), "the change of somebody else")
            try await users.revokeToken(name: "PUMP")
            #expect(!verifier.stillHolds(&receipt))
            #expect(verifier.stillHolds(&other))
            #expect(verifier.verify(token: secret, client: nil) == .refused)
            #expect(verifier.receipt(token: secret) == nil)
            // Of the same name, but another one.
            _ = try await users.createToken(name: "pump", groups: ["viewers"])
            #expect(!verifier.stillHolds(&receipt))
            await #expect(throws: SecurityPolicyError.noSuchToken("nobody")) {
                try await users.revokeToken(name: "nobody")
            }
        }
    }

    /// At the very moment of its end, on a connection too, and as the clock says when it is set back.
    @Test func expiryIsHonouredAtEveryRequest() async throws {
        try await UserStoreTests.withDirectory { path in
            let users = try await UserStoreTests.open(path)
            let end = Self.in1h()
            let secret = try await users.createToken(name: "pump", groups: ["viewers"], expires: end)
            let stored = try #require(users.token(named: "pump")?.expires)
            #expect(stored.milliseconds == end.milliseconds)
            let time = Mutex(stored.microseconds - 1)
            let verifier = PasswordVerifier(
                users: users, wallClock: { Timestamp(microseconds: time.withLock { $0 }) }, now: { .now })
            let right = PasswordVerifier.Verdict.verified(Principal(.token, name: "pump", groups: ["viewers"]))
            #expect(verifier.verify(token: secret, client: "a") == right)
            var receipt = try #require(verifier.receipt(token: secret))
            #expect(verifier.stillHolds(&receipt))
            time.withLock { $0 += 1 }
            #expect(!verifier.stillHolds(&receipt))
            #expect(verifier.receipt(token: secret) == nil)
            // However often: who had a token does not guess.
            #expect((0..<50).allSatisfy { _ in verifier.verify(token: secret, client: "a") == .refused })
            time.withLock { $0 -= 1 }
            #expect(verifier.verify(token: secret, client: "a") == right)
        }
    }

    @Test func whatMakesNoToken() async throws {
        try await Self.run { users, _ in
            func refusal(
                _ name: String, _ groups: [String] = ["g"], expires: Timestamp? = nil
            ) async -> SecurityPolicyError? {
                do throws(SecurityPolicyError) {
                    _ = try await users.createToken(name: name, groups: groups, expires: expires)
                    return nil
                } catch {
                    return error
                }
            }
            #expect(await refusal("pump") == nil)
            #expect(await refusal("PUMP") == .tokenExists("PUMP"))
            #expect(await refusal("none", []) == .tokenWithoutGroup)
            #expect(await refusal("old", expires: .now) == .tokenLife)
            #expect(await refusal("far", expires: Timestamp(microseconds: .max)) == .tokenLife)
            #expect(await refusal("ever", expires: Self.in1h(90 * 24)) == nil)
            for name in ["", "a b\n", "anonymous", "a\0b", String(repeating: "x", count: 32)] {
                guard case .tokenName? = await refusal(name) else {
                    Issue.record("\(name.debugDescription) was taken")
                    continue
                }
            }
        }
    }

    /// Guesses make the address wait; a right token does not, and the same wrong one again is no guess.
    @Test func wrongTokensCountForTheAddress() async throws {
        try await Self.run { users, verifier in
            let secret = try await users.createToken(name: "pump", groups: ["viewers"])
            let right = PasswordVerifier.Verdict.verified(Principal(.token, name: "pump", groups: ["viewers"]))
            let stale = APIToken.newSecret()
            for text in [stale, "nonsense"] {
                #expect((0..<100).allSatisfy { _ in verifier.verify(token: text, client: "10.0.0.1") == .refused })
            }
            var verdicts: [PasswordVerifier.Verdict] = []
            for _ in 0..<20 { verdicts.append(verifier.verify(token: APIToken.newSecret(), client: "10.0.0.1")) }
            guard case .throttled(let wait)? = verdicts.last else { return #expect(Bool(false), "\(verdicts)") }
            #expect(wait > .zero && wait <= .seconds(60))
            #expect(verifier.verify(token: secret, client: "10.0.0.1") == right)
            #expect(verifier.verify(token: APIToken.newSecret(), client: "10.0.0.2") == .refused)
            guard case .throttled = await verifier.verify(user: "x", password: "y", client: "10.0.0.1") else {
                return #expect(Bool(false), "a password from the same address was looked at")
            }
            #expect(verifier.computations == 0)
        }
    }

    @Test func tokenOfAGroupThatHasGoneHasNothing() {
        let token = Principal(.token, name: "pump", groups: ["gone"])
        let policy = PolicySnapshot(groups: [
            GroupOptions(name: "viewers", allow: [.init(tags: .everything, actions: [.browse, .read])])
        ])
        #expect(policy.decide(token, .browse, TagName(validated: "Plant.PLC1.Level")) == .denied(.noRule))
    }

    @Test func aFileOfTheFirstVersionIsTakenOver() async throws {
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/security-1.sqlite")
        try await UserStoreTests.withDirectory { path in
            try FileManager.default.copyItem(atPath: fixture.path, toPath: path + "/security.sqlite")
            let version = try await DatabaseQueue(path: path + "/security.sqlite").read {
                try Int.fetchOne($0, sql: "PRAGMA user_version")
            }
            #expect(version == 1)
            for _ in 0..<2 {
                let users = try await UserStore.open(dataDirectory: path)
                #expect(users.list().map(\.name) == ["Ada", "j.doe"])
                #expect(users.hasAdministrator)
                #expect(users.user(named: "j.doe")?.isDisabled == true)
                if users.tokens().isEmpty { _ = try await users.createToken(name: "pump", groups: ["viewers"]) }
                #expect(users.tokens().map(\.name) == ["pump"])
                let verdict = await PasswordVerifier(users: users).verify(
                    user: "ada", password: "correct horse battery staple")
                #expect(verdict == .verified(Principal(user: "Ada", groups: ["Administrators"])))
            }
        }
    }

    @Test func aDamagedColumnIsASentence() async throws {
        try await UserStoreTests.withDirectory { path in
            do {
                let users = try await UserStoreTests.open(path)
                _ = try await users.createToken(name: "pump", groups: ["viewers"])
            }
            try await DatabaseQueue(path: path + "/security.sqlite").write { db in
                try db.execute(sql: "UPDATE tokens SET created = 'yesterday'")
            }
            await #expect { _ = try await UserStoreTests.open(path) } throws: { "\($0)".contains("created") }
        }
    }
}
