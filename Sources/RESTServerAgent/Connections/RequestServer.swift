import NIOCore
import NIOTLS

/// Last in the pipeline: serves one connection's requests in their order and writes the answers.
///
/// What can be answered without waiting is answered here and now, on the event loop; for anything else the connection's
/// task is woken, and what comes behind waits for it. The answers of one turn go out in one write.
final class RequestServer: ChannelDuplexHandler {
    // Requests come by `take`: a request in a `NIOAny` would be an allocation each.
    typealias InboundIn = Never
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    /// A request that has to wait for something, on its way to the connection's task and back.
    struct Pending: Sendable {
        let request: ServerRequest
        let login: Responder.Login?
        fileprivate let server: NIOLoopBound<RequestServer>

        /// To be called once, on the connection's event loop.
        func answer(_ reply: Reply, login: Responder.Login?) { server.value.answered(request, reply, login) }
    }

    /// Requests that wait before no more is read from the socket: few, since each may be large.
    private static let mostWaiting = 4
    /// Requests that one connection is served before it is others' turn.
    private static let turn = 32
    /// Bytes of answers that are sent without waiting for the end of the turn.
    private static let mostUnsent = 64 << 10
    /// Room for answers that a connection keeps between them.
    private static let keptRoom = 4 << 10

    let connection: ConnectionGuard
    private let responder: Responder
    private let peer: Peer
    private let date: HTTPDate
    /// nil where this connection has no TLS, or a certificate that no authority issued.
    private let strictTransport: ServedTLS?
    private let pending: AsyncStream<Pending>.Continuation
    private var login: Responder.Login?
    private var isLoginNoted = false
    var waiting = CircularBuffer<Incoming>()
    /// What the connection has become, for good.
    var streaming: Streaming?
    /// The connection's task has a request.
    private var isPending = false
    private var isServing = false
    private var servedThisTurn = 0
    private var isTurnPlanned = false
    private var isReadHeld = false
    private(set) var isInputClosed = false
    private(set) var isQuiescing = false
    /// Answers that are to go out with the next flush.
    private var unsent = ByteBuffer()
    private var unsentAnswers = 0
    private(set) var context: ChannelHandlerContext?

    init(
        connection: ConnectionGuard, responder: Responder, peer: Peer, date: HTTPDate,
        strictTransport: ServedTLS?, pending: AsyncStream<Pending>.Continuation
    ) {
        self.connection = connection
        self.responder = responder
        self.peer = peer
        self.date = date
        self.strictTransport = strictTransport
        self.pending = pending
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    private func end() {
        pending.finish()
        waiting.removeAll()
        loseStream()
        context = nil
    }

    // MARK: requests

    /// Takes the next of the connection. Answers leave with `flush`, which the caller calls when nothing follows at once.
    func take(_ incoming: Incoming) {
        if streaming != nil { return }
        connection.state.requestCame(.now())
        if connection.state.isLingering { return }
        if waiting.isEmpty, mayServe { serve(incoming) } else { waiting.append(incoming) }
    }

    /// Nothing is before it, and the client takes its answers.
    private var mayServe: Bool {
        guard !isPending, streaming == nil, servedThisTurn < RequestServer.turn, !connection.state.isLingering,
            let context
        else { return false }
        return context.channel.isWritable
    }

    private func serve(_ incoming: Incoming) {
        servedThisTurn += 1
        switch incoming {
        case .refusal(let reply): write(reply)
        case .request(let request):
            if let reply = responder.respondAtOnce(to: request, from: peer, login: &login) {
                noteLogin()
                write(reply, to: request)
            } else if let context {
                isPending = true
                let server = NIOLoopBound(self, eventLoop: context.eventLoop)
                pending.yield(Pending(request: request, login: login, server: server))
            }
        }
    }

    private func answered(_ request: ServerRequest, _ reply: Reply, _ login: Responder.Login?) {
        isPending = false
        self.login = login
        noteLogin()
        guard context != nil else { return }
        if !isTurnPlanned { servedThisTurn = 0 }
        write(reply, to: request)
        serveWaiting()
        flush()
    }

    private func noteLogin() {
        if isLoginNoted || login == nil { return }
        isLoginNoted = true
        connection.loggedIn()
    }

    private func serveWaiting() {
        // Sending may tell us that the client takes answers again: whoever is at it goes on.
        if isServing { return }
        isServing = true
        while mayServe, let next = waiting.popFirst() { serve(next) }
        isServing = false
        if connection.state.isLingering { waiting.removeAll() }
        guard let context else { return }
        if !waiting.isEmpty, !isPending, !isTurnPlanned, context.channel.isWritable {
            isTurnPlanned = true
            context.eventLoop.assumeIsolated().execute {
                self.isTurnPlanned = false
                self.servedThisTurn = 0
                self.serveWaiting()
                self.flush()
            }
        }
        if isReadHeld, streaming == nil, waiting.count < RequestServer.mostWaiting {
            isReadHeld = false
            context.read()
        }
    }

    func read(context: ChannelHandlerContext) {
        if waiting.count >= RequestServer.mostWaiting || streaming != nil {
            isReadHeld = true
        } else {
            context.read()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        serveWaiting()
        flush()
        if !isTurnPlanned { servedThisTurn = 0 }
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            serveWaiting()
            flush()
            serveStream(isTick: false)
        }
        context.fireChannelWritabilityChanged()
    }

    // MARK: answers

    private func write(_ reply: Reply, to request: ServerRequest) {
        var reply = reply
        reply.isChunked = request.takesChunks
        guard let opening = reply.stream, !reply.omitsBody, context != nil else {
            reply.stream = nil
            if !request.keepsAlive { reply.closes = true }
            return write(reply)
        }
        if connection.state.isLingering { return }
        write(reply)
        flush()
        beginStream(opening, isChunked: request.takesChunks)
    }

    private func write(_ reply: Reply) {
        if connection.state.isLingering { return }
        var reply = reply
        if isQuiescing, reply.stream == nil { reply.closes = true }
        let now = NIODeadline.now()
        connection.state.answerWritten(now)
        if reply.closes { connection.state.lastAnswerWritten(now) }
        reply.encode(into: &unsent, common: date.commonFields(strict: strictTransport?.isStrict ?? false))
        unsentAnswers += 1
        if unsent.readableBytes >= RequestServer.mostUnsent { flush() }
    }

    /// Sends the answers that are ready.
    func flush() {
        guard unsentAnswers > 0, let context else { return }
        let count = unsentAnswers
        let closes = connection.state.isLingering
        var bytes = unsent
        unsent = ByteBuffer()
        unsentAnswers = 0
        let taken = context.eventLoop.makePromise(of: Void.self)
        taken.futureResult.assumeIsolated().whenSuccess { self.answersTaken(count, closes: closes) }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: taken)
        // Where the bytes have been taken the room is ours alone again and serves the next answer.
        guard unsent.capacity == 0, bytes.capacity <= RequestServer.keptRoom else { return }
        bytes.clear()
        unsent = bytes
    }

    func answersTaken(_ count: Int, closes: Bool) {
        connection.state.answersTaken(count, .now())
        guard let context else { return }
        if closes {
            // The peer sees the end of the answer; what it still sends is read and dropped until it closes or the time is
            // up, because closing over unread bytes would reset the connection and lose the answer.
            context.close(mode: .output, promise: nil)
            context.read()
        } else {
            closeAfterLast(context)
        }
    }

    // MARK: ending

    /// The client has said its last: answers that are still on their way go out first.
    private func closeAfterLast(_ context: ChannelHandlerContext) {
        guard isInputClosed, !connection.state.isLingering, connection.state.isAnswered else { return }
        context.close(mode: .output, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            isQuiescing = true
            if streaming != nil { return endStream(RequestServer.stopping) }
            guard connection.state.isQuiet else { return }
            // The farewell of TLS goes out and is not waited for: one client that does not answer it would keep the
            // listener, and with it one that is to take its place, for seconds.
            context.close(promise: nil)
            connection.abort()
        case ChannelEvent.inputClosed as ChannelEvent:
            isInputClosed = true
            // Who sends no more does not listen either, as far as anybody can tell.
            if streaming != nil { return connection.abort() }
            serveWaiting()
            flush()
            closeAfterLast(context)
        case TLSUserEvent.handshakeCompleted as TLSUserEvent:
            if case .mapped = peer.certificate { connection.loggedIn() }
            context.fireUserInboundEventTriggered(event)
        default: context.fireUserInboundEventTriggered(event)
        }
    }
}
