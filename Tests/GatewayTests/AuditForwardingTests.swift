import FoundationEssentials
import GatewayConfiguration
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Outbox
import SecurityPolicy
import Synchronization
import TLS
import Tags
import TestPeers
import Testing

@testable import Gateway

/// A syslog receiver over TLS that keeps what comes.
private final class Receiver: Sendable {
    private let received = Mutex<[UInt8]>([])
    private let channel: any Channel
    private let connections: Mutex<[any Channel]>

    init(_ identity: DemoAuthority.Identity, port: Int) async throws {
        let key = try NIOSSLPrivateKey(file: identity.keyFile, format: .pem)
        let chain = try NIOSSLCertificate.fromPEMFile(identity.certificateFile).map {
            NIOSSLCertificateSource.certificate($0)
        }
        let context = try NIOSSLContext(
            configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
        let box = Box()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                box.receiver.withLock { $0 }?.connections.withLock { $0.append(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        NIOSSLServerHandler(context: context), Sink(box))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        connections = Mutex([])
        box.receiver.withLock { $0 = self }
    }

    /// Messages by RFC 5425's frames; a frame that does not fit is an error.
    func messages() throws -> [String] {
        var rest = received.withLock { $0 }[...]
        var messages: [String] = []
        while let space = rest.firstIndex(of: 0x20) {
            let length = try #require(Int(String(decoding: rest[..<space], as: UTF8.self)))
            let body = rest[(space + 1)...].prefix(length)
            guard body.count == length else { break }
            messages.append(String(decoding: body, as: UTF8.self))
            rest = rest[body.endIndex...]
        }
        return messages
    }

    var connectionCount: Int { connections.withLock { $0.count } }

    func hangUp() async {
        try? await channel.close()
        for connection in connections.withLock({ $0 }) { try? await connection.close() }
    }

    private final class Box: Sendable {
        // The tests hold the receiver as long as anything talks to it.
        let receiver = Mutex<Receiver?>(nil)
    }

    private final class Sink: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let box: Box
        init(_ box: Box) { self.box = box }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(unwrapInboundIn(data).readableBytesView)
            box.receiver.withLock { $0 }?.received.withLock { $0 += bytes }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

@Suite("Forwarding the audit log", .timeLimit(.minutes(2)))
struct AuditForwardingTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private static let place = SourcePlace(file: "g.yaml", line: 1, column: 1)

    private static func event(_ number: Int) -> AuditEvent {
        AuditEvent(.write, of: "T\(number)", by: "ann", kind: .user, outcome: .succeeded, reason: "a \"b\" ]c\\")
    }

    private static func objects(_ messages: [String]) -> [String] {
        messages.compactMap { $0.split(separator: "object=\"T").dropFirst().first?.prefix { $0 != "\"" } }
            .map(String.init)
    }

    private static func syslog(_ port: Int, _ authority: DemoAuthority) -> SyslogTarget {
        SyslogTarget(
            .init(
                host: "localhost", port: UInt16(port), tls: TLSClientOptions(caFile: authority.certificateFile),
                place: place), host: "press-shop", group: MultiThreadedEventLoopGroup.singleton)
    }

    @Test("authorities that change in their file count at once: the connection is made anew, and nothing is lost")
    func changedAuthorities() async throws {
        let directory = try TemporaryDirectory()
        let authority = try await DemoAuthority(), other = try await DemoAuthority(name: "Other CA")
        let port = try freePort()
        let receiver = try await Receiver(try await authority.issue("syslog"), port: port)
        let ca = try String(contentsOfFile: authority.certificateFile, encoding: .utf8)
        try directory.write(ca, to: "ca.pem")
        let file = try directory.write(
            """
            version: 1
            gateway: { name: test, data-directory: data }
            channels:
              - name: S
                driver: simulator
                devices: [{ name: D, tags: [{ name: T, address: K0001, type: Long }] }]
            audit: { forward: { syslog: { url: "syslog+tls://localhost:\(port)", tls: { ca-file: ca.pem } } } }
            agents: []

            """, to: "gateway.yaml")
        let outcome = try await offPool { GatewayConfiguration.load(path: file, environment: [:]) }
        let configuration = try #require(outcome.configuration, "\(outcome.problems)")
        let lock = try DataDirectory(path: configuration.dataDirectory)
        let users = try await UserStore.open(
            dataDirectory: configuration.dataDirectory, minimumPasswordLength: configuration.minimumPasswordLength)
        let audit = try await AuditLog.open(dataDirectory: configuration.dataDirectory)
        let outbox = try await Outbox.open(
            dataDirectory: configuration.dataDirectory, machine: "test", logger: Self.logger)
        let gateway = Gateway(
            dataDirectory: lock, users: users, audit: audit, outbox: outbox,
            eventLoops: MultiThreadedEventLoopGroup.singleton,
            logger: Self.logger)
        #expect(await gateway.apply(configuration) == [])
        func arrives(_ number: Int) async throws {
            try await audit.record([Self.event(number)])
            try await eventually(within: .seconds(30), "entry \(number)") {
                try Self.objects(receiver.messages()).contains("\(number)") ? true : nil
            }
        }
        try await arrives(1)
        _ = await gateway.lookAfterCertificates()
        try await arrives(2)
        #expect(receiver.connectionCount == 1)
        #expect(gateway.certificates.certificates.map(\.role) == [.authority])
        try directory.write(
            ca + String(contentsOfFile: other.certificateFile, encoding: .utf8), to: "ca.pem")
        #expect(await gateway.lookAfterCertificates(), "it is being written")
        _ = await gateway.lookAfterCertificates()
        try await arrives(3)
        #expect(receiver.connectionCount == 2)
        // A file that is no good leaves the connection that there is.
        try directory.write("nothing", to: "ca.pem")
        _ = await gateway.lookAfterCertificates()
        _ = await gateway.lookAfterCertificates()
        try await arrives(4)
        #expect(receiver.connectionCount == 2)
        await gateway.stop()
        await gateway.endAudit()
        await receiver.hangUp()
    }

    @Test("over TLS: framed, in order, again after an outage, and none lost")
    func syslog() async throws {
        let directory = try TemporaryDirectory()
        let authority = try await DemoAuthority()
        let identity = try await authority.issue("syslog")
        let port = try freePort()
        let log = try await AuditLog.open(dataDirectory: directory.path)
        let forwarder = AuditForwarder(
            name: "syslog", audit: log, target: Self.syslog(port, authority), logger: Self.logger,
            firstPause: .milliseconds(50))
        let task = Task { await forwarder.run() }
        // Nobody listens yet: the log does not wait for it.
        try await log.record((0..<300).map(Self.event))
        let first = try await Receiver(identity, port: port)
        try await eventually(within: .seconds(30), "the first part") {
            try Self.objects(first.messages()).count >= 300 ? true : nil
        }
        let message = try #require(try first.messages().first { $0.contains("object=\"T7\"") })
        #expect(message.hasPrefix("<110>1 2"))
        #expect(message.contains(" press-shop sallyport "))
        #expect(message.contains(" write [sallyport@32473 sequence=\"10\""))
        #expect(message.contains(#"reason="a \"b\" \]c\\""#))
        await first.hangUp()
        try await log.record((300..<400).map(Self.event))
        let second = try await Receiver(identity, port: port)
        try await eventually(within: .seconds(30), "the second part") {
            try Self.objects(second.messages()).contains("399") ? true : nil
        }
        await log.close()
        await task.value
        let all = try Self.objects(first.messages()) + Self.objects(second.messages())
        #expect(Set(all) == Set((0..<400).map { "\($0)" }))
        // At least once; in order within a connection.
        let numbers = try Self.objects(second.messages()).compactMap { Int($0) }
        #expect(numbers == numbers.sorted())
        await second.hangUp()

        // The next start goes on where this one ended.
        let position = try AuditPosition.read("syslog", dataDirectory: directory.path)
        #expect(position?.sequence == 402)
    }

    @Test("to a receiver of another authority, or of another name, sends nothing")
    func refused() async throws {
        let directory = try TemporaryDirectory()
        let authority = try await DemoAuthority(), other = try await DemoAuthority(name: "Other CA")
        let log = try await AuditLog.open(dataDirectory: directory.path)
        try await log.record(Self.event(1))
        let entries = try log.reader.entries(AuditFilter())
        for (identity, reason) in [
            (try await other.issue("syslog"), "unknown authority: certificate comes from CN = Other CA"),
            (
                try await authority.issue("elsewhere", names: ["DNS:elsewhere.example"]),
                "certificate is for elsewhere.example; asked for localhost"
            ),
            (try await authority.issue("localhost", names: []), "has no subject alternative name"),
            (try await authority.issue("syslog", days: -1), "certificate has expired on "),
        ] {
            let port = try freePort()
            let receiver = try await Receiver(identity, port: port)
            let target = Self.syslog(port, authority)
            let error = await #expect(throws: GatewayError.self) { try await target.send(entries) }
            #expect(error.map { "\($0)" }?.contains(reason) == true, "\(error.map { "\($0)" } ?? "")")
            #expect(try receiver.messages().isEmpty)
            await target.close()
            await receiver.hangUp()
        }
        await log.close()
    }

    @Test("to a file: one line each, also after the file was moved away")
    func file() async throws {
        let directory = try TemporaryDirectory()
        let log = try await AuditLog.open(dataDirectory: directory.path)
        let path = directory.file("audit.jsonl"), moved = directory.file("audit.jsonl.1")
        let forwarder = AuditForwarder(
            name: "file", audit: log, target: AuditFileTarget(path: path), logger: Self.logger,
            firstPause: .milliseconds(50))
        let task = Task { await forwarder.run() }
        func lines(_ path: String) throws -> Int {
            guard FileManager.default.fileExists(atPath: path) else { return 0 }
            let text = try String(decoding: Data(contentsOf: URL(filePath: path)), as: UTF8.self)
            return text.split(separator: "\n").count
        }
        try await log.record((0..<10).map(Self.event))
        try await eventually(within: .seconds(20), "ten lines") { try lines(path) == 12 ? true : nil }
        try FileManager.default.moveItem(atPath: path, toPath: moved)
        try await log.record((10..<15).map(Self.event))
        try await eventually(within: .seconds(20), "five lines") { try lines(path) == 5 ? true : nil }
        await log.close()
        await task.value
        #expect(try lines(moved) == 12)
    }
}

/// Waits for something to be there.
private func eventually<Value>(
    within limit: Duration, _ what: String, _ look: () async throws -> Value?
) async throws {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try await look() != nil { return }
        try await Task.sleep(for: .milliseconds(20))
    }
    Issue.record("never came: \(what)")
}
