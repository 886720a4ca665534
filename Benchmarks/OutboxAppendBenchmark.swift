import Outbox

/// Messages of 1 KiB into the outbox, at the group commit with FULL, against a C program over sqlite3 that inserts the
/// same rows into the same table with as many rows in a transaction.
struct OutboxAppendBenchmark {
    private static let bytes = 1024

    private struct Outcome: Sendable {
        let seconds: Double
        let processor: Double
        let commits: Int
    }

    private let options: BenchmarkOptions
    private let disk: Disk
    private let peers: String
    private let work: String
    private let rows: Int

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        self.options = options
        disk = try Disk(options)
        peers = try options.need(options.peers, "--peers")
        work = try options.need(options.work, "--work")
        rows = options.scaled(100_000)
    }

    func run(into table: inout ResultTable) throws {
        try disk.tell("outbox-append", into: &table)
        var rates = Pairs()
        var processor = Pairs()
        var commits: [Double] = []
        var together: [Double] = []
        for _ in 0..<options.rounds {
            let ours = try ours()
            let group = max(1, rows / max(1, ours.commits))
            let peer = try peer(group)
            rates.add(ours: Double(rows) / ours.seconds, theirs: try peer.need("rate"))
            processor.add(
                ours: ours.processor / Double(rows) * 1e6, theirs: try peer.need("processor") / Double(rows) * 1e6)
            commits.append(Double(ours.commits) / ours.seconds)
            together.append(Double(group))
        }
        table.add(
            "outbox-append: 1 KiB, full", "\(rates.ours.median.text(0)) rows/s", target: "≥ 0.7 of C",
            ratio: rates.text("C", "rows/s"), isMet: rates.ratio >= 0.7)
        table.add(
            "outbox-append: commits", "\(commits.median.text(1)) commits/s",
            ratio: "\(together.median.text(0)) rows in each, on both sides")
        table.add(
            "outbox-append: processor", "\(processor.ours.median.text(1)) µs a row",
            ratio: processor.text("C", "µs", digits: 1))
    }

    private func ours() throws -> Outcome {
        let directory = try disk.empty("append")
        let rows = rows
        let outcome = try waiting {
            let outbox = try await Outbox.open(at: directory)
            let queue = try await outbox.benchmarkQueue("agent")
            let before = try await outbox.overview().commits
            let watch = Stopwatch()
            try await outbox.fill(
                queue, BenchmarkMessage(bytes: OutboxAppendBenchmark.bytes), bytes: OutboxAppendBenchmark.bytes,
                count: rows)
            let (seconds, processor) = (watch.seconds, watch.coreSeconds)
            let commits = try await outbox.overview().commits - before
            // Not measured, on either side: what brings the log into the file in the end.
            await outbox.close()
            return Outcome(seconds: seconds, processor: processor, commits: Int(commits))
        }
        try disk.remove("append")
        return outcome
    }

    private func peer(_ group: Int) throws -> Figures {
        let directory = try disk.empty("append")
        let said = try Child.run(
            "the C loop outbox-append",
            [
                "\(peers)/outbox-append", "\(directory)/outbox.sqlite", "\(rows)", "\(group)",
                "\(OutboxAppendBenchmark.bytes)",
            ], output: "\(work)/outbox-append.log")
        try disk.remove("append")
        return Figures(said, line: "rate=")
    }
}
