import Glibc
import TagStore
import Tags

/// Batches of 1000 changes through the store to three subscribers, and what a million tags take.
struct StoreBenchmark {
    private let options: BenchmarkOptions

    init(_ options: BenchmarkOptions) {
        self.options = options
    }

    func run(into table: inout ResultTable) async throws {
        // First: memory that something else had given back would not show as taken.
        let bytes = try await bytesPerTag()
        table.add(
            "store: memory at 1 000 000 tags", "\(bytes.text(0)) bytes a tag", target: "≤ 300", isMet: bytes <= 300)
        let (rate, ratio) = try await CLoop(["store"], options).compare { try await updates(seconds: $0) }
        table.add(
            "store: apply and fan-out to 3", "\(rate.millions) updates/s", target: "≥ 10 M/s", ratio: ratio,
            isMet: rate >= 10_000_000)
    }

    /// `Plant7.PLC12.Zone3.Temperature1234`
    private static func name(_ index: Int) -> TagName {
        TagName(
            validated: "Plant\(index / 100_000).PLC\(index / 10_000 % 100).Zone\(index / 1000 % 10)"
                + ".Temperature\(index % 1000 + 1000)")
    }

    private static func definitions(_ count: Int) -> [TagDefinition] {
        (0..<count).map { TagDefinition(name: name($0), dataType: $0 % 2 == 0 ? .word : .double) }
    }

    /// One subscriber keeps the latest update of each tag, two keep every one, as agents with and without a scan rate do.
    /// All take what waits after 10 batches.
    @concurrent
    private func updates(seconds: Double) async throws -> Double {
        let tags = 10_000
        let batchSize = 1000
        let store = TagStore()
        let handles = try await store.register(StoreBenchmark.definitions(tags))
        let mailboxes = [
            await store.subscribe(handles, mode: .latest),
            await store.subscribe(handles, mode: .every(cap: 1 << 20)),
            await store.subscribe(handles, mode: .every(cap: 1 << 20)),
        ]
        // Two rounds of batches, so that every update is a change.
        let batches = (0..<2 * tags / batchSize).map { batch in
            (batch * batchSize..<(batch + 1) * batchSize).map { index in
                TagUpdate(
                    handle: handles[index % tags],
                    value: TagValue(
                        data: index % 2 == 0 ? .unsigned(UInt64(index)) : .double(Double(index)),
                        timestamp: Timestamp(microseconds: 1_600_000_000_000_000 + Int64(index))))
            }
        }
        var contents = mailboxes.map { _ in Mailbox.Contents() }
        var updates = 0
        var taken = 0
        let watch = Stopwatch()
        while watch.seconds < seconds {
            for (index, batch) in batches.enumerated() {
                await store.apply(batch)
                guard (index + 1) % (tags / batchSize) == 0 else { continue }
                for (position, mailbox) in mailboxes.enumerated() {
                    mailbox.take(into: &contents[position])
                    taken += contents[position].updates.count
                }
            }
            updates += 2 * tags
        }
        let time = watch.coreSeconds
        guard taken == updates * mailboxes.count else { throw BenchmarkError("\(taken) updates of \(updates) arrived") }
        return Double(updates) / time
    }

    @concurrent
    private func bytesPerTag() async throws -> Double {
        let count = 1_000_000
        let store = TagStore()
        let before = try ProcessFigures(of: getpid()).resident
        let registered = try await register(count, in: store)
        let after = try ProcessFigures(of: getpid()).resident
        // Still there: a lookup keeps the store alive to here.
        guard registered == count, store.directory.handle(named: StoreBenchmark.name(count - 1).text) != nil else {
            throw BenchmarkError("not every tag was registered")
        }
        return (after - before) * 1_000_000 / Double(count)
    }

    /// In pieces, as devices register, and without anything of it staying here.
    private func register(_ count: Int, in store: TagStore) async throws -> Int {
        let piece = 10_000
        for start in stride(from: 0, to: count, by: piece) {
            let definitions = (start..<start + piece).map {
                TagDefinition(name: StoreBenchmark.name($0), dataType: .double)
            }
            _ = try await store.register(definitions)
        }
        return store.directory.count
    }
}
