import Glibc
import NIOCore
import NIOHTTP1

/// Behind the HTTP codec: makes whole requests of parts and refuses what may not be served.
///
/// After a refusal or the last request nothing more is read as HTTP; the answer goes out in its turn and the connection ends.
final class RequestAssembler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    private enum Assembly {
        case none
        case body(ServerRequest)
        /// A refusal, or a request that ends the connection, has been handed on.
        case over
    }

    private let connection: ConnectionGuard
    private let server: RequestServer
    private let limits: RequestLimits
    private let budget: BodyBudget
    /// The answer to a request whose body nobody needs to read, nil when it is to be read.
    private let early: (ServerRequest) -> Reply?
    /// Bytes of a request that has no body.
    private let headAllowance: Int
    private var assembly = Assembly.none

    /// - Parameter server: behind this in the pipeline; gets what is assembled here.
    init(
        connection: ConnectionGuard, server: RequestServer, limits: RequestLimits, budget: BodyBudget,
        early: @escaping (ServerRequest) -> Reply?
    ) {
        self.budget = budget
        self.early = early
        self.connection = connection
        self.server = server
        self.limits = limits
        headAllowance = limits.wire(withBody: false)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        connection.expectRequest(allowance: headAllowance)
        // What the codec swallows without a word: spaces before a value, extensions of chunks.
        connection.onPadding = { [unowned self] in
            if case .body = assembly { refuse(limits.bodyPadded) } else { refuse(limits.headTooLarge) }
            server.flush()
        }
        connection.onSlowRequest = { [unowned self] in
            refuse(.failure(.requestTimeout, "the request did not come whole in time"))
            server.flush()
        }
    }

    // MARK: requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (RequestAssembler.unwrapInboundIn(data), assembly) {
        case (_, .over): break
        case (.head(let head), _): take(head, context)
        case (.body(var part), .body(var request)):
            // Without the copy in `assembly` the buffer is ours alone and grows in place.
            assembly = .none
            guard request.body.readableBytes + part.readableBytes <= limits.body else {
                return refuse(limits.bodyTooLarge)
            }
            let share = request.share ?? BodyBudget.Share(of: budget)
            guard share.take(part.readableBytes) else { return refuse(limits.tooManyBodies) }
            request.share = share
            request.body.writeBuffer(&part)
            assembly = .body(request)
        case (.end, .body(let request)):
            // The codec complains of what comes behind the last request; the answers before that are on their way.
            assembly = request.keepsAlive ? .none : .over
            connection.expectRequest(allowance: headAllowance)
            server.take(.request(request))
        case (.body, .none), (.end, .none): break
        }
    }

    private func take(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let fields = RequestFields(head.headers)
        if let refusal = limits.refusal(of: head, fields) { return refuse(refusal) }
        // The codec stops for good behind a request that asks for another protocol or for a tunnel.
        let upgrades =
            head.method == .CONNECT
            || fields.connection.utf8.count > 0 && fields.connection.lowercased().contains("upgrade")
        var request = ServerRequest(
            method: head.method, target: head.uri, fields: fields, body: ByteBuffer(),
            keepsAlive: head.isKeepAlive && !upgrades)
        request.takesChunks = head.version == .http1_1
        if fields.announcesBody {
            if let reply = early(request) { return refuse(reply) }
            connection.allowance = limits.wire(withBody: true)
        }
        if fields.expect != nil, connection.state.unanswered == 0, head.version == .http1_1 {
            server.flush()
            context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
        }
        assembly = .body(request)
    }

    private func refuse(_ reply: Reply) {
        if case .over = assembly { return }
        assembly = .over
        server.take(.refusal(reply.closing()))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The kernel has its own clock for a client that takes nothing, and may be the first to give up.
        if let error = error as? IOError, error.errnoCode == ETIMEDOUT { server.streaming?.hasTimedOut = true }
        // The codec complains of every byte behind its first error; the answer to that one is on its way.
        if case .over = assembly { return }
        guard let error = error as? HTTPParserError else { return connection.abort() }
        switch error {
        case .headerOverflow: refuse(limits.headTooLarge)
        case .invalidVersion:
            refuse(.failure(.versionNotSupported, "HTTP/1.1 and HTTP/1.0 are spoken here"))
        case .invalidMethod where connection.beginsWithMethod:
            refuse(.failure(.notImplemented, "this method is not known here"))
        case .invalidEOFState, .closedConnection:
            // The client has gone in the middle of a request, or sends on behind its last one: there is nothing to
            // answer but what is on its way, and that ends the connection.
            if connection.state.isAnswered { connection.abort() }
        default: refuse(.failure(.badRequest, "this is not a well-formed HTTP request"))
        }
        server.flush()
    }
}
