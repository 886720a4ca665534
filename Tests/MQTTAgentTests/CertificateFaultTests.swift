import Foundation
import Glibc
import MQTTAgent
import Outbox
import Publishing
import Synchronization
import TLS
import TagStore
import TestPeers
import Testing

/// FAULTS 21 to 24: what certificates and handshakes do to an agent, with a real broker.
@Suite("Certificates that go wrong", .serialized, .timeLimit(.minutes(3)))
struct CertificateFaultTests {
    /// The files of one identity in the place of another's, as an operator mends them.
    private func put(_ new: DemoAuthority.Identity, inPlaceOf old: DemoAuthority.Identity) throws {
        for (from, to) in [(new.certificateFile, old.certificateFile), (new.keyFile, old.keyFile)] {
            try Data(contentsOf: URL(filePath: from)).write(to: URL(filePath: to))
        }
    }

    enum Fault: String, CaseIterable {
        case expired
        case wrongHost
        case wrongAuthority
    }

    @Test(
        "21: no data goes to a broker with a wrong certificate, the reason is told, and a mend is enough",
        arguments: Fault.allCases)
    func wrong(_ fault: Fault) async throws {
        let authority = try await DemoAuthority(), other = try await DemoAuthority(name: "Other CA")
        let good = try await authority.issue("broker")
        let (bad, reason) =
            switch fault {
            case .expired: (try await authority.issue("broker", days: -1), "certificate has expired on ")
            case .wrongHost:
                (
                    try await authority.issue("broker", names: ["DNS:elsewhere.example"]),
                    "host name mismatch: certificate is for elsewhere.example; asked for localhost"
                )
            case .wrongAuthority:
                (try await other.issue("broker"), "unknown authority: certificate comes from CN = Other CA")
            }
        let peer = try await MosquittoPeer(authority: authority, server: bad)
        let bench = try await AgentBench()
        let options = try await peer.run { bench.options($0) }
        try await bench.running(options) { agent in
            while await bench.store.subscriptions == 0 { await Task.yield() }
            try await peer.run { broker in
                await bench.set(1)
                try await agent.wait { $0.lastError?.contains(reason) == true && $0.queue.messages == 1 }
                #expect(agent.status.published == 0 && agent.status.connections == 0)
                // It saw somebody, and never a client.
                let lines = await broker.log.pending
                #expect(!lines.contains { $0.contains("New client connected") })
            }
            try put(good, inPlaceOf: bad)
            try await peer.run { _ in
                try await agent.wait(within: .seconds(5)) { $0.published == 1 && $0.lastError == nil }
            }
        }
    }

    @Test(
        "22: a certificate that ends while it is used: the open connection stays, the next one is refused, others go on"
    )
    func endsInBetween() async throws {
        let authority = try await DemoAuthority()
        let server = try await authority.issue("broker")
        let peer = try await MosquittoPeer(authority: authority, server: server)
        let bench = try await AgentBench(), other = try await AgentBench()
        try await withMosquitto { neighbour in
            try await other.running(other.options(neighbour)) { untouched in
                try await authority.reissue(server, until: 20)
                let end = ContinuousClock.now + .seconds(21)
                let options = try await peer.run { bench.options($0) }
                try await bench.running(options) { agent in
                    try await peer.run { _ in
                        await bench.set(1)
                        try await agent.wait { $0.published == 1 }
                        try await Task.sleep(until: end)
                        await bench.set(2)
                        try await agent.wait { $0.published == 2 }
                        #expect(agent.status.connections == 1)
                    }
                    try await peer.run { _ in
                        await bench.set(3)
                        try await agent.wait { $0.lastError?.contains("certificate has expired on ") == true }
                        await other.set(1)
                        try await untouched.wait { $0.published == 1 && $0.connections == 1 }
                        #expect(agent.status.published == 2)
                    }
                    try await authority.reissue(server, until: 3600)
                    try await peer.run { _ in
                        try await agent.wait(within: .seconds(5)) { $0.published == 3 && $0.lastError == nil }
                    }
                }
            }
        }
    }

    @Test("23: the broker's certificate and ours are replaced: the next connection uses the new ones")
    func rotated() async throws {
        let authority = try await DemoAuthority()
        let server = try await authority.issue("broker")
        let ours = try await authority.issue("gateway", usage: .client)
        let peer = try await MosquittoPeer(authority: authority, server: server)
        let bench = try await AgentBench()
        let first = try await peer.run { bench.options($0, port: $0.mutualTLSPort) }
        var options = first
        options.username = nil
        options.password = nil
        options.tls.identity = TLSIdentityOptions(
            name: "gateway", certificateFile: ours.certificateFile, keyFile: ours.keyFile)
        try await bench.running(options) { agent in
            try await peer.run { broker in
                _ = try await broker.log.first { $0.contains("New client connected") && $0.contains("u'gateway'") }
                await bench.set(1)
                try await agent.wait { $0.published == 1 }
            }
            try put(try await authority.issue("broker"), inPlaceOf: server)
            try put(try await authority.issue("gateway-2", usage: .client), inPlaceOf: ours)
            try await peer.run { broker in
                _ = try await broker.log.first { $0.contains("New client connected") && $0.contains("u'gateway-2'") }
                await bench.set(2)
                try await agent.wait { $0.published == 2 && $0.lastError == nil }
            }
        }
    }

    @Test("24: a reset in the middle of the handshake: tried again without a hurry, and over when it is over")
    func resetInTheHandshake() async throws {
        let peer = try await MosquittoPeer()
        let bench = try await AgentBench()
        let options = try await peer.run { bench.options($0) }
        let resetting = try ResettingPeer(port: peer.tlsPort)
        try await bench.running(options) { agent in
            while await bench.store.subscriptions == 0 { await Task.yield() }
            await bench.set(1)
            let begin = ContinuousClock.now
            while resetting.handshakes < 4 { try await Task.sleep(for: .milliseconds(5)) }
            // 250 ms, 500 ms and 1 s, each of them at least half, lie between four attempts.
            #expect(ContinuousClock.now - begin > .milliseconds(700))
            #expect(agent.status.published == 0)
            #expect(agent.status.lastError?.isEmpty == false)
            resetting.stop()
            try await peer.run { _ in
                try await agent.wait(within: .seconds(6)) { $0.published == 1 && $0.lastError == nil }
            }
        }
    }

    @Test("a revoked broker gets no data; the list is read again at each attempt")
    func revoked() async throws {
        let directory = try TemporaryDirectory()
        let authority = try await DemoAuthority()
        let (server, stranger) = (try await authority.issue("broker"), try await authority.issue("stranger"))
        let list = try await authority.revocationList(of: server, in: directory)
        let peer = try await MosquittoPeer(authority: authority, server: server)
        let bench = try await AgentBench()
        try await peer.run { broker in
            var options = bench.options(broker)
            options.tls.revocationFile = list
            try await bench.running(options) { agent in
                await bench.set(1)
                try await agent.wait { $0.lastError?.contains("certificate (CN = broker) was revoked on ") == true }
                #expect(agent.status.published == 0 && agent.status.connections == 0)
                _ = try await authority.revocationList(of: stranger, in: directory)
                try await agent.wait { $0.published == 1 }
            }
        }
    }
}

/// Takes connections, reads what a client says first, and resets them.
private final class ResettingPeer: Sendable {
    private let listener: Int32
    private let count = Atomic(0)
    private let isStopped = Atomic(false)

    var handshakes: Int { count.load(ordering: .relaxed) }

    init(port: Int) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var one: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        let listener = listener
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isBound, listen(listener, 16) == 0 else { throw TestPeerError("no listener on \(port)") }
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { break }
                var bytes = [UInt8](repeating: 0, count: 64)
                // The first record of a handshake.
                if read(connection, &bytes, bytes.count) > 0, bytes[0] == 22 {
                    self?.count.add(1, ordering: .relaxed)
                }
                var reset = linger(l_onoff: 1, l_linger: 0)
                setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
                close(connection)
            }
            // Here alone: closed by another it could be somebody else's by the next `accept`.
            close(listener)
        }
    }

    func stop() {
        guard !isStopped.exchange(true, ordering: .relaxed) else { return }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    deinit { stop() }
}
