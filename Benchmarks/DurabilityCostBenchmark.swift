/// What custody costs the whole gateway: the load of `ModbusMQTTLoad` with `durability: full` and with `memory`, in
/// turn.
struct DurabilityCostBenchmark {
    private let options: BenchmarkOptions
    private let disk: Disk

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        self.options = options
        disk = try Disk(options)
    }

    func run(into table: inout ResultTable) throws {
        try disk.tell("durability-cost", into: &table)
        var cost = Pairs()
        var rates = Pairs()
        var latency = Pairs()
        var memory = Pairs()
        for _ in 0..<min(3, options.rounds) {
            let full = try outcome("full")
            let inMemory = try outcome("memory")
            cost.add(ours: microseconds(full), theirs: microseconds(inMemory))
            rates.add(ours: full.rate, theirs: inMemory.rate)
            latency.add(ours: full.figures["p99"], theirs: inMemory.figures["p99"])
            memory.add(ours: full.peak, theirs: inMemory.peak)
        }
        let expected = Double(ModbusMQTTLoad.tags * 10)
        // Two clocks: half a per cent is where the window begins and ends.
        table.add(
            "durability-cost: received, full", "\(rates.ours.median.text(0)) events/s", target: "100 000",
            ratio: rates.text("memory", "events/s"), isMet: rates.ours.median >= expected * 0.995)
        table.add(
            "durability-cost: processor, full", "\(cost.ours.median.text(3)) µs an event", target: "≤ 1.3 of memory",
            ratio: cost.text("memory", "µs", digits: 3), isMet: cost.ratio <= 1.3)
        table.add(
            "durability-cost: change to subscriber, full", "p99 \(latency.ours.median.text(0)) ms",
            ratio: latency.text("memory", "ms"))
        table.add(
            "durability-cost: memory, peak, full", "\(memory.ours.median.text(0)) MB",
            ratio: memory.text("memory", "MB"))
    }

    private func outcome(_ durability: String) throws -> ModbusMQTTLoad.Outcome {
        let directory = try disk.empty("gateway")
        let outcome = try ModbusMQTTLoad(options, durability: durability, data: "\(directory)/data").run()
        try disk.remove("gateway")
        return outcome
    }

    private func microseconds(_ outcome: ModbusMQTTLoad.Outcome) -> Double {
        outcome.processor / outcome.elapsed / outcome.rate * 1e6
    }
}
