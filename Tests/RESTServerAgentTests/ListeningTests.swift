import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Publishing
import ServiceLifecycle
import TagStore
import Tags
import TestPeers
import TLS
import Testing

@testable import RESTServerAgent
@testable import SecurityPolicy

@Suite(.timeLimit(.minutes(2)))
struct ListeningTests {
    @Test func portInUse() async throws {
        try await Fixture.run { fixture in
            let port = UInt16(fixture.address.port ?? 0)
            await #expect(throws: RESTServerAgentError.portInUse(address: "127.0.0.1", port: port)) {
                try await Fixture.run(try Fixture.options(port: port)) { _ in }
            }
        }
    }

    @Test func addressesThatAreNotOurs() async throws {
        for (bind, error) in [
            ("192.0.2.1", RESTServerAgentError.addressNotAvailable("192.0.2.1")),
            ("nosuch0", .noSuchAddressOrInterface("nosuch0")), ("", .noSuchAddressOrInterface("")),
        ] {
            var options = try Fixture.options()
            options.bind = bind
            let listening = options
            await #expect(throws: error) { try await Fixture.run(listening) { _ in } }
        }
    }

    @Test func interfaceByName() async throws {
        var options = try Fixture.options()
        options.bind = "lo"
        try await Fixture.run(options) { fixture in
            try await fixture.expect(200, "GET", "/healthz")
        }
    }

    @Test func servesOverTLS() async throws {
        let tls = try SelfSigned.configuration()
        var options = try Fixture.options()
        options.limits.requestTimeout = .seconds(15)
        try await Fixture.run(options, tls: tls) { fixture in
            let url = "https://127.0.0.1:\(fixture.address.port ?? 0)/iotgateway/read?ids=Simulator.T2.5S"
            let output = try await SelfSigned.run(
                "curl", ["-sS", "--http1.1", "-k", "-u", "admin:" + Fixture.password, url, url])
            #expect(output.ranges(of: #""id":"Simulator.T2.5S","s":true"#).count == 2)
            // A refusal ends the TLS connection in order too.
            let refused = try await SelfSigned.run(
                "curl", ["-sS", "--http1.1", "-k", "-w", "%{http_code}", "-H", "Host: a b", url])
            #expect(refused.hasSuffix("400"))
        }
    }

    @Test func handshakeThatDoesNotComeIsEnded() async throws {
        let tls = try SelfSigned.configuration()
        try await Fixture.run(tls: tls, timeouts: LimitTests.hasty) { fixture in
            for bytes in ["", "\u{16}\u{3}\u{1}", "GET / HTTP/1.1\r\n\r\n"] {
                let connection = try RawConnection(fixture.address)
                if !bytes.isEmpty { try await connection.send(bytes) }
                _ = try await connection.receiveAll()
            }
        }
    }

    @Test func stopsInsideAServiceGroup() async throws {
        let clock = ContinuousClock()
        var begin = clock.now
        try await ServedAgent.run { address, services in
            let idle = try RawConnection(address)
            try await idle.send(Fixture.request("GET", "/healthz"))
            let served = try await idle.response()
            #expect(served.status == 200)
            let stuck = try RawConnection(address)
            try await stuck.send("GET /healthz HTTP/1.1\r\n")
            begin = clock.now
            await services.triggerGracefulShutdown()
            let rest = try await idle.receiveAll()
            #expect(rest == "")
        }
        #expect(clock.now - begin < .seconds(9))
    }

    /// A client that polls reads nothing between two requests, so it does not answer the farewell of TLS.
    @Test func anIdleTLSClientDoesNotHoldTheStop() async throws {
        let clock = ContinuousClock()
        var begin = clock.now
        try await ServedAgent.run(tls: try SelfSigned.configuration()) { address, services in
            let idle = try await IdleTLSClient.connect(to: address, asking: Fixture.request("GET", "/healthz"))
            begin = clock.now
            await services.triggerGracefulShutdown()
            withExtendedLifetime(idle) {}
        }
        // A hundredth of a second as a rule; it was five.
        #expect(clock.now - begin < .seconds(3))
    }
}

/// Asks once over TLS and reads no more after the answer.
private enum IdleTLSClient {
    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let answered: EventLoopPromise<Void>

        init(_ answered: EventLoopPromise<Void>) { self.answered = answered }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.channel.setOption(.autoRead, value: false).cascade(to: answered)
        }
    }

    static func connect(to address: SocketAddress, asking request: String) async throws -> any Channel {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        let context = try NIOSSLContext(configuration: configuration)
        let answered = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Void.self)
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: nil))
                    try pipeline.addHandler(Reader(answered))
                }
            }
            .connect(to: address).get()
        channel.writeAndFlush(ByteBuffer(string: request), promise: nil)
        try await answered.futureResult.get()
        return channel
    }
}

/// A certificate made with the openssl command for one test.
enum SelfSigned {
    static func directory() throws -> String {
        let path = NSTemporaryDirectory() + "/sallyport-tls-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    static func configuration() throws -> ServerTLS {
        let directory = try directory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
            + ["-keyout", directory + "/key", "-out", directory + "/certificate", "-days", "2"]
            + ["-subj", "/CN=localhost"]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return try ServerTLS(
            identity: TLSIdentity.load(
                TLSIdentityOptions(
                    name: "test", certificateFile: directory + "/certificate", keyFile: directory + "/key")))
    }

    static func run(_ program: String, _ arguments: [String]) async throws -> String {
        try await withCheckedThrowingContinuation { done in
            Thread.detachNewThread {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                process.arguments = [program] + arguments
                let pipe = Pipe()
                process.standardOutput = pipe
                do {
                    try process.run()
                    let output = pipe.fileHandleForReading.readDataToEndOfFile()
                    process.waitUntilExit()
                    done.resume(returning: String(decoding: output, as: UTF8.self))
                } catch {
                    done.resume(throwing: error)
                }
            }
        }
    }
}

@Suite(.timeLimit(.minutes(1)))
struct BrowseCacheTests {
    private static func view(
        _ store: TagStore, _ policy: PolicyBox, _ groups: [String], _ audit: AuditLog
    ) throws -> TagView {
        let principal = Principal(user: "u", groups: groups)
        return TagView(
            action: .browse, directory: store.directory, permissions: policy.permissions(for: principal),
            exposure: Exposure(items: [ItemOptions(tags: try TagPattern("**"))]),
            asker: Asker(principal: principal, client: ClientAddress("127.0.0.1")),
            trail: AuditTrail(agent: "api", audit: audit))
    }

    /// A rendered answer serves again until tags or permissions change, and no other set of groups gets it.
    @Test func aRenderedAnswerServesUntilSomethingChanges() async throws {
        let store = TagStore()
        let directory = try TemporaryDirectory()
        defer { withExtendedLifetime(directory) {} }
        let audit = try await AuditLog.open(dataDirectory: directory.path)
        let policy = PolicyBox(PolicySnapshot(groups: try Fixture.groups()))
        let routes = TagRoutes(store: store, idsPerRequest: 10, arraysAsText: false)
        func browse(_ groups: [String]) async throws -> String {
            let view = try Self.view(store, policy, groups, audit)
            guard case .tags(_, let handle)? = routes.routes.first?.access else { return "" }
            let request = ServerRequest(
                method: .GET, target: "/iotgateway/browse", fields: RequestFields([:]), body: ByteBuffer(),
                keepsAlive: true)
            let body = await handle(request, view).body
            #expect(routes.browsed.body(for: view.sight) == body)
            return String(decoding: body, as: UTF8.self)
        }
        let names = ["Simulator.T2.A", "Secret.PLC.Key"].map { TagName(validated: $0) }
        let handles = try await store.register(names.map { TagDefinition(name: $0, dataType: .long) })
        #expect(try await browse(["Administrators"]).contains("Secret"))
        let viewer = try await browse(["viewers"])
        #expect(viewer.contains("Simulator.T2.A") && !viewer.contains("Secret"))
        // Marked, to see that it is served.
        routes.browsed.keep(Array("kept".utf8), for: try Self.view(store, policy, ["viewers"], audit).sight)
        #expect(try await browse(["viewers"]) == "kept")
        await store.remove([handles[1]])
        #expect(try await !browse(["Administrators"]).contains("Secret"))
        #expect(try await browse(["viewers"]) == viewer)
        policy.replace(PolicySnapshot())
        #expect(try await !browse(["viewers"]).contains("Simulator"))
        for number in 0..<20 { _ = try await browse(["g\(number)"]) }
        let oldest = try Self.view(store, policy, ["g0"], audit).sight
        #expect(routes.browsed.body(for: oldest) == nil)
    }
}
