import NIOCore

/// A connection that has become a stream: it takes no other request, and ends with the stream.
extension RequestServer {
    /// What is sent of one stream before others on the event loop have their turn.
    private static let mostInOneTurn = 256 << 10

    /// A stream as this connection writes it.
    struct Streaming {
        let stream: LiveStream
        /// HTTP/1.0 knows no chunks: the end of the connection is the end of the answer.
        let isChunked: Bool
        /// Where the feed has it, whatever has become of the connection.
        let eventLoop: any EventLoop
        /// The kernel gave the connection up: its client took nothing for as long as a request may take.
        var hasTimedOut = false
        var isServing = false
        var isTurnPlanned = false
    }

    /// The head has been written.
    func beginStream(_ opening: LiveStream.Opening, isChunked: Bool) {
        // The head may not have gone out: then the connection has ended already, and the seat is free with the opening.
        guard let context else { return }
        connection.state.streamBegan(.now())
        waiting.removeAll()
        // The client went while its password was looked at.
        if isInputClosed { return connection.abort() }
        let stream = LiveStream(opening, now: .now())
        streaming = Streaming(stream: stream, isChunked: isChunked, eventLoop: context.eventLoop)
        stream.feed.join(self, on: context.eventLoop)
        if isQuiescing { return endStream(RequestServer.stopping) }
        send(Array(LiveStream.preamble.utf8), context)
        serveStream(isTick: false)
    }

    static let stopping = "the agent is stopping"

    /// Sends what there is, as far as the client takes it.
    func serveStream(isTick: Bool) {
        guard streaming?.isServing == false, let context else { return }
        streaming?.isServing = true
        defer { streaming?.isServing = false }
        var sent = 0
        // Beyond a mark of the channel's nothing is written until the client has taken from it: that bounds what waits.
        while context.channel.isWritable, let stream = streaming?.stream {
            guard sent < RequestServer.mostInOneTurn else { return planTurn(context) }
            switch stream.next(isTick: isTick, now: .now()) {
            case .nothing: return
            case .end(let reason): return endStream(reason)
            case .event(let event):
                sent += event.count
                send(event, context)
            }
        }
        // Rights are looked at whether or not the client takes anything.
        if isTick, let reason = streaming?.stream.endedMeanwhile() { endStream(reason) }
    }

    private func planTurn(_ context: ChannelHandlerContext) {
        guard streaming?.isTurnPlanned == false else { return }
        streaming?.isTurnPlanned = true
        context.eventLoop.assumeIsolated().execute {
            self.streaming?.isTurnPlanned = false
            self.serveStream(isTick: false)
        }
    }

    /// Tells the client why, and ends the connection in order.
    func endStream(_ reason: String) {
        guard streaming != nil, let context else { return }
        let isChunked = streaming?.isChunked ?? false
        var bytes = context.channel.allocator.buffer(capacity: 256)
        RequestServer.frame(LiveStream.endEvent(reason), isChunked: isChunked, into: &bytes)
        if isChunked { bytes.writeStaticString("0\r\n\r\n") }
        leaveStream()
        connection.state.streamWritten(.now())
        connection.state.lastAnswerWritten(.now())
        write(bytes, context, closes: true)
    }

    /// Nothing is sent any more.
    private func leaveStream() {
        guard let streaming else { return }
        self.streaming = nil
        streaming.stream.feed.leave(self, on: streaming.eventLoop)
    }

    /// The connection has ended under the stream, if it has one.
    func loseStream() {
        guard let streaming else { return }
        if streaming.hasTimedOut || connection.state.expiry(.now()) == .write { streaming.stream.wasCutOff() }
        leaveStream()
    }

    private func send(_ event: [UInt8], _ context: ChannelHandlerContext) {
        var bytes = context.channel.allocator.buffer(capacity: event.count + 16)
        RequestServer.frame(event, isChunked: streaming?.isChunked ?? false, into: &bytes)
        connection.state.streamWritten(.now())
        write(bytes, context, closes: false)
    }

    private static func frame(_ event: [UInt8], isChunked: Bool, into bytes: inout ByteBuffer) {
        guard isChunked else {
            bytes.writeBytes(event)
            return
        }
        bytes.writeString(String(event.count, radix: 16))
        bytes.writeStaticString("\r\n")
        bytes.writeBytes(event)
        bytes.writeStaticString("\r\n")
    }

    private func write(_ bytes: ByteBuffer, _ context: ChannelHandlerContext, closes: Bool) {
        let taken = context.eventLoop.makePromise(of: Void.self)
        taken.futureResult.assumeIsolated().whenSuccess { self.answersTaken(1, closes: closes) }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: taken)
    }
}
