import NIOCore
import NIOHTTP1

/// Behind the HTTP codec: makes whole requests of parts, refuses what may not be served, and writes answers.
///
/// After a refusal nothing more is read as HTTP; the answer goes out in its turn and the connection ends.
final class RequestAssembler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = Incoming
    typealias OutboundIn = Reply
    typealias OutboundOut = ByteBuffer

    private enum Assembly {
        case none
        case body(ServerRequest)
        /// A refusal has been handed on.
        case refused
    }

    private let connection: ConnectionGuard
    private let limits: RequestLimits
    private let date: HTTPDate
    private let budget: BodyBudget
    /// The answer to a request whose body nobody needs to read, nil when it is to be read.
    private let early: (ServerRequest) -> Reply?
    private var assembly = Assembly.none
    private var isQuiescing = false
    private var context: ChannelHandlerContext?

    init(
        connection: ConnectionGuard, limits: RequestLimits, date: HTTPDate, budget: BodyBudget,
        early: @escaping (ServerRequest) -> Reply?
    ) {
        self.budget = budget
        self.early = early
        self.connection = connection
        self.limits = limits
        self.date = date
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connection.onSlowRequest = { [unowned self] in
            guard let context = self.context else { return }
            refuse(.failure(.requestTimeout, "the request did not come whole in time"), context)
            context.fireChannelReadComplete()
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (RequestAssembler.unwrapInboundIn(data), assembly) {
        case (_, .refused): break
        case (.head(let head), _): take(head, context)
        case (.body(var part), .body(var request)):
            // Without the copy in `assembly` the buffer is ours alone and grows in place.
            assembly = .none
            guard request.body.readableBytes + part.readableBytes <= limits.body else {
                return refuse(limits.bodyTooLarge, context)
            }
            let share = request.share ?? BodyBudget.Share(of: budget)
            guard share.take(part.readableBytes) else { return refuse(limits.tooManyBodies, context) }
            request.share = share
            request.body.writeBuffer(&part)
            assembly = .body(request)
        case (.end, .body(let request)):
            assembly = .none
            hand(.request(request), context)
        case (.body, .none), (.end, .none): break
        }
    }

    private func take(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let fields = RequestFields(head.headers)
        if let refusal = limits.refusal(of: head, fields) { return refuse(refusal, context) }
        // The codec stops for good behind a request that asks for another protocol.
        let upgrades = fields.connection.utf8.count > 0 && fields.connection.lowercased().contains("upgrade")
        let request = ServerRequest(
            method: head.method, target: head.uri, fields: fields, body: ByteBuffer(),
            keepsAlive: head.isKeepAlive && !upgrades)
        if fields.announcesBody, let reply = early(request) { return refuse(reply, context) }
        if fields.expect != nil, connection.state.unanswered == 0, head.version == .http1_1 {
            context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
        }
        assembly = .body(request)
    }

    private func refuse(_ reply: Reply, _ context: ChannelHandlerContext) {
        if case .refused = assembly { return }
        assembly = .refused
        hand(.refusal(reply.closing()), context)
    }

    private func hand(_ incoming: Incoming, _ context: ChannelHandlerContext) {
        connection.state.requestCame(.now())
        context.fireChannelRead(wrapInboundOut(incoming))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The codec complains of every byte behind its first error; the answer to that one is on its way.
        if case .refused = assembly { return }
        guard let error = error as? HTTPParserError else { return connection.abort() }
        switch error {
        case .headerOverflow: refuse(limits.headTooLarge, context)
        case .invalidVersion:
            refuse(.failure(.versionNotSupported, "HTTP/1.1 and HTTP/1.0 are spoken here"), context)
        case .invalidEOFState, .closedConnection:
            // The client has gone in the middle of a request: there is nothing to answer.
            connection.abort()
        default: refuse(.failure(.badRequest, "this is not a well-formed HTTP request"), context)
        }
        // Without this event nobody looks at what was just handed on.
        context.fireChannelReadComplete()
    }

    // MARK: answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if connection.state.isLingering { return promise?.succeed() ?? () }
        var reply = RequestAssembler.unwrapOutboundIn(data)
        if isQuiescing { reply.closes = true }
        let now = NIODeadline.now()
        connection.state.answerWritten(now)
        if reply.closes { connection.state.lastAnswerWritten(now) }
        let taken = promise ?? context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let closes = reply.closes
        taken.futureResult.whenSuccess { bound.value.answerTaken(closes: closes) }
        context.write(wrapOutboundOut(reply.encoded(context.channel.allocator, date: date.now)), promise: taken)
    }

    private func answerTaken(closes: Bool) {
        connection.state.answerTaken(.now())
        guard closes, let context else { return }
        // The peer sees the end of the answer; what it still sends is read and dropped until it closes or the time is
        // up, because closing over unread bytes would reset the connection and lose the answer.
        context.close(mode: .output, promise: nil)
        context.read()
    }

    // MARK: ending

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            isQuiescing = true
            if connection.state.isQuiet { context.close(promise: nil) }
            return
        }
        context.fireUserInboundEventTriggered(event)
    }
}
