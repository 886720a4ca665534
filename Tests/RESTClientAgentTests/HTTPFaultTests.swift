import Outbox
import RESTClientAgent
import TestPeers
import Testing

/// FAULTS 37 to 43: what an endpoint answers, or does not.
@Suite("Answers of an endpoint", .serialized, .timeLimit(.minutes(3)))
struct HTTPFaultTests {
    @Test("37: failures of the endpoint: sent again after a wait, nothing lost, in order, told once")
    func failing() async throws {
        let bench = try EndpointBench(.status(500), .status(502), .status(503), .status(200))
        try await bench.running { agent, queue in
            queue.add(1...5)
            try await agent.wait { $0.state == .waiting && $0.lastError?.contains("the endpoint failed (500)") == true }
            try await agent.wait(forDelivered: 5)
            #expect(agent.status.state == .delivering && agent.status.lastError == nil && agent.status.requests == 8)
        }
        try bench.expect(payloads(1...5), duplicates: 3)
        #expect(try bench.recorder.file.records().prefix(4).allSatisfy { $0.sequence == 1 && $0.offset == 0 })
        let times = bench.recorder.counters.requests
        #expect(times[1] - times[0] >= .milliseconds(125) && times[3] - times[2] >= .milliseconds(500))
        #expect(bench.lines.count("The endpoint does not take messages the endpoint failed (500)") == 1)
        #expect(bench.lines.count("does not take messages") == 1 && bench.lines.count("takes messages") == 1)
    }

    @Test("37: an endpoint that is away for a while: steady again within five seconds")
    func away() async throws {
        let bench = try EndpointBench()
        bench.recorder.stop()
        try await bench.running { agent, queue in
            queue.add(1...200)
            try await agent.wait { $0.lastError?.hasSuffix("Connection refused") == true && $0.requests >= 5 }
            try bench.recorder.start()
            let begin = ContinuousClock.now
            try await agent.wait(forDelivered: 200)
            #expect(ContinuousClock.now - begin < .seconds(5))
        }
        try bench.expect(payloads(1...200))
        #expect(bench.lines.count("does not take messages") == 1)
    }

    @Test("38: Retry-After in seconds and as a date", arguments: [false, true])
    func retryAfter(isDate: Bool) async throws {
        let headers =
            isDate
            ? ["Date": "Mon, 29 Feb 2016 23:59:59 GMT", "Retry-After": "Tue, 01 Mar 2016 00:00:01 GMT"]
            : ["Retry-After": "2"]
        let bench = try EndpointBench(.status(isDate ? 503 : 429, headers: headers), .status(200))
        try await bench.running { agent, queue in
            queue.add(1...2)
            try await agent.wait { $0.lastError?.hasSuffix("it asks to wait 2 s") == true }
            try await agent.wait(forDelivered: 2)
        }
        try bench.expect(payloads(1...2), duplicates: 1)
        let times = bench.recorder.counters.requests
        #expect(times[1] - times[0] >= .milliseconds(1990) && times[1] - times[0] < .seconds(4))
    }

    @Test("38: Retry-After that makes no sense", arguments: ["-1", "never", "99999999999999999999", "1000000"])
    func absurdRetryAfter(_ text: String) async throws {
        let bench = try EndpointBench(.status(503, headers: ["Retry-After": text]), .status(200))
        try await bench.running { agent, queue in
            queue.add(1...1)
            try await agent.wait(within: .seconds(5)) { $0.delivered == 1 }
        }
    }

    @Test("39: a message that is refused is set aside after its tries, and the queue moves on", arguments: [400, 422])
    func refused(_ status: Int) async throws {
        let no = HTTPRecorder.Step.status(status, body: "no such\r\nseries")
        let bench = try EndpointBench(.status(200), no, no, no, .status(200))
        try await bench.running { agent, queue in
            queue.add(1...4)
            try await agent.wait { $0.delivered == 3 && $0.queue.messages == 0 }
            #expect(agent.status.refused == 1 && queue.depth.counts.setAside == 1)
        }
        #expect(try bench.recorder.file.records().compactMap(\.sequence) == [1, 2, 2, 2, 3, 4])
        #expect(bench.lines.count("set aside the endpoint refuses the message (\(status)): no such series") == 1)
    }

    @Test("39: too large: sent in parts, in order, what follows behind them")
    func tooLarge() async throws {
        let bench = try EndpointBench()
        bench.recorder.behave { $0.maximumBody = 40 }
        try await bench.running { agent, queue in
            queue.add(1...32, inEach: 16)
            queue.add(33...33)
            try await agent.wait { $0.queue.messages == 0 && $0.delivered > 4 }
            #expect(agent.status.refused == 0)
        }
        let records = try bench.recorder.file.records()
        let values = records.compactMap(\.payload).joined().split { !$0.isNumber }.compactMap { Int($0) }
        #expect(values == Array(1...33))
        // The parts of a message cover it: sequence, offsets and counts fit.
        for sequence in 1...2 {
            let parts = records.filter { $0.sequence == sequence }
            #expect(parts.count > 3)
            var next = 0
            for part in parts {
                #expect(part.offset == next)
                next += part.events ?? 0
            }
            #expect(next == 16)
        }
        #expect(records.last?.sequence == 3)
        #expect(bench.lines.count("takes smaller messages only") == 1)
    }

    @Test("39: one event that is too large is set aside, the rest of its message arrives")
    func eventTooLarge() async throws {
        let bench = try EndpointBench()
        bench.recorder.behave { $0.maximumBody = 12 }
        try await bench.running { agent, queue in
            queue.add(9998...10_001, inEach: 4)
            queue.add(1...1)
            try await agent.wait { $0.queue.messages == 0 && $0.delivered == 3 }
            #expect(agent.status.refused == 2 && queue.depth.counts.setAside == 2)
        }
        #expect(try bench.recorder.file.records().map(\.payload) == [9998, 9999, 1].map { #"[{"v":\#($0)}]"# })
        #expect(bench.lines.count("set aside the endpoint") <= 1)
    }

    @Test("40: refused credentials: held and told, and a mend is enough", arguments: [401, 403])
    func credentials(_ status: Int) async throws {
        let bench = try EndpointBench(.status(status), .status(200))
        try await bench.running { agent, queue in
            queue.add(1...3)
            try await agent.wait { $0.state == .held && $0.lastError?.contains("credentials") == true }
            // The wait is half a minute: only what was mended ends it.
            agent.reconnect()
            try await agent.wait(forDelivered: 3)
            #expect(agent.status.requests == 4 && agent.status.refused == 0 && agent.status.lastError == nil)
        }
        try bench.expect(payloads(1...3), duplicates: 1)
    }

    @Test("41: a redirect is not followed, and told", arguments: [301, 302, 303, 307, 308])
    func redirect(_ status: Int) async throws {
        let other = try EndpointBench()
        let to = "http://127.0.0.1:\(other.recorder.port)/elsewhere"
        let bench = try EndpointBench(.status(status, headers: ["Location": to]), .status(200))
        try await bench.running { agent, queue in
            queue.add(1...2)
            try await agent.wait {
                $0.state == .held && $0.lastError?.contains("another address (\(status), \(to)") == true
            }
            #expect(other.recorder.counters.connections == 0)
            agent.reconnect()
            try await agent.wait(forDelivered: 2)
        }
        #expect(other.recorder.counters.connections == 0)
        try bench.expect(payloads(1...2), duplicates: 1)
    }

    @Test("42: reads the message and closes: it comes again under the same identity")
    func closesWithoutReply() async throws {
        let bench = try EndpointBench(.status(200), .closeBeforeRecording, .closeWithoutReply, .replyLost, .status(200))
        try await bench.running { agent, queue in
            queue.add(1...4)
            try await agent.wait(forDelivered: 4)
        }
        try bench.expect(payloads(1...4), duplicates: 2)
        #expect(try bench.recorder.file.records().compactMap(\.sequence) == [1, 2, 2, 2, 3, 4])
    }

    @Test("43: the reply is lost after the message was taken: one duplicate with the same key")
    func replyLost() async throws {
        let bench = try EndpointBench(.replyLost, .status(200))
        try await bench.running { agent, queue in
            queue.add(1...3)
            try await agent.wait(forDelivered: 3)
        }
        try bench.expect(payloads(1...3), duplicates: 1)
        let records = try bench.recorder.file.records()
        #expect(records[0].idempotencyKey == records[1].idempotencyKey && records[0].payload == records[1].payload)
    }
}
