import Foundation
import TestPeers
import Testing

/// Clients that hold connections and do as little as they can, all from 127.0.0.2 or a few more addresses; another from
/// 127.0.0.1 logs in and reads, and is answered every time. FAULTS 73 and 74.
@Suite("Slow clients", .serialized, .timeLimit(.minutes(Extent.isAll ? 30 : 8)))
struct SlowClientTests {
    private static let attacker = "127.0.0.2"

    private static var isInstalled: Bool {
        ["/usr/bin/slowhttptest", "/usr/local/bin/slowhttptest"].contains(where: FileManager.default.isExecutableFile)
    }

    @Test(
        "slowhttptest with slow headers, bodies and reading: others are served, and the deadlines end all of it",
        .enabled(if: isInstalled, "slowhttptest is not installed: apt-get install slowhttptest"),
        arguments: SlowHTTPTest.Mode.allCases)
    func slow(_ mode: SlowHTTPTest.Mode) async throws {
        try await withModbusPeer { device in
            let hostile = try HostilePlant(modbus: device)
            let plant = try await hostile.plant()
            try await plant.running { gateway in
                let connections = Extent.isAll ? 800 : 200
                for (port, url) in [
                    (hostile.rest, "https://127.0.0.1"), (hostile.plain, "http://127.0.0.1"),
                ] {
                    let path = mode == .headers || mode == .body ? "/iotgateway/read" : "/iotgateway"
                    let (crowd, attendance) = try await withRelay(to: port, from: Self.attacker) { relay in
                        try await hostile.bystander(plant).attend {
                            try await attack(
                                SlowHTTPTest(
                                    mode: mode, connections: connections,
                                    length: Extent.isAll ? 120 : mode == .reading ? 25 : 30),
                                "\(url):\(relay)\(path)", port)
                        }
                    }
                    print("slowhttptest \(mode), \(url): \(crowd) of \(connections) connections; \(attendance)")
                    #expect(attendance.allFailures.isEmpty, "\(attendance)")
                    #expect(attendance.reads > 20, "\(attendance)")
                    #expect(attendance.slowest < .seconds(5), "\(attendance)")
                    // 64 of an address by default, and a few that are just being refused; the other agent lets all in.
                    #expect(port == hostile.rest ? (1...72).contains(crowd.steady) : crowd.most > 150, "\(crowd)")
                    _ = try await eventually(within: .seconds(40), "the end of the attacker's connections") {
                        try await Observed.connections(to: port, from: Self.attacker) == 0 ? true : nil
                    }
                }
            }
        }
    }

    /// Connections that the server had open with the attacker, looked at again and again.
    private struct Crowd: CustomStringConvertible {
        private static let window = 10

        private(set) var last = 0
        private(set) var most = 0
        /// The most that there were for a while: of the looks of half a second the one that saw the fewest. Who is refused
        /// at once is not there for so long.
        private(set) var steady = 0
        private var latest: [Int] = []

        var description: String { "at most \(most), \(steady) for a while" }

        mutating func see(_ now: Int) {
            last = now
            most = max(most, now)
            latest = Array((latest + [now]).suffix(Crowd.window))
            if latest.count == Crowd.window { steady = max(steady, latest.min() ?? 0) }
        }
    }

    private func attack(_ tool: SlowHTTPTest, _ url: String, _ port: Int) async throws -> Crowd {
        try await withThrowingTaskGroup(of: String.self) { group in
            group.addTask { try await tool.run(url, as: PlantConfiguration.viewer) }
            let watch = Task {
                var crowd = Crowd()
                while !Task.isCancelled {
                    if let now = try? await Observed.connections(to: port, from: Self.attacker) { crowd.see(now) }
                    try? await Task.sleep(for: .milliseconds(50))
                }
                return crowd
            }
            let said = try await group.next() ?? ""
            watch.cancel()
            let crowd = await watch.value
            let ending = said.split(whereSeparator: \.isNewline).suffix(3).joined(separator: "\n")
            // Who reads slowly has still to read what was on its way when the server closed, and does not notice.
            let isClosed = tool.mode == .reading ? crowd.last == 0 : said.contains("No open connections left")
            #expect(isClosed, "its connections were closed: \(crowd.last) open; \(ending)")
            return crowd
        }
    }

    @Test(
        "two hundred handshakes that stall: others are served, and the log says it once a second",
        arguments: [Holding.silent, .hello])
    func stalled(_ kind: Holding) async throws {
        try await withModbusPeer { device in
            let hostile = try HostilePlant(modbus: device)
            let plant = try await hostile.plant()
            try await plant.running { gateway in
                let begin = ContinuousClock().now
                let (_, attendance) = try await hostile.bystander(plant).attend {
                    try await withHeldConnections(kind, to: hostile.rest, count: 200, from: [Self.attacker]) {
                        _ = try await eventually("no more than 64 connections of the attacker") {
                            let open = try await Observed.connections(to: hostile.rest, from: Self.attacker)
                            return (1...64).contains(open) ? open : nil
                        }
                        try await settle(gateway)
                    }
                }
                print("\(kind): \(attendance)")
                #expect(attendance.allFailures.isEmpty && attendance.reads > 20, "\(attendance)")
                #expect(attendance.slowest < .seconds(5), "\(attendance)")
                try await expectFewLines(gateway, since: begin)
            }
        }
    }

    @Test(
        "all places taken from ten addresses, with and without a handshake: who logs in is served all the same",
        arguments: [Holding.silent, .tls])
    func full(_ kind: Holding) async throws {
        try await withModbusPeer { device in
            let hostile = try HostilePlant(modbus: device)
            let plant = try await hostile.plant()
            try await plant.running { gateway in
                let sources = (2...11).map { "127.0.0.\($0)" }
                let begin = ContinuousClock().now
                let (_, attendance) = try await hostile.bystander(plant).attend {
                    try await withHeldConnections(kind, to: hostile.rest, count: 64, from: sources) {
                        _ = try await gateway.log.first { $0.contains("Connection ended to make room") }
                        try await settle(gateway)
                    }
                }
                print("full, \(kind): \(attendance)")
                #expect(attendance.allFailures.isEmpty && attendance.reads > 20, "\(attendance)")
                #expect(attendance.slowest < .seconds(8), "\(attendance)")
                try await expectFewLines(gateway, since: begin)
            }
        }
    }

    /// Stays in it for a while: longer than the handshake's deadline where there is time.
    private func settle(_ gateway: GatewayProcess) async throws {
        try await Task.sleep(for: .seconds(Extent.isAll ? 60 : 3))
    }

    /// A flood does not fill the log: a line a second of each kind.
    private func expectFewLines(_ gateway: GatewayProcess, since begin: ContinuousClock.Instant) async throws {
        let seconds = Int((ContinuousClock().now - begin).components.seconds)
        let lines = await gateway.log.pending.filter { $0.contains("Connection ") }
        // Too many in all, too many from there, and who made room.
        #expect(lines.count <= 3 * (seconds + 2), "\(lines.count) lines in \(seconds) s: \(lines.prefix(5))")
    }
}
