import NIOCore

/// Between the guard and TLS while a client's certificate may have to be judged: keeps the channel from reading on when
/// enough waits for the handshake. NIOSSL asks for more by itself while it has nothing to hand on, whatever autoRead says,
/// so asking is what has to be stopped. It goes with the handshake.
final class ReadHold: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = ByteBuffer

    private var context: ChannelHandlerContext?
    private var isHolding = false
    private var isWanted = false

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func read(context: ChannelHandlerContext) {
        if isHolding { isWanted = true } else { context.read() }
    }

    /// Nothing is read from now on.
    func begin() { isHolding = true }

    /// Reads what was asked for meanwhile, and goes.
    func end() {
        guard let context else { return }
        isHolding = false
        if isWanted { context.read() }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
