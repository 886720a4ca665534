import CCurl
import Logging
import MQTTAgent
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Outbox
import Publishing
import TLS
import TagStore
import TestPeers
import Testing

/// The one table against the three libraries that connect for us, each over a socket and as the gateway uses it.
@Suite("The same servers for every library", .timeLimit(.minutes(5)))
struct EveryLibraryTests {
    @Test(arguments: ServerCase.good + ServerCase.bad)
    func libmosquitto(_ wanted: ServerCase) async throws {
        let prepared = try PreparedCase(wanted)
        let server = try ForgedServer(prepared.shown)
        let directory = try TemporaryDirectory()
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let outbox = try await Outbox.open(dataDirectory: directory.path, machine: "test", logger: quiet)
        let queue = try await outbox.queue(for: "broker", options: OutboxOptions())
        let agent = try MQTTAgent(
            options: MQTTAgentOptions(
                name: "broker", broker: BrokerURL(host: wanted.host, port: server.port, usesTLS: true),
                clientID: "sallyport-test", tls: prepared.options),
            items: [], store: TagStore(), queue: queue, logger: quiet)
        let task = Task { try await agent.run() }
        while agent.status.lastError == nil, server.bytes.isEmpty { try await Task.sleep(for: .milliseconds(2)) }
        let (failure, bytes) = (agent.status.lastError, server.bytes)
        task.cancel()
        _ = await task.result
        check(wanted, failure, bytes)
    }

    @Test(arguments: ServerCase.good + ServerCase.bad, [1, 0])
    func libcurl(_ wanted: ServerCase, ownVerification: Int) async throws {
        let prepared = try PreparedCase(wanted)
        let server = try ForgedServer(prepared.shown)
        let rules = try ClientTLSRules(options: prepared.options, host: wanted.host)
        let url = "https://\(wanted.host):\(server.port)/"
        let code = try await NIOThreadPool.singleton.runIfActive {
            try CurlRequest.get(url, rules: rules, ownVerification: ownVerification)
        }
        // Our rules replace libcurl's: with its own verification on, it would ask for the host once more, more loosely,
        // after ours; what it makes of the verdict is the same.
        #expect((code == CURLE_OK) == (wanted.reason == nil), "\(code)")
        check(wanted, rules.takeFailure(), server.bytes)
    }

    @Test(arguments: ServerCase.good + ServerCase.bad)
    func nioSSL(_ wanted: ServerCase) async throws {
        let prepared = try PreparedCase(wanted)
        let server = try ForgedServer(prepared.shown)
        let client = try ClientTLS(options: prepared.options, host: wanted.host)
        let done = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Void.self)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(client.handler(), HandshakeEnd(done))
                }
            }
            .connect(host: "127.0.0.1", port: Int(server.port)).get()
        do {
            try await done.futureResult.get()
            try await channel.writeAndFlush(ByteBuffer(string: "hello"))
            while server.bytes.isEmpty { try await Task.sleep(for: .milliseconds(2)) }
        } catch {
            #expect(wanted.reason != nil, "\(error)")
        }
        try? await channel.close()
        check(wanted, client.takeFailure(), server.bytes)
    }

    private func check(_ wanted: ServerCase, _ failure: String?, _ bytes: [UInt8]) {
        if let reason = wanted.reason {
            #expect(bytes.isEmpty)
            #expect(failure?.contains(reason) == true, "\(failure ?? "no reason")")
        } else {
            #expect(!bytes.isEmpty)
            #expect(failure == nil, "\(failure ?? "")")
        }
    }
}

/// Tells how a handshake ended.
final class HandshakeEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let done: EventLoopPromise<Void>

    init(_ done: EventLoopPromise<Void>) { self.done = done }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent { done.succeed(()) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        done.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { done.fail(ChannelError.eof) }
}

/// One request by libcurl with our rules put into the SSL_CTX that it makes.
enum CurlRequest {
    static func get(_ url: String, rules: ClientTLSRules, ownVerification: Int) throws -> CURLcode {
        let handle = try #require(curl_easy_init())
        defer { curl_easy_cleanup(handle) }
        let codes = [
            sallyport_curl_set_text(handle, CURLOPT_URL, url),
            sallyport_curl_set_text(handle, CURLOPT_PROXY, ""),
            sallyport_curl_set_text(handle, CURLOPT_PROTOCOLS_STR, "https"),
            sallyport_curl_set_number(handle, CURLOPT_NOSIGNAL, 1),
            sallyport_curl_set_number(handle, CURLOPT_TIMEOUT_MS, 20_000),
            sallyport_curl_set_number(handle, CURLOPT_SSL_VERIFYPEER, ownVerification),
            sallyport_curl_set_number(handle, CURLOPT_SSL_VERIFYHOST, 0),
            sallyport_curl_set_tls_setup(
                handle,
                { _, context, rules in
                    guard let context, let rules else { return CURLE_SSL_CONNECT_ERROR }
                    do {
                        try Unmanaged<ClientTLSRules>.fromOpaque(rules).takeUnretainedValue()
                            .apply(to: OpaquePointer(context))
                        return CURLE_OK
                    } catch {
                        return CURLE_SSL_CONNECT_ERROR
                    }
                }, Unmanaged.passUnretained(rules).toOpaque()),
        ]
        try #require(codes.allSatisfy { $0 == CURLE_OK })
        return withExtendedLifetime(rules) { curl_easy_perform(handle) }
    }
}
