import MQTTAgent
import Outbox
import Publishing
import TestPeers
import Testing

/// FAULTS 9 to 16, 19 and 20: a broker that is there and does not do what is asked.
@Suite("MQTT agent and refusals", .serialized, .timeLimit(.minutes(2)))
struct RefusalTests {
    @Test(
        "9: a broker that is busy is asked again, and served soon after it takes connections",
        arguments: [(UInt8(0x88), "unavailable"), (0x89, "busy"), (0x97, "quota")])
    func busy(code: UInt8, words: String) async throws {
        let bench = try await DeliveryBench { $0.connackCode = code }
        try await bench.running { run in
            run.queue.add(1...100)
            try await bench.recorder.wait { $0.attempts.count >= 3 }
            #expect(run.agent.status.lastError?.contains(words) == true && run.agent.status.connections == 0)
            bench.recorder.behave { $0.connackCode = 0 }
            try await run.steady()
        }
        try bench.expect(1...100)
        #expect(bench.log.count("No connection to the broker") == 1)
    }

    @Test(
        "10: wrong credentials are named, tried slowly, and cost nothing once they are mended",
        arguments: [(UInt8(0x86), "user name or password"), (0x87, "account")])
    func credentials(code: UInt8, words: String) async throws {
        let bench = try await DeliveryBench { $0.connackCode = code }
        let clock = try await DeliveryBench { $0.connackCode = 0x88 }
        try await bench.running { run in
            run.queue.add(1...100)
            try await run.agent.wait { $0.lastError?.contains(words) == true && $0.state == .waiting }
            // Whoever is only busy is asked four times meanwhile.
            try await clock.running { _ in try await clock.recorder.wait { $0.attempts.count >= 4 } }
            #expect(bench.recorder.counters.attempts.count == 1)
            bench.recorder.behave { $0.connackCode = 0 }
            run.agent.reconnect()
            try await run.steady()
        }
        try bench.expect(1...100)
    }

    @Test("11: a broker that says that it shuts down is used again within five seconds")
    func shutdown() async throws {
        let bench = try await DeliveryBench()
        bench.recorder.behave { $0.disconnectAfter = .init(publishes: 50, ending: .disconnect(0x8B)) }
        try await bench.running { run in
            run.queue.add(1...200)
            try await run.agent.wait { $0.lastError?.contains("shuts down") == true }
            bench.recorder.behave { $0.disconnectAfter = nil }
            try await run.steady()
        }
        try bench.expect(1...200, duplicates: OutboxQueue.window)
    }

    @Test("12: the agent whose client id another one uses says so, keeps what it has, and does not fight")
    func takenOver() async throws {
        let first = try await DeliveryBench(), second = try await DeliveryBench()
        let clock = try await DeliveryBench { $0.connackCode = 0x88 }
        try await first.running { loser in
            try await loser.agent.wait { $0.state == .connected }
            try await second.running(second.options(port: first.recorder.port)) { winner in
                try await loser.agent.wait {
                    $0.lastError?.contains("same client id") == true && $0.state == .waiting
                }
                loser.queue.add(1...100)
                winner.queue.add(1001...1100)
                try await winner.steady()
                #expect(try await loser.queue.wait(messages: 100))
                // Whoever is only busy is asked four times meanwhile.
                try await clock.running { _ in try await clock.recorder.wait { $0.attempts.count >= 4 } }
                #expect(first.recorder.counters.attempts.count == 2 && winner.agent.status.connections == 1)
            }
            loser.agent.reconnect()
            try await loser.steady()
        }
        #expect(try first.firstArrivals().flatMap(\.values) == Array(1001...1100) + Array(1...100))
        #expect(try first.accepted().count == 200)
    }

    @Test(
        "13: what the broker's access rules refuse is set aside with the reason, the rest goes on, and the log is not full",
        arguments: [MQTTQoS.atLeastOnce, .exactlyOnce])
    func forbidden(qos: MQTTQoS) async throws {
        let bench = try await DeliveryBench { $0.acknowledge = .reason(0x87, topicsContaining: "forbidden") }
        var options = bench.options()
        options.qos = qos
        try await bench.running(options) { run in
            for value in 1...200 {
                run.queue.add(value...value)
                run.queue.add(10_000 + value...10_000 + value, topic: "forbidden/\(value)")
            }
            try await run.agent.wait { $0.queue.messages == 0 }
            #expect(run.agent.status.refused == 200 && run.agent.status.published == 200)
            #expect(run.agent.status.connections == 1)
            try bench.expect(1...200)
            let letters = try await run.letters()
            #expect(letters.count == 200 && letters.allSatisfy { $0.reason.contains("access rules") })
            #expect(Set(letters.compactMap(\.topic)) == Set((1...200).map { "forbidden/\($0)" }))
            #expect(bench.log.count("refuses a message") == 1)
            // The rules are mended, and the engineer has them sent again.
            bench.recorder.behave { $0.acknowledge = .yes }
            #expect(try await run.outbox.retry(run.agent.options.name, sequence: nil).done == 200)
            try await run.steady()
            #expect(try await run.letters().isEmpty)
        }
        #expect(try bench.firstArrivals().flatMap(\.values).suffix(200) == Array(10_001...10_200)[...])
    }

    @Test("13: an account that may write nothing turns a thousand messages into dead letters, and no more")
    func noRights() async throws {
        let bench = try await DeliveryBench { $0.acknowledge = .reason(0x87) }
        try await bench.running { run in
            run.queue.add(1...1500)
            try await run.agent.wait { $0.lastError?.contains("in a row") == true && $0.state == .waiting }
            try await run.letters(1000)
            #expect(run.queue.depth.messages == 500)
            // Asked again, it is the same.
            run.agent.reconnect()
            try await bench.recorder.wait { $0.connections >= 2 }
            try await run.agent.wait { $0.state == .waiting }
            try await run.letters(1000)
            bench.recorder.behave { $0.acknowledge = .yes }
            run.agent.reconnect()
            try await run.steady()
        }
        #expect(try bench.firstArrivals().flatMap(\.values) == Array(1001...1500))
    }

    @Test("13: topics that are forbidden hold up no other, however many messages they have")
    func forbiddenTopics() async throws {
        let bench = try await DeliveryBench { $0.acknowledge = .reason(0x87, topicsContaining: "forbidden") }
        try await bench.running { run in
            run.queue.add(1...1200, topic: "forbidden/7")
            run.queue.add(1201...1210, topic: "allowed")
            try await run.steady(within: .seconds(20))
            try await run.letters(1200)
        }
        #expect(try bench.firstArrivals().flatMap(\.values) == Array(1201...1210))
    }

    @Test("14: a quota that is exceeded for a while costs nothing, neither messages nor their order")
    func quota() async throws {
        let bench = try await DeliveryBench { $0.acknowledge = .reason(0x97) }
        try await bench.running { run in
            run.queue.add(1...300)
            try await bench.recorder.wait { $0.attempts.count >= 3 }
            #expect(run.agent.status.lastError?.contains("quota") == true || run.agent.status.state == .connected)
            #expect(run.agent.status.queue.messages == 300 && run.agent.status.refused == 0)
            bench.recorder.behave { $0.acknowledge = .yes }
            try await run.steady()
            #expect(try await run.letters().isEmpty)
        }
        try bench.expect(1...300)
    }

    @Test("14: one message that is refused again and again without a reason does not hold up the others")
    func poisoned() async throws {
        let bench = try await DeliveryBench { $0.acknowledge = .reason(0x83, topicsContaining: "poison") }
        var options = bench.options()
        options.keepalive = .seconds(1)
        try await bench.running(options) { run in
            run.queue.add(1...50)
            run.queue.add(666...666, topic: "poison")
            run.queue.add(51...100)
            try await run.agent.wait(within: .seconds(20)) { $0.queue.messages == 0 }
            let letters = try await run.letters()
            #expect(letters.map(\.sequence) == [51] && letters[0].reason.contains("without a reason"))
            run.queue.add(101...101)
            try await run.steady()
        }
        // What was behind it on each connection came twice.
        #expect(Set(try bench.firstArrivals().flatMap(\.values)) == Set(1...101))
        #expect(bench.recorder.counters.connections > 2)
    }

    @Test("15: without acknowledgements no more than the window goes out, and a new connection brings all of it")
    func unacknowledged() async throws {
        let bench = try await DeliveryBench { $0.acknowledge = .never }
        try await bench.running { run in
            run.queue.add(1...500)
            try await bench.recorder.wait { $0.publishes == OutboxQueue.window }
            run.queue.add(501...1000)
            #expect(try await run.queue.wait(messages: 1000))
            #expect(bench.recorder.counters.publishes == OutboxQueue.window)
            bench.recorder.behave { $0.acknowledge = .yes }
            bench.recorder.disconnectAll(.close)
            try await run.steady()
        }
        try bench.expect(1...1000, duplicates: OutboxQueue.window)
    }

    @Test("15: a broker that lives and acknowledges nothing is left after a while, and tried again")
    func forgetful() async throws {
        let bench = try await DeliveryBench { $0.acknowledge = .never }
        try await bench.running { run in
            run.queue.add(1...50)
            try await bench.recorder.wait { $0.publishes == 50 }
            // What it has not acknowledged by now it never will.
            bench.recorder.behave { $0.acknowledge = .yes }
            try await run.steady(within: .seconds(20))
            #expect(run.agent.status.connections == 2)
        }
        try bench.expect(1...50, duplicates: 50)
    }

    @Test("16: acknowledgements in another order, twice, or for nothing do no harm", arguments: 0...2)
    func strange(kind: Int) async throws {
        let kinds = [MQTTRecorder.Acknowledge.reversed(batchOf: 7), .duplicated, .unknownIDs]
        let bench = try await DeliveryBench { $0.acknowledge = kinds[kind] }
        for qos in [MQTTQoS.atLeastOnce, .exactlyOnce] {
            var options = bench.options()
            options.qos = qos
            try await bench.running(options) { run in
                run.queue.add(qos == .atLeastOnce ? 1...300 : 301...600)
                try await run.steady()
                #expect(run.agent.status.connections == 1 && run.agent.status.refused == 0)
            }
        }
        try bench.expect(1...600)
    }

    @Test("19: a broker that sends a huge message is left before it fills the memory")
    func huge() async throws {
        let bench = try await DeliveryBench { $0.hugePublish = 200 << 20 }
        try await bench.running { run in
            run.queue.add(1...100)
            let before = try PeakMemory.begin()
            try await run.agent.wait { $0.lastError?.contains("nobody asked for") == true }
            // With what the recorder itself has on its way.
            let needed = try PeakMemory.bytes() - before
            print("for a message of 200 MiB: \(needed >> 20) MiB")
            #expect(needed < 64 << 20, "\(needed >> 20) MiB")
            bench.recorder.behave { $0.hugePublish = nil }
            try await run.steady()
        }
        try bench.expect(1...100, duplicates: OutboxQueue.window)
    }

    @Test(
        "20: garbage from a broker is named, and costs nothing once it speaks MQTT again",
        arguments: [[UInt8](repeating: 0xFF, count: 64), [0x00, 0x00], [0x40, 0x01, 0x07], [0x20, 0x03, 0, 0, 0]])
    func garbage(bytes: [UInt8]) async throws {
        let bench = try await DeliveryBench { $0.garbageAfterConnect = bytes }
        try await bench.running { run in
            run.queue.add(1...100)
            try await run.agent.wait { $0.lastError != nil }
            #expect(run.agent.status.lastError?.contains("protocol") == true, "\(run.agent.status)")
            bench.recorder.behave { $0.garbageAfterConnect = nil }
            try await run.steady()
        }
        try bench.expect(1...100, duplicates: 3 * OutboxQueue.window)
    }
}
