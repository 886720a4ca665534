import Subprocess
import TestPeers
import Testing

/// What the real gateway tells by the time of its answers, seen from a client. Interleaved, medians, once more when they
/// differ: the bound is far from the noise and far from what a missing hash would show.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct LoginTimingTests {
    /// A hash takes about a second in a debug build: half of `runs` for each kind of user.
    private static let runs = 50

    @Test("a wrong password of a known user takes as long as an unknown user")
    func users() async throws {
        let port = try freePort()
        let plant = try await PlantConfiguration(restPort: port).plant()
        try await plant.running { gateway in
            var number = 0
            func attempt(_ user: String) async throws -> Double {
                number += 1
                // Each from an address of its own: nobody is slowed down for what others did.
                let times = try await Self.curl(
                    [
                        "--cacert", "\(plant.dataDirectory)/tls/default.pem", "-u", "\(user):wrong password \(number)",
                        "--interface", "127.1.\(number / 200).\(number % 200 + 1)",
                    ], ["https://127.0.0.1:\(port)/iotgateway/browse"])
                let time = try #require(times.first)
                #expect(time.status == 401, "\(user), attempt \(number): \(times)")
                return time.seconds
            }
            _ = try await attempt("nobody")
            try await Self.expectAlike("known and unknown users", within: 0.4) {
                var known: [Double] = []
                var unknown: [Double] = []
                for _ in 0..<Self.runs / 2 {
                    known.append(try await attempt("viewer"))
                    unknown.append(try await attempt("nobody"))
                }
                return (known, unknown)
            }
        }
    }

    @Test("a hidden tag takes as long as one that does not exist")
    func tags() async throws {
        let port = try freePort()
        var configuration = PlantConfiguration(restPort: port)
        configuration.viewerTags = "Simulation.**"
        let plant = try await configuration.plant()
        try await plant.running { gateway in
            let url = "https://127.0.0.1:\(port)/iotgateway/read?"
            // The longest request: what is told by one id in nanoseconds is told by a thousand in microseconds.
            let hidden = url + Array(repeating: "ids=Plant.PLC1.Level", count: 1000).joined(separator: "&")
            let unknown = hidden.replacing("Level", with: "Nevel")
            try await Self.expectAlike("hidden and unknown tags", within: 0.4) {
                // One connection for all; the first answers warm it up. Neither always comes behind the other.
                let isHidden = (0..<Self.runs + 5).flatMap { _ in Bool.random() ? [true, false] : [false, true] }
                let times = try await Self.curl(
                    ["--cacert", "\(plant.dataDirectory)/tls/default.pem", "-u", PlantConfiguration.viewer],
                    isHidden.map { $0 ? hidden : unknown })
                try #require(times.count == isHidden.count)
                #expect(times.allSatisfy { $0.status == 200 })
                let measured = zip(isHidden, times).dropFirst(10)
                return (measured.filter(\.0).map(\.1.seconds), measured.filter { !$0.0 }.map(\.1.seconds))
            }
        }
    }

    private static func expectAlike(
        _ what: String, within bound: Double, _ measure: () async throws -> ([Double], [Double])
    ) async throws {
        func difference() async throws -> Double {
            let (first, second) = try await measure()
            try #require(first.count == second.count && first.count >= runs / 2)
            let medians = (first.sorted()[first.count / 2], second.sorted()[first.count / 2])
            print("timing of \(what): medians \(medians.0) s and \(medians.1) s")
            return abs(medians.0 - medians.1) / max(medians.0, medians.1)
        }
        let first = try await difference()
        guard first > bound else { return }
        let second = try await difference()
        #expect(second <= bound, "\(what): apart by \(first), then \(second)")
    }

    /// From the whole request sent to the first byte of the answer: without connection and handshake.
    private static func curl(
        _ arguments: [String], _ urls: [String]
    ) async throws -> [(status: Int, seconds: Double)] {
        let format = "%{stderr}%{http_code} %{time_pretransfer} %{time_starttransfer}\\n"
        // Many long URLs are more than a command line holds.
        let configuration = urls.map { "url = \"\($0)\"\n" }.joined()
        let result = try await run(
            .name("curl"), arguments: Arguments(["-s", "-g", "--max-time", "20", "-w", format, "-K", "-"] + arguments),
            input: .string(configuration), output: .discarded, error: .string(limit: 1 << 20))
        return result.standardError.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ")
            guard parts.count == 3, let status = Int(parts[0]), let sent = Double(parts[1]),
                let answered = Double(parts[2])
            else { return nil }
            return (status, answered - sent)
        }
    }
}
