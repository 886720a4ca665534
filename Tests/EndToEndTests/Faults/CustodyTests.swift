import FoundationEssentials
import Glibc
import TestPeers
import Testing

/// How much of the long runs is asked for: `swift package e2e --soak`.
private let isSoaking = ProcessInfo.processInfo.environment["SALLYPORT_E2E"] == "soak"

@Suite("Custody: nothing that was committed is lost", .serialized, .timeLimit(.minutes(isSoaking ? 24 * 60 : 8)))
struct CustodyTests {
    @Test("kill -9 at random times, with the broker there, away, silent and behind a line that breaks")
    func killed() async throws {
        var plant = try FaultyPlant()
        let kills = isSoaking ? 3000 : 50
        for round in 0..<kills {
            let (broker, proxy, endpoint) = (plant.broker, plant.proxy, plant.endpoint)
            proxy.behave { $0 = FaultProxy.Behaviour() }
            try await plant.killed { gateway in
                switch round % 5 {
                case 1:
                    broker.stop(reset: true)
                    endpoint.stop()
                case 2: proxy.behave { $0.swallows = true }
                case 3:
                    proxy.behave { $0.resetEvery = .milliseconds(120) }
                    endpoint.behave { $0.script = [.replyLost, .closeWithoutReply, .status(503), .status(200)] }
                case 4: broker.behave { $0.acknowledge = .never }
                default: break
                }
                try await Task.sleep(for: .milliseconds(Int.random(in: 50...(isSoaking ? 5000 : 1300))))
                switch round % 5 {
                case 1:
                    try broker.start()
                    try endpoint.start()
                case 2: proxy.behave { $0.swallows = false }
                case 4: broker.behave { $0.acknowledge = .yes }
                default: endpoint.behave { $0 = HTTPRecorder.Behaviour() }
                }
                // And some in the middle of what is made up for.
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...300)))
            }
        }
        try await plant.drained()
        try plant.expectLossless()
    }

    @Test(
        "killed at each place where it hurts",
        arguments: [
            ("before-commit", [20, 45]), ("after-commit", [20, 45]), ("after-send", [5, 9]),
            ("after-acknowledgement", [5, 9]), ("after-cursor", [2, 3]),
        ])
    func failpoints(name: String, counts: [Int]) async throws {
        var plant = try FaultyPlant()
        for count in counts {
            try await plant.killed(environment: ["SALLYPORT_FAILPOINT=\(name):\(count)"]) { gateway in
                _ = try await eventually(within: .seconds(30), "the end at \(name)") { gateway.hasEnded ? true : nil }
            }
        }
        try await plant.drained()
        try plant.expectLossless()
    }

    /// Proves that the harness can fail.
    @Test("a gateway that says that it committed before it did is found out")
    func mutant() async throws {
        var plant = try FaultyPlant()
        // What it gives away too early must not reach the receivers.
        plant.broker.stop()
        plant.endpoint.stop()
        try await plant.killed(
            environment: ["SALLYPORT_MUTANT=acknowledge-before-commit", "SALLYPORT_FAILPOINT=before-commit:20"]
        ) { gateway in
            _ = try await eventually(within: .seconds(30), "its end") { gateway.hasEnded ? true : nil }
        }
        try plant.broker.start()
        try plant.endpoint.start()
        // Not with a run that commits more: its watermark would hide it.
        try await plant.drained()
        let verdicts = try plant.verdicts()
        #expect(verdicts.values.contains { !$0.isLossless }, "\(verdicts)")
    }

    /// What a power cut takes is what was not synced: all that is reported with `full` was.
    @Test(
        "the power goes: full loses nothing; normal does, which shows that the cut is one",
        arguments: ["full", "normal"])
    func powerCut(durability: String) async throws {
        var plant = try FaultyPlant(durability: durability)
        let cut = try await PowerCut()
        // Nobody takes what there is, so that the disk alone has it.
        plant.broker.stop()
        plant.endpoint.stop()
        for _ in 0..<(isSoaking ? 200 : 6) {
            try await plant.killed(environment: cut.environment) { _ in
                try await Task.sleep(for: .milliseconds(Int.random(in: 200...900)))
            }
            try cut.cut(plant.plant.dataDirectory)
        }
        try plant.broker.start()
        try plant.endpoint.start()
        try await plant.drained()
        guard durability == "normal" else { return try plant.expectLossless() }
        let verdicts = try plant.verdicts()
        #expect(verdicts.values.contains { !$0.isLossless }, "\(verdicts)")
    }

    @Test("a long outage: the disk has what waits, memory does not grow with it, and all of it arrives")
    func outage() async throws {
        var plant = try FaultyPlant()
        let (broker, endpoint) = (plant.broker, plant.endpoint)
        try await plant.stopped { gateway in
            try await Task.sleep(for: .seconds(1))
            broker.stop(reset: true)
            endpoint.stop()
            let before = try PeakMemory.bytes(of: gateway.processIdentifier)
            try await Task.sleep(for: isSoaking ? .seconds(3 * 3600) : .seconds(12))
            #expect(try PeakMemory.bytes(of: gateway.processIdentifier) - before < 32 << 20)
            try broker.start()
            try endpoint.start()
            try await Task.sleep(for: .seconds(1))
        }
        try await plant.drained()
        try plant.expectLossless()
    }

    @Test("without faults nothing comes twice")
    func steady() async throws {
        var plant = try FaultyPlant()
        try await plant.drained()
        try await Task.sleep(for: .milliseconds(500))
        try await plant.drained()
        try plant.expectLossless(duplicates: 0)
    }
}
