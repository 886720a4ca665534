import Outbox

/// What ten agents cost in one database, which share a commit, and in ten, which share nothing: 1000 messages of 1 KiB
/// a second each, 20 every 20 ms, the agents one after the other, taken and acknowledged once they are committed.
struct OutboxDatabasesBenchmark {
    private static let agents = 10
    private static let step = Duration.milliseconds(2)
    private static let messages = 20
    private static let warmUp = 500

    private struct Cost: Sendable {
        let commits: Double
        let syncs: Double?
        let processor: Double
        let written: Double
    }

    private let options: BenchmarkOptions
    private let disk: Disk
    private let steps: Int

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        self.options = options
        disk = try Disk(options)
        steps = options.scaled(5000)
    }

    func run(into table: inout ResultTable) throws {
        try disk.tell("outbox-databases", into: &table)
        var commits = Pairs()
        var syncs = Pairs()
        var processor = Pairs()
        var written = Pairs()
        for _ in 0..<min(3, options.rounds) {
            let one = try cost(databases: 1)
            let ten = try cost(databases: OutboxDatabasesBenchmark.agents)
            commits.add(ours: one.commits, theirs: ten.commits)
            processor.add(ours: one.processor * 100, theirs: ten.processor * 100)
            written.add(ours: one.written / 1e6, theirs: ten.written / 1e6)
            if let ours = one.syncs, let theirs = ten.syncs { syncs.add(ours: ours, theirs: theirs) }
        }
        add("commits", commits, "a second", 0, into: &table)
        if syncs.ours.isEmpty {
            table.add("outbox-databases: syncs", "not counted: start Benchmarks/run, which sees to it")
        } else {
            add("syncs", syncs, "a second", 0, into: &table)
        }
        add("processor", processor, "% of a core", 1, into: &table)
        add("to the disk", written, "MB a second", 1, into: &table)
    }

    private func add(_ name: String, _ pairs: Pairs, _ unit: String, _ digits: Int, into table: inout ResultTable) {
        table.add(
            "outbox-databases: \(name)", "\(pairs.ours.median.text(digits)) \(unit)",
            ratio: pairs.text("ten databases", unit, digits: digits))
    }

    private func cost(databases: Int) throws -> Cost {
        var directories: [String] = []
        for index in 0..<databases { directories.append(try disk.empty("databases\(index)")) }
        let cost = try waiting { [directories, steps] in
            try await OutboxDatabasesBenchmark.cost(directories, steps: steps)
        }
        for index in 0..<databases { try disk.remove("databases\(index)") }
        return cost
    }

    /// A second.
    private static func cost(_ directories: [String], steps: Int) async throws -> Cost {
        var outboxes: [Outbox] = []
        for directory in directories { outboxes.append(try await Outbox.open(at: directory)) }
        var queues: [OutboxQueue] = []
        for agent in 0..<agents {
            queues.append(try await outboxes[agent % outboxes.count].benchmarkQueue("agent\(agent)"))
        }
        let message = BenchmarkMessage(bytes: 1024)
        let start = ContinuousClock.now
        var watch = Stopwatch()
        var before = (disk: try DiskFigures(), commits: try await commits(outboxes))
        for number in 0..<warmUp + steps {
            if number == warmUp {
                before = (try DiskFigures(), try await commits(outboxes))
                watch = Stopwatch()
            }
            try await Task.sleep(until: start + step * number, tolerance: .zero)
            let queue = queues[number % agents]
            queue.append((0..<messages).map { message.chunk($0) })
            while let message = queue.next() { queue.acknowledge(message.ticket) }
        }
        let (seconds, processor) = (watch.seconds, watch.coreSeconds)
        let after = (disk: try DiskFigures(), commits: try await commits(outboxes))
        for outbox in outboxes { await outbox.close() }
        // Behind its time it would have been another load.
        let due = Double(steps) * 0.002
        guard seconds < due * 1.1 else {
            throw BenchmarkError("\(due.text(1)) s of messages took \(seconds.text(1)) s: the machine is too busy")
        }
        let syncs = after.disk.syncs.flatMap { last in before.disk.syncs.map { Double(last - $0) / seconds } }
        return Cost(
            commits: Double(after.commits - before.commits) / seconds, syncs: syncs, processor: processor / seconds,
            written: (after.disk.written - before.disk.written) / seconds)
    }

    private static func commits(_ outboxes: [Outbox]) async throws -> UInt64 {
        var commits: UInt64 = 0
        for outbox in outboxes { commits += try await outbox.overview().commits }
        return commits
    }
}
