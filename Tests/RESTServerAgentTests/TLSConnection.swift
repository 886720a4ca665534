import NIOCore
import NIOPosix
import NIOSSL
import TLS
import TestPeers

/// One request over TLS, with a certificate of the client's own or without.
enum TLSConnection {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Collects what comes until the server closes.
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private var bytes = ByteBuffer()
        private let done: EventLoopPromise<String>

        init(_ done: EventLoopPromise<String>) { self.done = done }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var part = Collector.unwrapInboundIn(data)
            bytes.writeBuffer(&part)
        }

        func channelInactive(context: ChannelHandlerContext) {
            done.succeed(String(buffer: bytes))
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            // A peer that ends without TLS's farewell has said what it had to say.
            if bytes.readableBytes == 0 { done.fail(Failure(description: "\(error)")) }
            context.close(promise: nil)
        }
    }

    /// What the server answers until it closes; an error when the handshake fails.
    static func ask(
        _ address: SocketAddress, _ request: String, as identity: DemoAuthority.Identity? = nil,
        maximum: NIOSSL.TLSVersion? = nil
    ) async throws -> String {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        configuration.maximumTLSVersion = maximum
        if let identity {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(identity.certificateFile)
                .map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: identity.keyFile, format: .pem))
        }
        let context = try NIOSSLContext(configuration: configuration)
        let done = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: String.self)
        do {
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: nil))
                        try pipeline.addHandler(Collector(done))
                    }
                }
                .connect(to: address).get()
            // Where the handshake fails the write does too; what matters is what came back.
            channel.writeAndFlush(ByteBuffer(string: request), promise: nil)
        } catch {
            done.fail(error)
        }
        return try await done.futureResult.get()
    }
}

/// A listener's own identity and the authorities of its clients, for tests.
struct ServerCertificates: Sendable {
    let server: DemoAuthority
    let clients: DemoAuthority
    let identity: TLSIdentity

    init() async throws {
        server = try await DemoAuthority(name: "Server CA")
        clients = try await DemoAuthority(name: "Client CA")
        let files = try await server.issue("localhost")
        identity = try TLSIdentity.load(
            TLSIdentityOptions(name: "s", certificateFile: files.certificateFile, keyFile: files.keyFile))
    }

    func configuration(isRequired: Bool) throws -> ServerTLS {
        try ServerTLS(
            identity: identity, clients: ClientTrust.load(caFile: clients.certificateFile, isRequired: isRequired))
    }
}
