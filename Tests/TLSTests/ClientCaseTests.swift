import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import TLS
import Testing

/// What a client shows to a listener of ours.
struct ClientCase: CustomTestStringConvertible, Sendable {
    struct Shown {
        var leaf: ForgedCertificate
        var chain: [ForgedCertificate] = []
        var lists: [[UInt8]] = []
    }

    let testDescription: String
    /// A part of the reason with which it is refused; nil: it is let in.
    let reason: String?
    let make: @Sendable (ForgedCertificate) throws -> Shown

    init(
        _ description: String, reason: String? = nil, make: @escaping @Sendable (ForgedCertificate) throws -> Shown
    ) {
        testDescription = description
        self.reason = reason
        self.make = make
    }

    private static func leaf(
        _ issuer: ForgedCertificate?, usage: String? = "clientAuth", valid: Range<Int> = -60..<86_400,
        key: ForgedCertificate.Key = .p256
    ) throws -> ForgedCertificate {
        try ForgedCertificate(subject: "scada", issuer: issuer, usage: usage, valid: valid, key: key)
    }

    private static func line(
        _ issuer: ForgedCertificate, key: ForgedCertificate.Key = .p256
    ) throws -> ForgedCertificate {
        try ForgedCertificate(subject: "Line CA", issuer: issuer, isAuthority: true, key: key)
    }

    static let all: [ClientCase] = [
        ClientCase("good") { .init(leaf: try leaf($0)) },
        ClientCase("good, for anything") { .init(leaf: try leaf($0, usage: nil)) },
        ClientCase("behind an intermediate, not revoked") {
            let line = try line($0)
            return .init(
                leaf: try leaf(line), chain: [line], lists: [try line.revocationList(), try $0.revocationList()])
        },
        ClientCase("another authority", reason: "unknown authority: certificate comes from CN = Other CA") { _ in
            .init(leaf: try leaf(try ForgedCertificate(subject: "Other CA", isAuthority: true)))
        },
        ClientCase("self-signed", reason: "certificate (CN = scada) is self-signed") { _ in
            .init(leaf: try leaf(nil))
        },
        ClientCase("expired", reason: "certificate has expired on ") {
            .init(leaf: try leaf($0, valid: -9000 ..< -60))
        },
        ClientCase("not yet valid", reason: "certificate is valid only from ") {
            .init(leaf: try leaf($0, valid: 3600..<9000))
        },
        ClientCase("wrong purpose", reason: "is not meant for a TLS client") {
            .init(leaf: try leaf($0, usage: "serverAuth"))
        },
        ClientCase("weak key", reason: "certificate has a weak key (80 bits") {
            .init(leaf: try leaf($0, key: .rsa(bits: 1024)))
        },
        ClientCase("weak key of an intermediate", reason: "authority's certificate (CN = Line CA) has a weak key") {
            let line = try line($0, key: .rsa(bits: 1024))
            return .init(leaf: try leaf(line), chain: [line])
        },
        ClientCase("revoked", reason: "certificate (CN = scada) was revoked on ") {
            let leaf = try leaf($0)
            return .init(leaf: leaf, lists: [try $0.revocationList(of: [leaf])])
        },
        ClientCase("an intermediate that is revoked", reason: "authority's certificate (CN = Line CA) was revoked on ")
        {
            let line = try line($0)
            return .init(
                leaf: try leaf(line), chain: [line],
                lists: [try line.revocationList(), try $0.revocationList(of: [line])])
        },
        ClientCase("a list that has expired", reason: "revocation list of CN = Plant CA has expired on ") {
            .init(leaf: try leaf($0), lists: [try $0.revocationList(valid: -9000 ..< -60)])
        },
        ClientCase("no list of the issuer", reason: "no revocation list of CN = Plant CA") {
            let other = try ForgedCertificate(subject: "Other CA", isAuthority: true)
            return .init(leaf: try leaf($0), lists: [try other.revocationList()])
        },
        ClientCase("a crowd", reason: "21 certificates were shown") {
            let line = try line($0)
            return .init(leaf: try leaf(line), chain: Array(repeating: line, count: 20))
        },
    ]
}

@Suite("The certificates of clients", .timeLimit(.minutes(2)))
struct ClientCaseTests {
    private let folder: TemporaryFolder
    private let authority: ForgedCertificate
    private let identity: TLSIdentity

    init() throws {
        folder = try TemporaryFolder()
        authority = try ForgedCertificate(subject: "Plant CA", isAuthority: true)
        let server = try ForgedCertificate(subject: "gateway", issuer: authority, names: "DNS:localhost")
        identity = try TLSIdentity.load(
            TLSIdentityOptions(
                name: "s", certificateFile: folder.write("s.pem", server.certificatePEM),
                keyFile: folder.write("s.key", server.keyPEM)))
    }

    /// What a client hears that shows this to a listener which greets whom it lets in; nil when it hears nothing.
    private func greeting(
        _ shown: ClientCase.Shown?, isRequired: Bool, highest: NIOSSL.TLSVersion
    ) async throws -> (heard: String?, subject: String?, reason: String?) {
        let lists = shown?.lists ?? []
        let trust = try ClientTrust.load(
            caFile: folder.write("clients.pem", authority.certificatePEM),
            revocationFile: lists.isEmpty ? nil : folder.write("clients.crl", lists.flatMap { $0 }),
            isRequired: isRequired)
        let tls = try ServerTLS(identity: identity, clients: trust)
        let refusal = Mutex<(String, String)?>(nil)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = tls.handler { subject, reason in refusal.withLock { $0 = (subject, reason) } }
                    try channel.pipeline.syncOperations.addHandlers(handler, Greeter())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        configuration.maximumTLSVersion = highest
        if let shown {
            configuration.certificateChain = try ([shown.leaf] + shown.chain).map {
                .certificate(try NIOSSLCertificate(bytes: $0.certificatePEM, format: .pem))
            }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: shown.leaf.keyPEM, format: .pem))
        }
        let context = try NIOSSLContext(configuration: configuration)
        let heard = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: String?.self)
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        NIOSSLClientHandler(context: context, serverHostname: nil), Listener(heard))
                }
            }
            .connect(host: "127.0.0.1", port: #require(server.localAddress?.port)).get()
        let text = try await heard.futureResult.get()
        try? await client.close()
        try? await server.close()
        let told = refusal.withLock { $0 }
        return (text, told?.0, told?.1)
    }

    @Test(arguments: ClientCase.all, [true, false])
    func judged(_ wanted: ClientCase, isRequired: Bool) async throws {
        for version in [NIOSSL.TLSVersion.tlsv12, .tlsv13] {
            let shown = try wanted.make(authority)
            let outcome = try await greeting(shown, isRequired: isRequired, highest: version)
            if let reason = wanted.reason {
                #expect(outcome.heard == nil)
                #expect(outcome.reason?.contains(reason) == true, "\(outcome.reason ?? "no reason")")
                #expect(outcome.subject == "CN=scada")
            } else {
                #expect(outcome.heard == "hello" && outcome.reason == nil, "\(outcome.reason ?? "")")
            }
        }
    }

    @Test(arguments: [NIOSSL.TLSVersion.tlsv12, .tlsv13])
    func withoutOne(_ version: NIOSSL.TLSVersion) async throws {
        let optional = try await greeting(nil, isRequired: false, highest: version)
        #expect(optional.heard == "hello")
        let required = try await greeting(nil, isRequired: true, highest: version)
        #expect(required.heard == nil)
    }

    @Test func aListThatIsIssuedAnewRevokesNothingMore() throws {
        let leaf = try ForgedCertificate(subject: "scada", issuer: authority)
        func load(_ list: [UInt8]) throws -> ClientTrust {
            try ClientTrust.load(
                caFile: folder.write("clients.pem", authority.certificatePEM),
                revocationFile: folder.write("clients.crl", list), isRequired: true)
        }
        let (first, second) = (try load(authority.revocationList()), try load(authority.revocationList(valid: 0..<99)))
        let third = try load(authority.revocationList(of: [leaf]))
        #expect(first.fingerprint != second.fingerprint && first.admission == second.admission)
        #expect(second.admission != third.admission)
    }

    private final class Greeter: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            context.writeAndFlush(NIOAny(ByteBuffer(string: "hello")), promise: nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let heard: EventLoopPromise<String?>

        init(_ heard: EventLoopPromise<String?>) { self.heard = heard }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            heard.succeed(String(buffer: unwrapInboundIn(data)))
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            heard.succeed(nil)
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { heard.succeed(nil) }
    }
}
