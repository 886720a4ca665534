import Logging
import Outbox
import Publishing
import TagStore
import Tags
import TestPeers
import Testing

@Suite("Publisher", .timeLimit(.minutes(1)))
struct PublisherTests {
    private struct Bench {
        let store = TagStore()
        let outbox: Outbox
        let queue: OutboxQueue
        private let directory: TemporaryDirectory
        let handles: [TagHandle]

        init(_ count: Int = 2) async throws {
            directory = try TemporaryDirectory()
            outbox = try await Outbox.open(
                dataDirectory: directory.path, machine: "test", logger: Logger(label: "test"))
            queue = try await outbox.queue(for: "broker", options: OutboxOptions())
            handles = try await store.register(
                (1...count).map { TagDefinition(name: TagName(validated: "a.b.t\($0)"), dataType: .long) })
        }

        func items(scanRate: Duration? = nil, everyScan: Bool = false) -> [Item] {
            handles.enumerated().map { index, handle in
                Item(
                    handle: handle, name: TagName(validated: "a.b.t\(index + 1)"), scanRate: scanRate,
                    sendEveryScan: everyScan)
            }
        }

        func set(_ tag: Int, _ value: Int64, at time: Int64 = 5) async {
            await store.apply([
                TagUpdate(
                    handle: handles[tag],
                    value: TagValue(data: .integer(value), timestamp: Timestamp(milliseconds: time)))
            ])
        }

        /// Runs a publisher for the time of the body; what it flushes at the end is in the queue afterwards.
        func publishing(
            _ items: [Item], _ options: PublishOptions, _ body: () async throws -> Void
        ) async throws {
            let publisher = Publisher(
                items: items, options: options, store: store, queue: queue, logger: Logger(label: "test"))
            let task = Task { await publisher.run() }
            // What is set before the publisher listens is one update, not several.
            while options.format == .narrow, await store.subscriptions == 0 { await Task.yield() }
            try await body()
            task.cancel()
            await task.value
        }

        func message() async throws -> OutboxMessage {
            while true {
                if let message = queue.next() { return message }
                try await Task.sleep(for: .milliseconds(2))
            }
        }

        func values() async throws -> String {
            let text = String(decoding: try await message().payload(gateway: "g", agent: "a"), as: UTF8.self)
            return String(text.drop { $0 != "[" })
        }
    }

    @Test("on change: changes of a few milliseconds go together, in order")
    func onChange() async throws {
        let bench = try await Bench()
        try await bench.publishing(bench.items(), PublishOptions(type: .onChange)) {
            await bench.set(0, 1)
            await bench.set(1, 2)
            await bench.set(0, 3)
            let values = try await bench.values()
            #expect(
                values
                    == #"[{"id":"a.b.t1","v":1,"q":true,"t":5},{"id":"a.b.t2","v":2,"q":true,"t":5},{"id":"a.b.t1","v":3,"q":true,"t":5}]}"#
            )
        }
    }

    @Test("interval: every change between two publishes is kept, at once when max-events wait")
    func interval() async throws {
        let bench = try await Bench()
        try await bench.publishing(bench.items(), PublishOptions(rate: .seconds(100), maxEvents: 2)) {
            await bench.set(0, 1)
            await bench.set(0, 2)
            await bench.set(0, 3)
            let values = try await bench.values()
            #expect(
                values
                    == #"[{"id":"a.b.t1","v":1,"q":true,"t":5},{"id":"a.b.t1","v":2,"q":true,"t":5}]}"#
            )
        }
        // What still waited is handed over at the stop.
        let values = try await bench.values()
        #expect(
            values
                == #"[{"id":"a.b.t1","v":3,"q":true,"t":5}]}"#
        )
    }

    @Test("interval: nothing waiting, nothing sent")
    func quiet() async throws {
        let bench = try await Bench()
        try await bench.publishing(bench.items(), PublishOptions(rate: .milliseconds(10))) {
            await bench.set(0, 1)
            _ = try await bench.message()
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(bench.queue.next() == nil)
    }

    @Test("a scan rate samples: between two samples only the latest counts")
    func sampled() async throws {
        let bench = try await Bench(1)
        try await bench.publishing(
            bench.items(scanRate: .milliseconds(200)), PublishOptions(rate: .milliseconds(20))
        ) {
            for value in 1...50 { await bench.set(0, Int64(value)) }
            let values = try await bench.values()
            #expect(
                values
                    == #"[{"id":"a.b.t1","v":50,"q":true,"t":5}]}"#
            )
        }
    }

    @Test("every scan: one event each tick, changed or not")
    func everyScan() async throws {
        let bench = try await Bench(1)
        await bench.set(0, 7)
        try await bench.publishing(
            bench.items(scanRate: .milliseconds(20), everyScan: true), PublishOptions(type: .onChange)
        ) {
            for _ in 0..<3 {
                let values = try await bench.values()
                #expect(
                    values
                        == #"[{"id":"a.b.t1","v":7,"q":true,"t":5}]}"#
                )
            }
        }
    }

    @Test("wide: all items with every publish, also those that have no value yet")
    func wide() async throws {
        let bench = try await Bench(2)
        await bench.set(0, 7)
        let waiting = bench.store.read([bench.handles[1]])[0].timestamp.milliseconds
        try await bench.publishing(
            bench.items(), PublishOptions(rate: .milliseconds(20), format: .wide, maxEvents: 1)
        ) {
            for _ in 0..<2 {
                let values = try await bench.values()
                #expect(
                    values
                        == #"[{"id":"a.b.t1","v":7,"q":true,"t":5},{"id":"a.b.t2","v":null,"q":false,"t":\#(waiting)}]}"#
                )
            }
        }
    }
}

@Suite("Items", .timeLimit(.minutes(1)))
struct ItemTests {
    @Test("the last matching item wins whole, and can exclude")
    func resolution() async throws {
        let store = TagStore()
        _ = try await store.register(
            ["Plant.PLC1.Level", "Plant.PLC1.Secret", "Plant.PLC2.Level", "Plant.PLC1._System._Error"].map {
                TagDefinition(name: TagName(validated: $0), dataType: .double)
            })
        let items = Item.resolve(
            [
                ItemOptions(tags: try TagPattern("Plant.**"), scanRate: .seconds(1), deadband: .absolute(3)),
                ItemOptions(tags: try TagPattern("plant.plc1.level")),
                ItemOptions(tags: try TagPattern("**.Secret"), enabled: false),
            ], in: store.directory)
        #expect(items.map(\.name.text) == ["Plant.PLC1.Level", "Plant.PLC2.Level"])
        #expect(items[0].scanRate == nil && items[0].deadband == nil)
        #expect(items[1].scanRate == .seconds(1) && items[1].deadband == 3)
    }
}
