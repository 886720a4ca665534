import Glibc
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import TLS

/// How Hummingbird's server sets up and serves one connection of ours.
///
/// The pipeline is: deadlines and caps, TLS, byte gate, HTTP codec, assembler of requests, and the server of requests,
/// beside which a task waits for those that cannot be answered at once.
struct RESTChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let channel: any Channel
        let peer: Peer
        let requests: AsyncStream<RequestServer.Pending>
    }

    /// A connection over the caps, or from a network that is not let in.
    struct Refused: Error {}

    /// Bytes; the kernel doubles it for what it keeps beside them.
    private static let sendBuffer: SocketOptionValue = 128 << 10
    private static let mostReadAtOnce = 16 << 10

    let registry: ConnectionRegistry
    let timeouts: ConnectionState.Timeouts
    let limits: RequestLimits
    /// Asked for every connection, so that a new certificate serves the next one.
    let served: ServedTLS
    let responder: Responder
    let budget: BodyBudget
    let date = HTTPDate()

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard let peer = registry.admit(channel) else {
            channel.close(promise: nil)
            return channel.eventLoop.makeFailedFuture(Refused())
        }
        return channel.eventLoop.makeCompletedFuture {
            let tls = served.now
            let pipeline = channel.pipeline.syncOperations
            try bound(channel)
            let hold = tls?.clients == nil ? nil : ReadHold()
            let connection = ConnectionGuard(timeouts: timeouts, expectsHandshake: tls != nil, hold: hold)
            connection.onYield = { [registry] in $0 ? registry.yields(channel) : registry.declines(channel) }
            connection.onLogin = { [registry] in registry.keep(channel) }
            try pipeline.addHandler(connection)
            if let hold { try pipeline.addHandler(hold) }
            if let tls {
                let handler = tls.handler { responder.refusedCertificate(of: peer, subject: $0, reason: $1) }
                try pipeline.addHandler(handler)
                if responder.certificates.mode != .none {
                    try pipeline.addHandler(
                        CertificateReader(peer, tls: handler, trust: tls.clients, responder: responder))
                }
            }
            try pipeline.addHandler(ByteGate(connection))
            try pipeline.addHandler(
                ByteToMessageHandler(
                    HTTPRequestDecoder(
                        leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop,
                        limitConfiguration: limits.decoder)))
            let (requests, pending) = AsyncStream.makeStream(
                // One at a time: what comes behind waits with the server.
                of: RequestServer.Pending.self, bufferingPolicy: .bufferingOldest(1))
            let server = RequestServer(
                connection: connection, responder: responder, peer: peer, date: date,
                strictTransport: ServedTLS.isStrict(tls) ? served : nil, pending: pending)
            try pipeline.addHandler(
                RequestAssembler(connection: connection, server: server, limits: limits, budget: budget) {
                    responder.refusal(of: $0, from: peer)
                })
            try pipeline.addHandler(server)
            return Value(channel: channel, peer: peer, requests: requests)
        }
    }

    /// What the kernel may hold of answers for a client that does not take them, and for how long: left to itself it
    /// takes megabytes for each, and counts them as taken.
    private func bound(_ channel: any Channel) throws {
        guard let options = channel.syncOptions else { return }
        try options.setOption(ChannelOptions.socketOption(.so_sndbuf), value: RESTChannel.sendBuffer)
        let userTimeout = NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT)
        try options.setOption(
            ChannelOptions.Types.SocketOption(level: .tcp, name: userTimeout),
            value: SocketOptionValue(clamping: timeouts.request.nanoseconds / 1_000_000))
        // One read is one turn, and a small one: it may hold a TLS record for every 23 bytes.
        try options.setOption(ChannelOptions.maxMessagesPerRead, value: 1)
        try options.setOption(
            ChannelOptions.recvAllocator,
            value: AdaptiveRecvByteBufferAllocator(minimum: 64, initial: 2048, maximum: RESTChannel.mostReadAtOnce))
    }

    /// Answers what has to wait for something, one request at a time, on the connection's event loop.
    func handle(value: Value, logger: Logger) async {
        let channel = value.channel
        let peer = value.peer
        await withTaskExecutorPreference(EventLoopTaskExecutor(channel.eventLoop)) {
            await withTaskCancellationHandler {
                for await pending in value.requests {
                    var login = pending.login
                    let reply = await responder.respond(to: pending.request, from: peer, login: &login)
                    let answered = login
                    channel.eventLoop.execute { pending.answer(reply, login: answered) }
                }
            } onCancel: {
                channel.close(promise: nil)
            }
        }
        // Cancelled, the last answer is not waited for; the connection is.
        try? await channel.closeFuture.get()
    }
}
