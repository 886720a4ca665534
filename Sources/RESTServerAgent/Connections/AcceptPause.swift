import Glibc
import Logging
import NIOCore

/// First in a listener's pipeline: when no connection can be accepted it says so and waits a second before the next is
/// tried.
///
/// NIO's own handler for that defers the next read, but the one that failed stays pending there, so that the event loop
/// tries again and again (2.101: 86 % of a processor while no file descriptor was left).
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let pause = TimeAmount.seconds(1)

    private let logger: Logger
    private var isPausing = false

    init(logger: Logger) {
        self.logger = logger
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? IOError, !isPausing {
            logger.error(
                "No connection can be accepted; trying again every second",
                metadata: ["reason": "\(String(cString: strerror(error.errnoCode)))"])
            pause(context)
        }
        context.fireErrorCaught(error)
    }

    private func pause(_ context: ChannelHandlerContext) {
        guard let options = context.channel.syncOptions,
            (try? options.setOption(ChannelOptions.autoRead, value: false)) != nil
        else { return }
        isPausing = true
        context.eventLoop.assumeIsolated().scheduleTask(in: AcceptPause.pause) {
            self.isPausing = false
            // A listener that has ended meanwhile accepts nothing any more.
            try? options.setOption(ChannelOptions.autoRead, value: true)
        }
    }
}
