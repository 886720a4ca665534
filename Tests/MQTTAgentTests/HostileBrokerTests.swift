import Glibc
import MQTTAgent
import Synchronization
import TestPeers
import Testing

/// A listener that answers its first connection with the first reply, and so on; the last one is for all that follow. Then
/// it may send one acknowledgement, after it has heard again.
private final class FakeBroker: Sendable {
    let port: Int
    private let listener: Int32
    private let heard = Mutex<[[UInt8]]>([])

    /// The first bytes of each connection.
    var requests: [[UInt8]] { heard.withLock { $0 } }

    convenience init(reply: [UInt8]) throws {
        try self.init(replies: [reply])
    }

    init(replies: [[UInt8]], acknowledgements: [[UInt8]] = []) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        self.listener = listener
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0, listen(listener, 16) == 0 else { throw TestPeerError("no listener") }
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        // A thread that may block for long: it ends with the listener.
        var thread = pthread_t()
        let job = Unmanaged.passRetained(
            Job { [weak self] bytes in self?.heard.withLock { $0.append(bytes) } }
                .answering(listener, replies, acknowledgements))
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, job.toOpaque())
        pthread_detach(thread)
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private final class Job {
        private let note: ([UInt8]) -> Void
        private var listener: Int32 = -1
        private var replies: [[UInt8]] = []
        private var acknowledgements: [[UInt8]] = []

        init(note: @escaping ([UInt8]) -> Void) {
            self.note = note
        }

        func answering(_ listener: Int32, _ replies: [[UInt8]], _ acknowledgements: [[UInt8]]) -> Job {
            self.listener = listener
            self.replies = replies
            self.acknowledgements = acknowledgements
            return self
        }

        func run() {
            var open: [Int32] = []
            while case let connection = accept(listener, nil, nil), connection >= 0 {
                note(receive(connection))
                let reply = replies.count > 1 ? replies.removeFirst() : replies[0]
                if !reply.isEmpty { _ = send(connection, reply, reply.count, Int32(MSG_NOSIGNAL)) }
                if !acknowledgements.isEmpty {
                    _ = receive(connection)
                    let acknowledgement = acknowledgements.removeFirst()
                    _ = send(connection, acknowledgement, acknowledgement.count, Int32(MSG_NOSIGNAL))
                }
                open.append(connection)
            }
            open.forEach { close($0) }
        }

        private func receive(_ connection: Int32) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 1024)
            let count = recv(connection, &bytes, bytes.count, 0)
            return Array(bytes.prefix(max(0, count)))
        }
    }
}

@Suite("MQTT agent and a hostile broker", .serialized, .timeLimit(.minutes(2)))
struct HostileBrokerTests {
    private func options(port: Int) -> MQTTAgentOptions {
        MQTTAgentOptions(
            name: "broker", broker: BrokerURL(host: "127.0.0.1", port: UInt16(port), usesTLS: false),
            clientID: "sallyport-test")
    }

    @Test(
        "what it says instead of CONNACK is named, and the process lives",
        arguments: [
            // CONNACK 0x86 of MQTT 5, then one of 3.1.1 that knows no 5, a server busy, garbage, an endless length.
            ([UInt8]([0x20, 0x03, 0x00, 0x86, 0x00]), "user name or password"),
            ([0x20, 0x03, 0x00, 0x89, 0x00], "busy"),
            ([UInt8](repeating: 0xFF, count: 64), ""),
            ([0x30, 0xFF, 0xFF, 0xFF, 0x7F], ""),
            ([0x20, 0x7F, 0x00], ""),
        ])
    func garbage(reply: [UInt8], expected: String) async throws {
        let broker = try FakeBroker(reply: reply)
        let bench = try await AgentBench()
        try await bench.running(options(port: broker.port)) { agent in
            try await agent.wait { $0.lastError != nil }
            #expect(agent.status.lastError?.contains(expected) ?? false || expected.isEmpty)
            #expect(agent.status.connections == 0)
        }
    }

    @Test("one that knows only 3.1.1 is asked in 5, then at once in 3.1.1, and served")
    func fallback() async throws {
        // CONNACK of 3.1.1: "unacceptable protocol version", then accepted.
        let broker = try FakeBroker(replies: [[0x20, 0x02, 0x00, 0x01], [0x20, 0x02, 0x00, 0x00]])
        let bench = try await AgentBench()
        try await bench.running(options(port: broker.port)) { agent in
            try await agent.wait { $0.state == .connected }
            #expect(agent.status.protocolVersion == "3.1.1")
        }
        // The level stands behind the length and name of the protocol: 10 LL 00 04 M Q T T level.
        #expect(broker.requests.prefix(2).map { $0.count > 8 ? $0[8] : 0 } == [5, 4])
    }

    @Test("one that sends megabytes nobody asked for is left before they are collected")
    func flood() async throws {
        // CONNACK of MQTT 5, then a PUBLISH of 200 MB that begins.
        let head: [UInt8] = [0x20, 0x03, 0x00, 0x00, 0x00, 0x30, 0x80, 0xC2, 0xD7, 0x5F, 0x00, 0x01, 0x78, 0x00]
        let broker = try FakeBroker(replies: [head + [UInt8](repeating: 0x2E, count: 4 << 20)])
        let bench = try await AgentBench()
        try await bench.running(options(port: broker.port)) { agent in
            try await agent.wait { $0.lastError?.contains("nobody asked for") == true }
        }
    }

    @Test("a passing refusal is asked again: the message stays")
    func quota() async throws {
        // CONNACK; the acknowledgement of packet 1 with 0x97; on the second connection with 0.
        let broker = try FakeBroker(
            replies: [[0x20, 0x03, 0x00, 0x00, 0x00], [0x20, 0x03, 0x00, 0x00, 0x00]],
            acknowledgements: [[0x40, 0x03, 0x00, 0x01, 0x97], [0x40, 0x03, 0x00, 0x01, 0x00]])
        let bench = try await AgentBench()
        await bench.set(1)
        try await bench.running(options(port: broker.port)) { agent in
            try await agent.wait { $0.published == 1 }
            #expect(agent.status.refused == 0)
            #expect(agent.status.connections == 2)
        }
    }

    @Test("silence after the connection ends in a time-out, and the stop does not wait for it")
    func silence() async throws {
        let broker = try FakeBroker(reply: [])
        let bench = try await AgentBench()
        let time = try await ContinuousClock().measure {
            try await bench.running(options(port: broker.port)) { agent in
                try await agent.wait(within: .seconds(30)) { $0.lastError?.contains("did not answer") == true }
            }
        }
        #expect(time < .seconds(25))
    }

    @Test("nobody listening is told at once, with and without TLS", arguments: [false, true])
    func nobody(usesTLS: Bool) async throws {
        let port = try freePort()
        let bench = try await AgentBench()
        var options = options(port: port)
        options.broker = BrokerURL(host: "127.0.0.1", port: UInt16(port), usesTLS: usesTLS)
        try await bench.running(options) { agent in
            try await agent.wait(within: .seconds(3)) { $0.lastError != nil }
            #expect(agent.status.lastError?.contains("refused") == true, "\(agent.status.lastError ?? "")")
        }
    }

    @Test("a name that does not exist is told")
    func unknownName() async throws {
        let bench = try await AgentBench()
        var options = options(port: 1883)
        options.broker = BrokerURL(host: "broker.invalid", port: 1883, usesTLS: false)
        try await bench.running(options) { agent in
            try await agent.wait { $0.lastError != nil }
        }
    }
}
