import Dispatch
import Glibc
import Outbox

/// A backlog of 1 000 000 messages: how soon the first is there after a start, how fast all are taken, and in how much
/// memory.
///
/// Backlog and drain have a process of their own each, so that memory is that of a gateway which finds it at its
/// start.
struct OutboxDrainBenchmark {
    private static let bytes = 200
    /// MB of 10⁶ bytes.
    private static let mostGrowth = Double(64 << 20) / 1e6

    private let options: BenchmarkOptions
    private let disk: Disk
    private let work: String
    private let count: Int

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        self.options = options
        disk = try Disk(options)
        work = try options.need(options.work, "--work")
        count = options.scaled(1_000_000)
    }

    func run(into table: inout ResultTable) throws {
        switch options.step {
        case "make": return try make()
        case "drain": return try drain()
        case nil: break
        case let step?: throw BenchmarkError("\"\(step)\" is no step; there are make and drain")
        }
        try disk.tell("outbox-drain", into: &table)
        _ = try disk.empty("drain")
        let made = try step("make")
        let seconds = try made.need("seconds")
        table.add(
            "outbox-drain: backlog", "\(count) messages of \(OutboxDrainBenchmark.bytes) bytes",
            ratio: "made in \(seconds.text(1)) s, \(try made.need("megabytes").text(0)) MB on the disk")
        let file = "\(disk.directory)/drain/outbox.sqlite"
        let held = try Disk.forget(file)
        let drained = try step("drain")
        try disk.remove("drain")
        try report(drained, held, into: &table)
    }

    private func report(_ drained: Figures, _ held: Double, into table: inout ResultTable) throws {
        let first = try drained.need("first")
        let cache =
            held < 0.01 ? "page cache dropped" : "the kernel still held \((held * 100).text(0)) % of the file"
        table.add(
            "outbox-drain: start to first message", "\(first.text(3)) s", target: "< 2 s", ratio: cache,
            isMet: first < 2)
        table.add(
            "outbox-drain: next and acknowledge", "\(try drained.need("rate").text(0)) messages/s",
            ratio: "processor \(try drained.need("processor").text(1)) µs a message")
        let before = try drained.need("before")
        let peak = try drained.need("peak")
        table.add(
            "outbox-drain: memory, growth", "\((peak - before).text(1)) MB",
            target: "< \(OutboxDrainBenchmark.mostGrowth.text(0)) MB",
            ratio: "before \(before.text(1)), peak \(peak.text(1)), after \(try drained.need("after").text(1)) MB",
            isMet: peak - before < OutboxDrainBenchmark.mostGrowth)
    }

    /// This program again.
    private func step(_ name: String) throws -> Figures {
        guard let path = realpath("/proc/self/exe", nil) else { throw BenchmarkError("/proc/self/exe is not there") }
        defer { free(path) }
        let said = try Child.run(
            "outbox-drain \(name)",
            [
                String(cString: path), "outbox-drain", "--step", name, "--disk", disk.directory, "--work", work,
                "--scale", "\(options.scale)",
            ], output: "\(work)/outbox-drain.log")
        return Figures(said, line: "seconds=")
    }

    // MARK: Steps

    private func make() throws {
        let directory = "\(disk.directory)/drain"
        let watch = Stopwatch()
        try waiting { [count] in
            let outbox = try await Outbox.open(at: directory)
            let queue = try await outbox.benchmarkQueue("agent")
            try await outbox.fill(
                queue, BenchmarkMessage(bytes: OutboxDrainBenchmark.bytes), bytes: OutboxDrainBenchmark.bytes,
                count: count)
            await outbox.close()
        }
        var facts = stat()
        stat("\(directory)/outbox.sqlite", &facts)
        print("seconds=\(watch.seconds.text(2)) megabytes=\((Double(facts.st_size) / 1e6).text(1))")
    }

    private struct Backlog: Sendable {
        let outbox: Outbox
        let queue: OutboxQueue
    }

    private func drain() throws {
        let directory = "\(disk.directory)/drain"
        let before = try ProcessFigures(of: getpid())
        let watch = Stopwatch()
        let backlog = try waiting {
            let outbox = try await Outbox.open(at: directory)
            return Backlog(outbox: outbox, queue: try await outbox.benchmarkQueue("agent"))
        }
        let wake = DispatchSemaphore(value: 0)
        backlog.queue.setWake { wake.signal() }
        var next = backlog.queue.next()
        let first = watch.seconds
        let drain = Stopwatch()
        var taken = 0
        var bytes = 0
        while taken < count {
            guard let message = next else {
                // So many are acknowledged and not recorded as may be: the outbox's thread says when it goes on.
                guard wake.wait(timeout: .now() + 20) == .success else {
                    throw BenchmarkError("after \(taken) of \(count) messages none came for 20 s")
                }
                next = backlog.queue.next()
                continue
            }
            taken += 1
            guard message.sequence == UInt64(taken), message.gap == nil else {
                throw BenchmarkError("message \(message.sequence) came in the place of \(taken)")
            }
            // What an agent does before it sends.
            bytes += message.payload(gateway: "load", agent: "agent").count
            backlog.queue.acknowledge(message.ticket)
            next = backlog.queue.next()
        }
        let (seconds, processor) = (drain.seconds, drain.coreSeconds)
        let after = try ProcessFigures(of: getpid())
        guard next == nil, bytes == count * OutboxDrainBenchmark.bytes else {
            throw BenchmarkError("\(bytes) bytes came, and more than \(count) messages wait")
        }
        try waiting { await backlog.outbox.close() }
        let rate = (Double(count) / seconds).text(0)
        print(
            "seconds=\(seconds.text(2)) first=\(first.text(4)) rate=\(rate) "
                + "processor=\((processor / Double(count) * 1e6).text(2)) before=\(before.resident.text(2)) "
                + "after=\(after.resident.text(2)) peak=\(after.peak.text(2))")
    }
}
