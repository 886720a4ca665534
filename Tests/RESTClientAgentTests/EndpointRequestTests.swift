import Outbox
import Publishing
import RESTClientAgent
import TLS
import TagStore
import Tags
import Testing

@testable import TestPeers

/// What goes over the wire, how many at once, and how an agent ends.
@Suite("Requests of an endpoint's agent", .serialized, .timeLimit(.minutes(3)))
struct EndpointRequestTests {
    /// A listener that keeps what it hears and answers with the same bytes.
    private final class RawEndpoint: Sendable {
        private let log: LineQueue<String>
        let listener: PeerListener

        init(_ reply: String) throws {
            let log = LineQueue<String>(source: "the raw endpoint")
            self.log = log
            listener = try PeerListener(port: 0) { connection in
                var text = ""
                while case .bytes(let bytes) = connection.read() {
                    text += String(decoding: bytes, as: UTF8.self)
                    guard text.contains("\r\n\r\n"), text.hasSuffix("]") else { continue }
                    let heard = text
                    Task { await log.append(heard) }
                    text = ""
                    guard connection.write(reply.utf8) else { return }
                }
            }
            try listener.start()
        }

        func request() async throws -> [String] {
            try await log.first { _ in true }.split(separator: "\r\n", omittingEmptySubsequences: false).map(
                String.init)
        }
    }

    private func url(_ raw: RawEndpoint, _ target: String = "/ingest?site=6&key=a%20b") -> EndpointURL {
        EndpointURL(host: "127.0.0.1", port: UInt16(raw.listener.port), usesTLS: false, target: target)
    }

    @Test func everyByteOfARequest() async throws {
        let raw = try RawEndpoint("HTTP/1.1 204 No Content\r\n\r\n")
        let bench = try EndpointBench()
        try await bench.running { options in
            options.endpoint = url(raw)
            options.gateway = "Halle 6"
            options.method = .put
            options.mediaType = "text/csv; charset=utf-8"
            options.credentials = .basic(username: "gateway", password: Secret("pä:ß"))
            options.headers = [
                try! EndpointHeader(name: "X-Site", value: Secret("press shop"), hasCredentials: true)
            ]
        } _: { agent, queue in
            queue.add(7...7)
            let lines = try await raw.request()
            let epoch = try #require(lines.first { $0.hasPrefix("sallyport-epoch: ") }).dropFirst(17)
            #expect(epoch.count == 32)
            #expect(
                lines == [
                    "PUT /ingest?site=6&key=a%20b HTTP/1.1", "Host: 127.0.0.1:\(raw.listener.port)",
                    "Authorization: Basic Z2F0ZXdheTpww6Q6w58=", "User-Agent: Sallyport", "Accept: */*",
                    "Content-Type: text/csv; charset=utf-8", "X-Site: press shop", "sallyport-gateway: Halle 6",
                    "sallyport-agent: historian", "sallyport-epoch: \(epoch)", "sallyport-sequence: 1",
                    "sallyport-offset: 0", "sallyport-events: 1", "Idempotency-Key: \(epoch)-historian-1-0",
                    "Content-Length: 9", "", #"[{"v":7}]"#,
                ])
            try await agent.wait(forDelivered: 1)
            #expect(agent.status.httpVersion == "1.1")
        }
    }

    @Test func aBearerTokenAndALargeMessage() async throws {
        let raw = try RawEndpoint("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        let bench = try EndpointBench()
        try await bench.running { options in
            options.endpoint = url(raw, "/")
            options.credentials = .bearer(Secret("abc.def"))
        } _: { agent, queue in
            // libcurl would ask for a 100 before it, and wait.
            queue.add(1...200_000, inEach: 200_000)
            let lines = try await raw.request()
            #expect(lines.first == "POST / HTTP/1.1" && lines.contains("Authorization: Bearer abc.def"))
            #expect(!lines.contains { $0.hasPrefix("Expect") || $0.hasPrefix("Accept-Encoding") })
            #expect(lines.last?.utf8.count ?? 0 > 2_000_000)
            try await agent.wait(forDelivered: 1)
        }
    }

    @Test(
        "Answers that are none",
        arguments: [
            "SSH-2.0-OpenSSH_9.2\r\n", "220 mail.example ESMTP\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1\r\n\r\n",
            "\r\n\r\n\r\n", "HTTP/1.1 99999999999999999999 OK\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "\u{0}\u{1}",
        ])
    func garbage(_ reply: String) async throws {
        let raw = try RawEndpoint(reply)
        let bench = try EndpointBench()
        try await bench.running { options in
            options.endpoint = url(raw)
            options.timeout = .seconds(1)
        } _: { agent, queue in
            queue.add(1...1)
            try await agent.wait { $0.lastError != nil && $0.requests >= 2 }
            #expect(agent.status.delivered == 0 && agent.status.queue.messages == 1 && agent.status.refused == 0)
        }
    }

    @Test func anInterimAnswerIsNotTheAnswer() async throws {
        let raw = try RawEndpoint(
            "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let bench = try EndpointBench()
        try await bench.running {
            $0.endpoint = url(raw)
        } _: { agent, queue in
            queue.add(1...3)
            try await agent.wait(forDelivered: 3)
            #expect(agent.status.requests == 3 && agent.status.connections == 1)
        }
    }

    @Test func oneRequestAtATimeOverOneConnection() async throws {
        let bench = try EndpointBench()
        try await bench.running { agent, queue in
            queue.add(1...1000)
            try await agent.wait(forDelivered: 1000)
            #expect(agent.status.connections == 1 && agent.status.requests == 1000 && agent.status.events == 1000)
        }
        try bench.expect(payloads(1...1000))
        #expect(bench.recorder.counters.connections == 1)
    }

    @Test func severalAtOnceWhereOrderDoesNotMatter() async throws {
        let bench = try EndpointBench(.delayed(.milliseconds(200)))
        try await bench.running {
            $0.delivery = .unordered(inFlight: 8)
        } _: { agent, queue in
            queue.add(1...40)
            let begin = ContinuousClock.now
            try await agent.wait(forDelivered: 40)
            #expect(ContinuousClock.now - begin < .seconds(4))
            #expect(agent.status.connections == 8)
        }
        #expect(try Set(bench.recorder.file.records().map(\.payload)) == Set(payloads(1...40)))
    }

    @Test func severalAtOnceThroughAnOutage() async throws {
        let bench = try EndpointBench(
            .status(200), .closeBeforeRecording, .status(503), .replyLost, .status(422), .status(200))
        try await bench.running {
            $0.delivery = .unordered(inFlight: 4)
        } _: { agent, queue in
            queue.add(1...60)
            try await agent.wait(forDelivered: 60)
        }
        #expect(try Set(bench.firstArrivals().map(\.payload)) == Set(payloads(1...60)))
    }

    @Test func itemsArePublishedThroughTheOutbox() async throws {
        let bench = try EndpointBench()
        let store = TagStore()
        let handle = try await store.register([
            TagDefinition(name: TagName(validated: "Plant.PLC1.Level"), dataType: .long)
        ])[0]
        var options = bench.options
        options.publish = PublishOptions(type: .onChange)
        let outbox = try await Outbox.open(
            dataDirectory: bench.directory.path, machine: "test", logger: bench.lines.logger)
        let queue = try await outbox.queue(for: options.name, options: options.outbox)
        let agent = RESTClientAgent(
            options: options, items: [Item(handle: handle, name: TagName(validated: "Plant.PLC1.Level"))], store: store,
            queue: queue, logger: bench.lines.logger)
        let task = Task { try await agent.run() }
        await store.apply([
            TagUpdate(
                handle: handle, value: TagValue(data: .integer(42), timestamp: Timestamp(milliseconds: 5)))
        ])
        try await agent.wait { $0.events == 1 }
        task.cancel()
        _ = await task.result
        await outbox.close()
        let record = try #require(try bench.recorder.file.records().first)
        #expect(record.payload?.hasSuffix(#""values":[{"id":"Plant.PLC1.Level","v":42,"q":true,"t":5}]}"#) == true)
        #expect(record.contentType == "application/json" && record.gateway == "line-6")
    }

    // MARK: The end

    @Test func aStopFinishesWhatIsUnderWay() async throws {
        let bench = try EndpointBench(.delayed(.seconds(1)), .status(200))
        try await bench.running { agent, queue in
            queue.add(1...2)
            try await bench.recorder.wait { $0.recorded == 1 }
        }
        try bench.expect(payloads(1...2))
        try await bench.running { agent, queue in
            #expect(queue.depth.messages == 0)
        }
    }

    @Test func aStopLeavesInTheOutboxWhatIsNotAnswered() async throws {
        let bench = try EndpointBench(.delayed(.seconds(60)), .status(200))
        try await bench.running { agent, queue in
            queue.add(1...3)
            try await bench.recorder.wait { $0.recorded == 1 }
        }
        #expect(bench.lines.count("they wait in the outbox") == 1 && bench.lines.count("left behind") == 0)
        try await bench.running { agent, queue in
            try await agent.wait(forDelivered: 3)
        }
        try bench.expect(payloads(1...3), duplicates: 1)
    }

    @Test func aStopDoesNotWaitForAnEndpointThatIsAway() async throws {
        let bench = try EndpointBench(.status(503))
        var begin = ContinuousClock.now
        try await bench.running { agent, queue in
            queue.add(1...3)
            try await agent.wait { $0.state == .waiting }
            begin = .now
        }
        #expect(ContinuousClock.now - begin < .seconds(2))
    }

    @Test func aHeldAgentStopsAtOnce() async throws {
        let bench = try EndpointBench(.status(401))
        var begin = ContinuousClock.now
        try await bench.running { agent, queue in
            queue.add(1...3)
            try await agent.wait { $0.state == .held }
            begin = .now
        }
        #expect(ContinuousClock.now - begin < .seconds(2))
    }
}
