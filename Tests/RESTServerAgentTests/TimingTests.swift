import Foundation
import NIOCore
import Testing

@testable import RESTServerAgent
@testable import SecurityPolicy

/// What must not be told by the time an answer takes. Interleaved samples, their medians compared, and tried once more
/// when they differ: the bounds are far wider than the noise and far narrower than what a missing hash would show.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct TimingTests {
    /// The medians of two ways to do something, measured in turns.
    struct Comparison: CustomStringConvertible {
        var first: [Double] = []
        var second: [Double] = []

        static func median(_ values: [Double]) -> Double {
            let sorted = values.sorted()
            return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        }

        /// How far the medians lie apart, in parts of the larger one.
        var difference: Double {
            let medians = (Self.median(first), Self.median(second))
            return abs(medians.0 - medians.1) / max(medians.0, medians.1, .leastNonzeroMagnitude)
        }

        var description: String {
            let times = [first, second].map { "\(Int(Self.median($0) * 1e6)) µs" }
            return "medians \(times.joined(separator: " and ")) of \(first.count), apart \(Int(difference * 1000)) ‰"
        }
    }

    /// Runs both `runs` times; the order within a pair is drawn, so that neither always comes first.
    static func compare(
        _ runs: Int, _ first: () async throws -> Void, _ second: () async throws -> Void
    ) async rethrows -> Comparison {
        var comparison = Comparison()
        func time(_ body: () async throws -> Void) async rethrows -> Double {
            let begin = ContinuousClock.now
            try await body()
            return (ContinuousClock.now - begin) / .seconds(1)
        }
        for _ in 0..<runs {
            if Bool.random() {
                comparison.first.append(try await time(first))
                comparison.second.append(try await time(second))
            } else {
                comparison.second.append(try await time(second))
                comparison.first.append(try await time(first))
            }
        }
        return comparison
    }

    static func expectAlike(
        _ what: String, within bound: Double, _ measure: () async throws -> Comparison
    ) async rethrows {
        let comparison = try await measure()
        print("timing of \(what): \(comparison)")
        guard comparison.difference > bound else { return }
        let again = try await measure()
        print("timing of \(what), again: \(again)")
        #expect(again.difference <= bound, "\(what): \(comparison), then \(again)")
    }

    @Test func theMeasureSeesADifference() {
        let quiet = (0..<50).map { 0.1 + Double($0 % 7) * 0.01 }
        #expect(Comparison(first: quiet, second: quiet.reversed()).difference < 0.05)
        #expect(Comparison(first: quiet, second: quiet.map { $0 * 1.6 }).difference > 0.3)
        // A few that were held up move nothing.
        #expect(Comparison(first: quiet, second: quiet.dropLast(10) + Array(repeating: 9, count: 10)).difference < 0.2)
    }

    /// An unknown user costs the same hash as a known one with a wrong password.
    @Test func knownAndUnknownUsers() async throws {
        let directory = NSTemporaryDirectory() + "/sallyport-timing-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let users = try await UserStore.open(
            dataDirectory: directory, parameters: .init(rounds: 512, blockSize: 8, parallelism: 1))
        try await users.add(name: "viewer", password: Fixture.password, groups: ["viewers"])
        let verifier = PasswordVerifier(users: users)
        var number = 0
        func attempt(_ user: String) async {
            number += 1
            // Another password and address each time: nothing is remembered, nobody is slowed down.
            let client = "10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
            let verdict = await verifier.verify(user: user, password: "wrong password \(number)", client: client)
            guard case .refused = verdict else {
                Issue.record("\(user) from \(client): \(verdict)")
                return
            }
        }
        let before = verifier.computations
        await Self.expectAlike("known and unknown users", within: 0.3) {
            await Self.compare(1000) {
                await attempt("viewer")
            } _: {
                await attempt("nobody")
            }
        }
        #expect(verifier.computations - before >= 2000)
    }

    /// Hidden by a permission, by the items, or not there: one answer, and many ids at once do not tell either.
    @Test(arguments: [
        ("Simulator.T2.Hidden", "Simulator.T2.Hiddes"), ("Secret.PLC.Key", "Secret.PLC.Kez"),
        ("Outside.D.T", "Outside.D.S"),
    ])
    func hiddenAndUnknownTags(_ hidden: String, _ unknown: String) async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            func ask(_ id: String) async throws -> RawConnection.Response {
                // As many as make the tags the most of the work.
                let ids = "[" + Array(repeating: "\"\(id)\"", count: 400).joined(separator: ",") + "]"
                try await connection.send(
                    Fixture.request("POST", "/iotgateway/read", [Fixture.viewer], body: ids))
                return try await connection.response()
            }
            let answers = (try await ask(hidden), try await ask(unknown))
            #expect(answers.0.comparable == answers.1.comparable.replacing(unknown, with: hidden))
            #expect(answers.0.body.contains("unknown tag"))
            try await Self.expectAlike("hidden and unknown tags (\(hidden))", within: 0.2) {
                try await Self.compare(1000) {
                    _ = try await ask(hidden)
                } _: {
                    _ = try await ask(unknown)
                }
            }
        }
    }
}
