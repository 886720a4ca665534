import FoundationEssentials
import Glibc
import Outbox
import RESTClientAgent
import TestPeers
import Testing

/// FAULTS 44 to 51: endpoints that answer too much, too slowly, or something else, and proxies that nobody asked for.
@Suite("Hostile endpoints", .serialized, .timeLimit(.minutes(3)))
struct HostileEndpointTests {
    @Test("44: a body without an end: the answer counts, the connection ends")
    func endlessBody() async throws {
        let bench = try EndpointBench(.endlessBody, .status(200))
        try await bench.running { agent, queue in
            queue.add(1...2)
            try await agent.wait(forDelivered: 2)
            #expect(agent.status.connections == 2)
            let counters = try await bench.recorder.wait { $0.abandoned == 1 }
            // What the kernel takes on the way is more than what we read.
            #expect(counters.mostSent < 32 << 20)
        }
        try bench.expect(payloads(1...2))
    }

    @Test("45: a wrong length: the answer counts, the connection ends")
    func wrongLength() async throws {
        let bench = try EndpointBench(.wrongLength(), .status(200))
        try await bench.running { agent, queue in
            queue.add(1...2)
            try await agent.wait(forDelivered: 2)
            #expect(agent.status.connections == 2)
        }
        try bench.expect(payloads(1...2))
    }

    @Test("46: headers without an end: no answer, and sent again")
    func endlessHeaders() async throws {
        let bench = try EndpointBench(.endlessHeaders, .status(200))
        try await bench.running { agent, queue in
            queue.add(1...2)
            try await agent.wait { $0.lastError?.hasSuffix("sends more headers than anybody needs") == true }
            try await agent.wait(forDelivered: 2)
            try await bench.recorder.wait { $0.abandoned == 1 }
        }
        try bench.expect(payloads(1...2), duplicates: 1)
    }

    @Test("47: one byte a second: given up after the timeout, and sent again")
    func slow() async throws {
        let bench = try EndpointBench(.oneBytePerSecond(), .status(200))
        try await bench.running {
            $0.timeout = .seconds(2)
        } _: { agent, queue in
            queue.add(1...2)
            try await agent.wait(within: .seconds(4)) { $0.lastError?.hasSuffix("did not answer in time") == true }
            try await agent.wait(forDelivered: 2)
        }
        try bench.expect(payloads(1...2), duplicates: 1)
    }

    @Test("48: a part was taken: counts as delivered, and is told")
    func partial() async throws {
        let bench = try EndpointBench(
            .multiStatus(#"{"errors":[{"v":1}]}"#), .multiStatus("{}"), .status(200), .status(200))
        try await bench.running { agent, queue in
            queue.add(1...1)
            try await agent.wait {
                $0.lastError?.contains(#"(207); the message counts as delivered: {"errors""#) == true
            }
            queue.add(2...3)
            try await agent.wait(forDelivered: 3)
            #expect(agent.status.lastError == nil)
        }
        try bench.expect(payloads(1...3))
        #expect(bench.lines.count("took a part of a message only") == 1)
    }

    @Test("49: a compressed bomb is neither unpacked nor read to its end")
    func bomb() async throws {
        let bench = try EndpointBench(.gzipBomb(megabytes: 4000), .status(200))
        let before = try PeakMemory.begin()
        try await bench.running { agent, queue in
            queue.add(1...2)
            try await agent.wait(forDelivered: 2)
            try await bench.recorder.wait { $0.abandoned == 1 }
        }
        try bench.expect(payloads(1...2))
        #expect(try PeakMemory.bytes() - before < 64 << 20)
    }

    @Test("50: a proxy of the environment is not asked, one of the configuration is")
    func proxies() async throws {
        let bench = try EndpointBench(), proxy = try EndpointBench()
        let names = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        for name in names { setenv(name, "http://127.0.0.1:\(proxy.recorder.port)", 1) }
        setenv("no_proxy", "*", 1)
        defer { for name in names + ["no_proxy"] { unsetenv(name) } }
        unsetenv("no_proxy")
        try await bench.running { agent, queue in
            queue.add(1...1)
            try await agent.wait(forDelivered: 1)
        }
        #expect(proxy.recorder.counters.connections == 0)
        setenv("no_proxy", "*", 1)
        try await bench.running {
            $0.proxy = EndpointURL(host: "127.0.0.1", port: UInt16(proxy.recorder.port), usesTLS: false)
        } _: { agent, queue in
            queue.add(2...2)
            try await agent.wait(forDelivered: 1)
        }
        try bench.expect(payloads(1...1))
        #expect(
            try proxy.recorder.file.records().map(\.path) == ["http://127.0.0.1:\(bench.recorder.port)/ingest"])
    }

    @Test("50: a proxy that lets nothing through to an https endpoint is named")
    func closedProxy() async throws {
        let bench = try EndpointBench(.status(403))
        try await bench.running {
            $0.endpoint = EndpointURL(host: "historian.example", port: 443, usesTLS: true)
            $0.proxy = EndpointURL(host: "127.0.0.1", port: UInt16(bench.recorder.port), usesTLS: false)
        } _: { agent, queue in
            queue.add(1...1)
            try await agent.wait {
                $0.lastError == "the proxy lets nothing through to https://historian.example/: it answers 403"
            }
        }
        #expect(try bench.recorder.file.records().allSatisfy { $0.method == "CONNECT" && $0.sequence == nil })
    }

    @Test("51: an idle connection that was closed gives no trouble")
    func idleClosed() async throws {
        let bench = try EndpointBench()
        try await bench.running { agent, queue in
            for round in 1...3 {
                queue.add(round...round)
                try await agent.wait { $0.delivered == round }
                bench.recorder.disconnectAll(reset: round == 2)
            }
            queue.add(4...5)
            try await agent.wait(forDelivered: 5)
            #expect(agent.status.lastError == nil)
        }
        try bench.expect(payloads(1...5))
        #expect(bench.lines.count("does not take messages") == 0)
    }

    @Test("25: a name that does not exist")
    func noSuchName() async throws {
        let bench = try EndpointBench()
        try await bench.running {
            $0.endpoint = EndpointURL(host: "nosuch.invalid", port: 80, usesTLS: false)
            $0.timeout = .seconds(2)
        } _: { agent, queue in
            queue.add(1...1)
            try await agent.wait {
                $0.lastError == "http://nosuch.invalid/: the host name was not found"
                    || $0.lastError == "http://nosuch.invalid/: no connection came about in time"
            }
        }
    }

    @Test("26: a connection that does not come about: told, and a stop does not wait for it")
    func blackHole() async throws {
        let hole = try BlackHole()
        let bench = try EndpointBench()
        try await bench.running {
            $0.endpoint = EndpointURL(host: "127.0.0.1", port: hole.port, usesTLS: false)
            $0.timeout = .seconds(1)
        } _: { agent, queue in
            queue.add(1...1)
            try await agent.wait {
                $0.lastError == "http://127.0.0.1:\(hole.port)/: no connection came about in time" && $0.requests == 2
            }
        }
        // Now in the middle of an attempt that would take a minute.
        try await bench.running {
            $0.endpoint = EndpointURL(host: "127.0.0.1", port: hole.port, usesTLS: false)
            $0.timeout = .seconds(60)
        } _: { agent, queue in
            queue.add(2...2)
            // Nothing tells from outside that it has begun.
            try await Task.sleep(for: .milliseconds(500))
            #expect(agent.status.requests == 0)
        }
        try await bench.running { agent, queue in
            try await agent.wait(forDelivered: 2)
        }
        try bench.expect(payloads(1...2))
    }
}

/// A port of 127.0.0.1 at which nobody answers a SYN: its queue is full, and nobody takes anything out.
private final class BlackHole {
    let port: UInt16
    private var descriptors: [Int32] = []

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        descriptors = [listener]
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(try freePort()).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        port = UInt16(bigEndian: address.sin_port)
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, length) }
        }
        guard isListening == 0, listen(listener, 0) == 0 else { throw TestPeerError("no listener") }
        for _ in 0..<4 {
            let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            descriptors.append(client)
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = connect(client, $0, length) }
            }
        }
    }

    deinit {
        for descriptor in descriptors { close(descriptor) }
    }
}
