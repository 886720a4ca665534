import MQTTAgent
import Outbox
import Publishing
import TestPeers
import Testing

/// FAULTS 17 and 18, and what else a broker says that it does not do.
@Suite("MQTT agent and limits", .serialized, .timeLimit(.minutes(2)))
struct LimitTests {
    @Test("17: a broker that takes one message at a time gets one at a time", arguments: [1, 3])
    func receiveMaximum(most: Int) async throws {
        let bench = try await DeliveryBench { $0.receiveMaximum = most }
        var options = bench.options()
        options.birth = MQTTNotice(topic: "iotgateway/status", message: "online")
        options.lastWill = MQTTNotice(topic: "iotgateway/status", message: "offline")
        try await bench.running(options) { run in
            run.queue.add(1...200)
            try await run.steady()
            bench.recorder.disconnectAll(.reset)
            run.queue.add(201...300)
            try await run.steady()
        }
        try bench.expect(1...300, duplicates: most)
        #expect(bench.recorder.counters.largestOutstanding == most)
    }

    @Test(
        "18: a message that is larger than the broker takes goes in parts, and one event that is too large is set aside",
        arguments: [MQTTQoS.atLeastOnce, .atMostOnce])
    func packetSize(qos: MQTTQoS) async throws {
        let bench = try await DeliveryBench { $0.maximumPacketSize = 700 }
        var options = bench.options()
        options.qos = qos
        try await bench.running(options) { run in
            run.queue.add(1...200, inEach: 20, padding: 30)
            run.queue.add(10_000...10_000, padding: 1000)
            run.queue.add(201...230, inEach: 30, padding: 30)
            try await run.agent.wait { $0.queue.messages == 0 }
            let letters = try await run.letters()
            #expect(letters.map(\.sequence) == [11] && letters[0].reason.contains("larger"))
            #expect(run.agent.status.connections == 1 && run.agent.status.refused == 1)
            // Another part, taken, and nothing to complain about any more.
            run.queue.add(231...231)
            try await run.steady()
            try await bench.wait(for: 231)
        }
        try bench.expect(1...231)
        let parts = Dictionary(grouping: try bench.firstArrivals().compactMap(\.identity), by: \.sequence)
        #expect(parts.count == 12 && parts.filter { $0.key <= 10 }.allSatisfy { $0.value.count > 1 })
        for (sequence, parts) in parts {
            #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.offset + $0.events == $1.offset })
            #expect(parts[0].offset == 0)
            #expect(parts.map(\.events).reduce(0, +) == [12: 30, 13: 1][sequence] ?? 20)
        }
    }

    @Test("18: what the publisher itself makes is cut at the broker's limit, also over a broken connection")
    func publishedInParts() async throws {
        let bench = try await DeliveryBench { $0.maximumPacketSize = 600 }
        var options = bench.options()
        options.publish = PublishOptions(type: .interval, rate: .milliseconds(50))
        try await bench.running(options) { run in
            try await run.agent.wait { $0.state == .connected }
            bench.recorder.behave { $0.disconnectAfter = .init(publishes: 7, ending: .reset) }
            await bench.count(1...300)
            try await bench.recorder.wait { $0.connections == 2 }
            bench.recorder.behave { $0.disconnectAfter = nil }
            try await run.steady()
            #expect(run.agent.status.refused == 0)
        }
        try bench.expect(1...300, duplicates: 2 * OutboxQueue.window)
    }

    @Test("18: a broker that ends the connection for a message that is too large, and had told no limit, gets parts")
    func untoldLimit() async throws {
        let bench = try await DeliveryBench { $0.largestPayload = 300 }
        try await bench.running { run in
            run.queue.add(1...200, inEach: 20, padding: 30)
            run.queue.add(201...210)
            run.queue.add(10_000...10_000, padding: 1000)
            run.queue.add(211...220)
            try await run.agent.wait(within: .seconds(30)) { $0.queue.messages == 0 }
            #expect(try await run.letters().map(\.sequence) == [21])
            run.queue.add(221...221)
            try await run.steady()
        }
        try bench.expect(1...221, duplicates: 3 * OutboxQueue.window)
        #expect(bench.recorder.counters.connections < 12, "what it does not take is learnt")
    }

    @Test("18: a message that the broker finds too large only when it has it goes in parts as well")
    func tooLargeByAcknowledgement() async throws {
        let bench = try await DeliveryBench()
        try await MosquittoPeer(extraLines: ["message_size_limit 400"]).run { broker in
            try await broker.withSubscriber(to: ["iotgateway"], as: nil) { messages in
                try await bench.running(bench.options(port: broker.plainPort)) { run in
                    run.queue.add(1...20, inEach: 20, padding: 30)
                    run.queue.add(21...21)
                    try await run.steady()
                    #expect(run.agent.status.refused == 0)
                }
                var values: [Int] = []
                while values.count < 21 {
                    let parts = try await messages.next(within: .seconds(5)).text.split(separator: #""v":"#)
                    values += parts.dropFirst().compactMap { Int($0.prefix(while: \.isNumber)) }
                }
                #expect(values.sorted() == Array(1...21))
            }
        }
    }

    @Test("a broker that does less than QoS 2 or keeps no messages gets what it takes", arguments: [UInt8(0), 1])
    func lowered(qos: UInt8) async throws {
        let bench = try await DeliveryBench {
            $0.maximumQoS = qos
            $0.retainAvailable = false
        }
        var options = bench.options()
        options.qos = .exactlyOnce
        options.retain = true
        options.birth = MQTTNotice(topic: "iotgateway/status", message: "online")
        try await bench.running(options) { run in
            run.queue.add(1...200)
            try await run.steady()
            #expect(run.agent.status.connections == 1)
            try await bench.wait(for: 200)
        }
        try bench.expect(1...200)
        let records = try bench.recorder.file.records()
        #expect(records.count == 201 && records.allSatisfy { $0.qos == Int(qos) && $0.retain == false })
        #expect(bench.log.count("does less than is configured") == 1)
    }

    @Test("a last will beyond what the broker does is lowered as well, and keeps nobody out", arguments: [UInt8(0), 1])
    func loweredWill(qos: UInt8) async throws {
        let bench = try await DeliveryBench {
            $0.maximumQoS = qos
            $0.retainAvailable = qos > 0
        }
        var options = bench.options()
        options.lastWill = MQTTNotice(topic: "iotgateway/status", message: "offline", qos: .exactlyOnce, retain: true)
        try await bench.running(options) { run in
            run.queue.add(1...100)
            try await run.steady()
        }
        try await bench.recorder.wait { $0.publishes == 101 }
        try bench.expect(1...100)
        #expect(try bench.recorder.file.records().last?.payload == "offline")
    }

    @Test("QoS 0 and 2: in order and once; with 2 nothing is lost over a broken connection", arguments: [0, 2])
    func qualities(level: Int32) async throws {
        let bench = try await DeliveryBench()
        var options = bench.options()
        options.qos = try #require(MQTTQoS(rawValue: level))
        options.retain = true
        try await bench.running(options) { run in
            await bench.count(1...300)
            try await run.agent.wait { $0.published == 300 }
            try await run.steady()
            // What was written for QoS 0 is done; what the other side reads of it is the network's affair.
            try await bench.recorder.wait { $0.publishes == 300 }
            guard level == 2 else { return }
            try bench.expect(1...300)
            bench.recorder.behave { $0.acknowledge = .delayed(.milliseconds(100)) }
            run.queue.add(301...500)
            try await bench.recorder.wait { $0.publishes > 350 }
            bench.recorder.disconnectAll(.reset)
            try await run.steady()
        }
        try bench.expect(level == 2 ? 1...500 : 1...300, duplicates: level == 2 ? OutboxQueue.window : 0)
        #expect(try bench.accepted().allSatisfy { $0.qos == Int(level) && $0.retain == true })
    }

    @Test("MQTT 3.1.1, which tells no identity: everything arrives in order, also over a broken connection")
    func version3() async throws {
        let bench = try await DeliveryBench { $0.acknowledge = .delayed(.milliseconds(20)) }
        var options = bench.options()
        options.protocolChoice = .v3_1_1
        try await bench.running(options) { run in
            run.queue.add(1...300)
            try await bench.recorder.wait { $0.publishes > 100 }
            bench.recorder.disconnectAll(.reset)
            try await run.steady()
            #expect(run.agent.status.protocolVersion == "3.1.1")
        }
        let records = try bench.recorder.file.records()
        #expect(records.allSatisfy { $0.identity == nil && $0.sequence == nil })
        var known: Set<Int> = []
        let values = records.flatMap(\.values)
        #expect(values.filter { known.insert($0).inserted } == Array(1...300))
        #expect(values.count - known.count <= 20 && bench.recorder.counters.largestOutstanding <= 20)
    }

    @Test("birth comes with each connection; the last will from the broker on a loss, from the agent at a stop")
    func notices() async throws {
        let bench = try await DeliveryBench()
        var options = bench.options()
        options.birth = MQTTNotice(topic: "iotgateway/status", message: "online")
        options.lastWill = MQTTNotice(topic: "iotgateway/status", message: "offline")
        try await bench.running(options) { run in
            run.queue.add(1...10)
            try await run.steady()
            bench.recorder.disconnectAll(.disconnect(0x8B))
            try await bench.recorder.wait { $0.connections == 2 }
            run.queue.add(11...20)
            try await run.steady()
        }
        try await bench.recorder.wait { $0.publishes == 23 }
        try bench.expect(1...20)
        let notices = try bench.recorder.file.records().filter { $0.topic == "iotgateway/status" }
        #expect(notices.map(\.payload) == ["online", "offline", "online", "offline"])
        #expect(notices.map { $0.will ?? false } == [false, true, false, false])
        #expect(notices.allSatisfy { $0.retain == true && $0.qos == 1 })
    }

    @Test("a topic for each tag: each in order, one sequence for all, also over a broken connection")
    func topics() async throws {
        let bench = try await DeliveryBench()
        var options = bench.options()
        options.topic = "plant/|DEVICE|/|TAG|"
        options.publish.topics = try TopicTemplate(parsing: options.topic)
        try await bench.running(options) { run in
            await bench.count(1...1)
            for value in 2...100 {
                await bench.set(value)
                await bench.set(value, tag: 1)
                if value == 50 { bench.recorder.disconnectAll(.reset) }
            }
            try await run.agent.wait { $0.published >= 199 }
            try await run.steady()
        }
        let first = try bench.firstArrivals()
        #expect(first.filter { $0.topic == "plant/PLC1/Count" }.flatMap(\.values) == Array(1...100))
        #expect(first.filter { $0.topic == "plant/PLC1/State" }.flatMap(\.values) == Array(2...100))
        #expect(first.compactMap(\.sequence) == Array(1...199))
    }

    @Test("an agent that is stopped in the middle and started again goes on where it was")
    func restarted() async throws {
        let bench = try await DeliveryBench()
        try await bench.withOutbox { outbox in
            for round in 0..<3 {
                bench.recorder.behave { $0.acknowledge = round == 1 ? .never : .yes }
                try await bench.running(bench.options(), on: outbox) { run in
                    let last = (round + 1) * 200
                    run.queue.add(last - 199...last)
                    if round == 1 {
                        try await bench.recorder.wait { $0.publishes == 200 + OutboxQueue.window }
                    } else {
                        try await run.steady()
                    }
                }
            }
        }
        // In order where it could be: only what was not acknowledged comes twice.
        try bench.expect(1...600, duplicates: OutboxQueue.window)
        // And over an outbox that was closed and opened again.
        try await bench.running { run in
            run.queue.add(601...700)
            try await run.steady()
        }
        try bench.expect(1...700, duplicates: OutboxQueue.window)
    }
}
