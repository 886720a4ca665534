import Glibc
import MQTTAgent
import Outbox
import Publishing
import TestPeers
import Testing

/// FAULTS 1 to 6, 8, 25 and 26: the broker or the network is away, slow, or pretends to be there.
@Suite("MQTT agent and outages", .serialized, .timeLimit(.minutes(3)))
struct OutageTests {
    @Test(
        "1: a broker that goes down and comes up costs nothing, and another agent does not notice",
        arguments: [PublishOptions.PublishType.onChange, .interval])
    func downAndUp(type: PublishOptions.PublishType) async throws {
        let bench = try await DeliveryBench(), neighbour = try await DeliveryBench()
        var options = bench.options()
        options.publish = PublishOptions(type: type, rate: .milliseconds(50), maxEvents: type == .onChange ? 1 : 7)
        var other = neighbour.options()
        other.name = "neighbour"
        try await bench.withOutbox { outbox in
            try await neighbour.running(other, on: outbox) { untouched in
                try await bench.running(options, on: outbox) { run in
                    for round in 0..<2 {
                        let first = round * 300 + 1
                        try await run.steady()
                        let before = bench.recorder.counters.publishes
                        await bench.count(first...first + 99)
                        try await bench.recorder.wait { $0.publishes > before }
                        bench.recorder.stop(reset: round == 0)
                        await bench.count(first + 100...first + 299)
                        try await run.agent.wait { $0.state != .connected && $0.lastError != nil }
                        untouched.queue.add(first...first + 299)
                        try await untouched.steady()
                        try bench.recorder.start()
                        try await run.steady()
                    }
                    #expect(run.agent.status.connections == 3 && run.agent.status.refused == 0)
                }
                #expect(untouched.agent.status.connections == 1)
            }
        }
        try bench.expect(1...600, duplicates: 2 * OutboxQueue.window)
        try neighbour.expect(1...600)
        // Once an episode, not once an attempt.
        #expect(bench.log.count("No connection to the broker") <= 4, "\(bench.log.all)")
    }

    @Test("1: a broker that restarts again and again is asked soon each time: nobody else has our client id there")
    func restarts() {
        var now = ContinuousClock.now
        var attempts = ConnectionAttempts(choice: .auto, now: now)
        for _ in 1...10 {
            attempts.connected(at: now)
            now += .seconds(1)
            attempts.lost(BrokerLoss(.network, "reset"), at: now, jitter: 1)
            #expect(!attempts.isThrownOut)
            now = attempts.nextAttempt
            attempts.lost(BrokerLoss(.network, "refused"), at: now, jitter: 1)
            #expect(now.duration(to: attempts.nextAttempt) <= .seconds(4))
            now = attempts.nextAttempt
        }
    }

    @Test(
        "2: days without a broker: what waits stays within its cap, what is dropped is counted, and announced",
        arguments: [OutboxOptions.WhenFull.dropOldest, .dropNewest])
    func days(whenFull: OutboxOptions.WhenFull) async throws {
        let bench = try await DeliveryBench()
        bench.recorder.stop()
        var options = bench.options()
        options.outbox = OutboxOptions(maxBytes: 1 << 20, whenFull: whenFull)
        try await bench.running(options) { run in
            let before = try residentBytes()
            for first in stride(from: 1, through: 10_000, by: 500) {
                run.queue.add(first...first + 499, padding: 1000)
                // Not faster than the disk: what waits for it has a bound of its own.
                let end = ContinuousClock.now + .seconds(10)
                while run.queue.depth.bytes > 5 << 18, ContinuousClock.now < end { await Task.yield() }
                try #require(run.queue.depth.bytes <= 5 << 18)
            }
            #expect(try residentBytes() - before < 48 << 20)
            let dropped = Int(run.queue.depth.counts.droppedMessages)
            #expect(dropped > 8000 && run.agent.status.queue.messages == 10_000 - dropped)
            #expect(Int(run.queue.depth.counts.droppedEvents) == dropped)
            try bench.recorder.start()
            try await run.steady()
            #expect(bench.log.count("Messages are dropped") == 1)
            run.queue.add(10_001...10_003)
            try await run.steady()
            let records = try bench.firstArrivals()
            switch whenFull {
            case .dropOldest:
                try bench.expect(dropped + 1...10_003)
                #expect(records.first?.gapRange == 1...dropped && records.dropFirst().allSatisfy { $0.gap == nil })
            case .dropNewest:
                let values = records.flatMap(\.values)
                #expect(values.suffix(3) == [10_001, 10_002, 10_003] && values == values.sorted())
                // It may have had room again between two commits.
                #expect(records.compactMap(\.gapRange).map(\.count).reduce(0, +) == dropped)
                #expect(Set(values).count == 10_003 - dropped)
            }
        }
    }

    enum Slowness: CaseIterable {
        case acknowledgements
        case network
    }

    @Test("3: a slow broker gets all of it, once, over one connection", arguments: Slowness.allCases)
    func slow(_ slowness: Slowness) async throws {
        let bench = try await DeliveryBench()
        if slowness == .acknowledgements { bench.recorder.behave { $0.acknowledge = .delayed(.milliseconds(200)) } }
        let proxy = try FaultProxy(to: bench.recorder.port)
        if slowness == .network { proxy.behave { $0.bytesPerSecond = 60_000 } }
        try await bench.running(bench.options(port: proxy.port)) { run in
            run.queue.add(1...400)
            try await run.steady(within: .seconds(15))
            #expect(run.agent.status.connections == 1)
        }
        try bench.expect(1...400)
    }

    @Test("4: a connection that swallows everything is noticed within two keepalives, and nothing is lost")
    func halfOpen() async throws {
        let bench = try await DeliveryBench()
        let proxy = try FaultProxy(to: bench.recorder.port)
        var last = 0
        try await bench.running(bench.options(port: proxy.port)) { run in
            run.queue.add(1...50)
            try await run.steady()
            last = try await swallow(proxy, run.queue, after: 50) + 300
            run.queue.add(last - 299...last)
            try await run.agent.wait(within: .seconds(13)) { $0.lastError?.contains("keepalive") == true }
            proxy.behave { $0.swallows = false }
            try await run.steady()
        }
        try bench.expect(1...last, duplicates: OutboxQueue.window)
    }

    @Test("4: a network that forgets a connection for a moment costs a new one and nothing else")
    func forgotten() async throws {
        let bench = try await DeliveryBench()
        let proxy = try FaultProxy(to: bench.recorder.port)
        var last = 0
        try await bench.running(bench.options(port: proxy.port)) { run in
            try await run.agent.wait { $0.state == .connected }
            last = try await swallow(proxy, run.queue, after: 0)
            proxy.behave { $0.swallows = false }
            // The next that is sent meets a router that knows nothing of it.
            let end = ContinuousClock.now + .seconds(5)
            while run.agent.status.state == .connected, ContinuousClock.now < end {
                last += 1
                run.queue.add(last...last)
                try await run.queue.wait(messages: 0, within: .milliseconds(40))
            }
            try await run.steady()
            #expect(run.agent.status.connections == 2)
        }
        try bench.expect(1...last, duplicates: OutboxQueue.window)
    }

    /// Sends values until one was swallowed, and gives that one.
    private func swallow(_ proxy: FaultProxy, _ queue: OutboxQueue, after last: Int) async throws -> Int {
        proxy.behave { $0.swallows = true }
        var value = last
        let end = ContinuousClock.now + .seconds(5)
        while proxy.counters.swallowed == 0 {
            guard ContinuousClock.now < end else { throw TestPeerError("the proxy swallows nothing") }
            value += 1
            queue.add(value...value)
            try await queue.wait(messages: 0, within: .milliseconds(40))
        }
        return value
    }

    @Test("5: a broker that is frozen and thawed gets everything in order")
    func frozen() async throws {
        let bench = try await DeliveryBench()
        try await MosquittoPeer().run { broker in
            try await broker.withSubscriber(to: ["iotgateway"], as: nil) { messages in
                try await bench.running(bench.options(port: broker.plainPort)) { run in
                    run.queue.add(1...50)
                    try await run.steady()
                    kill(broker.processIdentifier, SIGSTOP)
                    defer { kill(broker.processIdentifier, SIGCONT) }
                    run.queue.add(51...350)
                    try await run.agent.wait(within: .seconds(13)) { $0.lastError != nil }
                    kill(broker.processIdentifier, SIGCONT)
                    try await run.steady()
                }
                var values: [Int] = []
                while values.last != 350 {
                    values.append(contentsOf: [Int(try await messages.next().text.filter(\.isNumber)) ?? 0])
                }
                var known: Set<Int> = []
                #expect(values.filter { known.insert($0).inserted } == Array(1...350))
                #expect(values.count - known.count <= OutboxQueue.window)
            }
        }
    }

    @Test("6: a storm of resets meets waits that grow, and costs nothing")
    func resets() async throws {
        // An acknowledgement never arrives in time.
        let bench = try await DeliveryBench { $0.acknowledge = .delayed(.milliseconds(300)) }
        let proxy = try FaultProxy(to: bench.recorder.port)
        proxy.behave { $0.resetEvery = .milliseconds(150) }
        try await bench.running(bench.options(port: proxy.port)) { run in
            run.queue.add(1...300)
            try await run.agent.wait { $0.lastError?.contains("again and again") == true }
            let attempts = bench.recorder.counters.attempts
            #expect(attempts.count == 5)
            let waits = zip(attempts, attempts.dropFirst()).map { $1 - $0 - .milliseconds(150) }
            for (wait, least) in zip(waits, [125, 250, 500, 1000]) { #expect(wait >= .milliseconds(least - 50)) }
            proxy.behave { $0.resetEvery = nil }
            bench.recorder.behave { $0.acknowledge = .yes }
            run.agent.reconnect()
            try await run.steady()
        }
        try bench.expect(1...300, duplicates: 5 * OutboxQueue.window)
    }

    @Test("8: a broker that accepts and says nothing is left, tried again, and holds up no other agent")
    func silent() async throws {
        let bench = try await DeliveryBench { $0.silentAfterConnect = true }, neighbour = try await DeliveryBench()
        try await neighbour.running { untouched in
            try await bench.running { run in
                run.queue.add(1...100)
                untouched.queue.add(1...100)
                try await untouched.steady()
                try await run.agent.wait(within: .seconds(13)) {
                    $0.lastError?.contains("did not answer within") == true
                }
                bench.recorder.behave { $0.silentAfterConnect = false }
                // The attempt that is under way may have met the silence.
                try await run.steady(within: .seconds(13))
            }
        }
        try bench.expect(1...100)
        try neighbour.expect(1...100)
    }

    @Test("25: a name that nobody knows is told and holds up no other agent; with another name all of it goes out")
    func unknownName() async throws {
        let bench = try await DeliveryBench(), neighbour = try await DeliveryBench()
        try await bench.withOutbox { outbox in
            var options = bench.options(), other = neighbour.options()
            options.broker = BrokerURL(host: "broker.invalid", port: 1883, usesTLS: false)
            other.name = "neighbour"
            try await neighbour.running(other, on: outbox) { untouched in
                try await bench.running(options, on: outbox) { run in
                    run.queue.add(1...100)
                    untouched.queue.add(1...100)
                    try await untouched.steady()
                    try await run.agent.wait { $0.lastError != nil }
                    #expect(run.agent.status.lastError?.contains("name") == true, "\(run.agent.status)")
                }
            }
            try await bench.running(bench.options(), on: outbox) { try await $0.steady() }
        }
        try bench.expect(1...100)
        try neighbour.expect(1...100)
    }

    @Test("26: an agent whose connection goes into a black hole stops in time; what it had goes out later")
    func blackHole() async throws {
        let bench = try await DeliveryBench()
        let hole = try BlackHole()
        try await bench.withOutbox { outbox in
            try await bench.running(bench.options(port: hole.port), on: outbox) { run in
                run.queue.add(1...100)
                try await run.agent.wait { $0.state == .connecting && $0.queue.messages == 100 }
            }
            try await bench.running(bench.options(), on: outbox) { try await $0.steady() }
        }
        try bench.expect(1...100)
    }
}

/// A listener whose queue is full: whoever connects hears nothing, as from a host that is not there.
private final class BlackHole {
    let port: Int
    private var descriptors: [Int32]

    init() throws {
        port = try freePort()
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        descriptors = [listener]
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        func with(_ body: (UnsafePointer<sockaddr>) -> Int32) -> Int32 {
            withUnsafePointer(to: &address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body) }
        }
        guard with({ bind(listener, $0, size) }) == 0, listen(listener, 0) == 0 else {
            throw TestPeerError("no listener: errno \(errno)")
        }
        // Until one is not accepted at once.
        for _ in 0..<8 {
            let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            descriptors.append(client)
            _ = with { connect(client, $0, size) }
            var wanted = pollfd(fd: client, events: Int16(POLLOUT), revents: 0)
            if poll(&wanted, 1, 100) == 0 { return }
        }
        throw TestPeerError("the listener takes everybody")
    }

    deinit { descriptors.forEach { close($0) } }
}
