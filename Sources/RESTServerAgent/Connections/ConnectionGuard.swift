import NIOCore
import NIOTLS

/// First in the pipeline, ahead of TLS: ends the connection when what it is doing takes too long.
///
/// It owns the connection's `ConnectionState`, which the handlers behind it tell what happens. All on one event loop.
final class ConnectionGuard: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// Fired from outside: the connection is to end, whatever it is doing.
    struct End: Sendable {}

    /// Fired from outside: the connection is to end if nothing of it is being answered.
    struct Yield: Sendable {}

    /// Bytes that a request may take on the wire beside eight times its own.
    private static let mostRaw = 64 << 10

    var state: ConnectionState
    private let period: TimeAmount
    private var context: ChannelHandlerContext?
    private var ticks: RepeatedTask?
    /// Called when a request does not come whole in time and can still be answered.
    var onSlowRequest: (() -> Void)?
    /// Called when a request takes more bytes on the wire than its parts could.
    var onPadding: (() -> Void)?
    /// Called when the connection was asked to make room: whether it does.
    var onYield: ((Bool) -> Void)?
    /// Called once, when somebody has logged in.
    var onLogin: (() -> Void)?
    /// Bytes that the request which is coming may take on the wire, and has taken.
    var allowance = Int.max
    private var taken = 0
    /// The first bytes of the request that is coming, as far as they came together.
    private var beginning: (bytes: UInt64, count: Int) = (0, 0)
    /// Bytes that came for them, with what TLS puts around them. A record costs the same whether it holds a byte or
    /// 16 KiB, and one of the handshake holds none.
    private var raw = 0
    /// nil where nobody's certificate is judged: then a handshake has no reason to bring so much.
    private var hold: ReadHold?

    init(timeouts: ConnectionState.Timeouts, expectsHandshake: Bool, hold: ReadHold? = nil) {
        self.hold = hold
        state = ConnectionState(timeouts: timeouts, expectsHandshake: expectsHandshake, now: .now())
        let shortest = min(timeouts.handshake, timeouts.request, timeouts.idle, timeouts.linger)
        period = max(.milliseconds(10), min(.seconds(1), .nanoseconds(shortest.nanoseconds / 8)))
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        ticks = context.eventLoop.scheduleRepeatedTask(initialDelay: period, delay: period) { _ in
            bound.value.tick()
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        raw += ConnectionGuard.unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
        // A handshake with a chain of certificates fits, and so does a client that sends its head in ten-byte records.
        guard raw > ConnectionGuard.mostRaw + 8 * taken else { return }
        // While its certificate is being judged nothing is decrypted, and a client may well send its request already. The
        // handshake has a deadline of its own.
        if state.isHandshaking, let hold { hold.begin() } else { context.close(promise: nil) }
    }

    /// TLS is ready: what came behind the handshake is decrypted next.
    func handshakeDone() {
        state.handshakeDone(.now())
        hold?.end()
        hold = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is End: context.close(promise: nil)
        case is Yield:
            // A stream is an answer that goes on; `limits.streams` keeps places from them.
            let yields = state.isAnswered && !state.isStreaming
            onYield?(yields)
            if yields { context.close(promise: nil) }
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    /// Somebody has logged in on the connection.
    func loggedIn() {
        onLogin?()
        onLogin = nil
    }

    /// The bytes from here on are the next request's.
    func expectRequest(allowance: Int) {
        self.allowance = allowance
        taken = 0
        raw = 0
    }

    /// Bytes that are about to be read.
    func bytesCome(_ bytes: ByteBuffer) {
        if taken == 0 {
            let count = min(bytes.readableBytes, 8)
            let first =
                count == 8
                ? bytes.getInteger(at: bytes.readerIndex, as: UInt64.self)
                : bytes.readableBytesView.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } << UInt64(8 * (8 - count))
            beginning = (first ?? 0, count)
        }
        taken += bytes.readableBytes
        state.bytesCame(.now())
    }

    /// Those bytes have been read: what made a request whole is forgotten by now.
    func bytesWereRead() {
        if taken > allowance { onPadding?() }
    }

    /// Bytes that come behind the last answer and that nobody reads: they count, or the rest of a large body that was
    /// refused would look like nothing but the wrapping of records, and its client would not see the answer.
    func bytesAreDropped(_ bytes: ByteBuffer) { taken += bytes.readableBytes }

    /// Whether the request that is coming begins as one does: a word of capitals, and a space behind it where that has
    /// come already.
    var beginsWithMethod: Bool {
        for index in 0..<beginning.count {
            let byte = UInt8(truncatingIfNeeded: beginning.bytes >> UInt64(56 - 8 * index))
            if byte == 0x20 { return index > 0 }
            guard byte &- 0x41 < 26 else { return false }
        }
        return beginning.count > 0
    }

    /// Ends the connection at the socket: no farewell of TLS, which would wait for the peer.
    func abort() { context?.close(promise: nil) }

    private func tick() {
        switch state.expiry(.now()) {
        case nil: break
        case .request(answerable: true)?: onSlowRequest?()
        case .handshake, .request, .write, .idle, .linger: abort()
        }
    }

    private func stop() {
        ticks?.cancel()
        ticks = nil
        context = nil
        onSlowRequest = nil
        onPadding = nil
        onYield = nil
        onLogin = nil
    }
}

/// Between TLS and the HTTP codec: sees bytes come, and keeps them from the codec once the last answer is written.
final class ByteGate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private static let headEnd = Array("\r\n\r\n".utf8)
    private let connection: ConnectionGuard

    init(_ connection: ConnectionGuard) {
        self.connection = connection
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = ByteGate.unwrapInboundIn(data)
        // The last byte goes alone: when it ends no request it belongs to the next one, of which nobody else would tell
        // that it has begun before its head is whole. Not where a head ends with the read, as nearly every GET's does:
        // then nothing of another one came, and passing twice would cost three or four in a hundred.
        let endsHead = bytes.readableBytesView.suffix(4).elementsEqual(ByteGate.headEnd)
        if bytes.readableBytes > 1, !endsHead, let first = bytes.readSlice(length: bytes.readableBytes - 1) {
            pass(first, context)
        }
        pass(bytes, context)
    }

    private func pass(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        if connection.state.isLingering { return connection.bytesAreDropped(bytes) }
        // Of a client that was refused with the end of the handshake, which nobody behind has heard of.
        if connection.state.isHandshaking { return }
        // On a stream nothing more is taken; what comes with the client's end goes.
        if connection.state.isStreaming { return }
        connection.bytesCome(bytes)
        context.fireChannelRead(ByteGate.wrapInboundOut(bytes))
        connection.bytesWereRead()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Nobody behind asks for more then, and what the client still sends must be taken for it to see the answer.
        if connection.state.isLingering { context.read() }
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent { connection.handshakeDone() }
        if case ChannelEvent.inputClosed? = event as? ChannelEvent, connection.state.isLingering {
            return context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }
}
