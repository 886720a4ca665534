import Outbox

/// What the replay of one agent's backlog costs another agent's live data: the load of `ModbusMQTTLoad`, quiet and beside
/// the replay, in turn.
struct ReplayBenchmark {
    private static let messages = 900_000
    private static let bytes = 1024

    private let options: BenchmarkOptions
    private let disk: Disk

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        self.options = options
        disk = try Disk(options)
    }

    func run(into table: inout ResultTable) throws {
        try disk.tell("replay", into: &table)
        let count = options.scaled(ReplayBenchmark.messages)
        var latency = Pairs()
        var received = Pairs()
        var replayed: [Int] = []
        var isReplaying = true
        for _ in 0..<min(3, options.rounds) {
            let quiet = try outcome(backlog: nil)
            let busy = try outcome(backlog: count)
            latency.add(ours: busy.figures["p99"], theirs: quiet.figures["p99"])
            received.add(ours: busy.rate, theirs: quiet.rate)
            replayed.append(busy.replayed)
            isReplaying = isReplaying && busy.isReplaying
        }
        let seconds = 20
        let rates = replayed.map { String($0 / seconds) }.joined(separator: ", ")
        table.add(
            "replay: change to subscriber of another agent", "p99 \(latency.ours.median.text(0)) ms",
            target: "≤ 2 of quiet", ratio: latency.text("quiet", "ms"), isMet: latency.ratio <= 2)
        table.add(
            "replay: received of it meanwhile", "\(received.ours.median.text(0)) events/s",
            ratio: received.text("quiet", "events/s"))
        table.add(
            "replay: of 1 KiB meanwhile", "\(rates) messages/s" + (isReplaying ? "" : ", and had ended before"))
    }

    private func outcome(backlog: Int?) throws -> ModbusMQTTLoad.Outcome {
        let directory = try disk.empty("gateway")
        let data = "\(directory)/data"
        if let backlog {
            _ = try disk.empty("gateway/data")
            try waiting { try await Outbox.backlog("replay", at: data, bytes: ReplayBenchmark.bytes, backlog) }
        }
        let outcome = try ModbusMQTTLoad(options, durability: "full", data: data, backlog: backlog).run()
        try disk.remove("gateway")
        return outcome
    }
}
