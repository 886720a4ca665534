import NIOCore

/// Brings what one connection says to its device. Both live on one event loop, so that no frame changes threads.
final class ModbusChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let device: ModbusDevice
    /// Tells this connection from the one before, whose last words may still be under way.
    private let connection: Int
    private var decoder = ModbusFrameDecoder()
    private var isBroken = false
    private var reason = "the device closed the connection"

    init(device: ModbusDevice, connection: Int) {
        self.device = device
        self.connection = connection
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isBroken else { return }
        decoder.append(unwrapInboundIn(data))
        let connection = connection
        do throws(ModbusProtocolError) {
            while let frame = try decoder.next() {
                let violation = device.assumeIsolated { $0.received(frame, on: connection) }
                if let violation { throw violation }
            }
            // Bytes that begin what nobody asked for are not kept for the next reply to complete.
            if let begun = decoder.begun, !device.assumeIsolated({ $0.expects(begun, on: connection) }) {
                throw .unexpectedTransaction(begun)
            }
        } catch {
            isBroken = true
            device.assumeIsolated { $0.violated(error, on: connection) }
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        let (connection, reason) = (connection, reason)
        device.assumeIsolated { $0.disconnected(reason, on: connection) }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        reason = "the connection broke: \(error)"
        context.close(promise: nil)
    }
}
