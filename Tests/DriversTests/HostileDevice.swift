import NIOCore
import NIOPosix
import Synchronization

/// A TCP server that answers Modbus requests as a script says: rightly, wrongly, late, in pieces or never.
final class HostileDevice: Sendable {
    /// What to do with one request.
    enum Answer: Sendable {
        case bytes([UInt8])
        /// One byte at a time, flushed.
        case trickle([UInt8])
        case late([UInt8], after: TimeAmount)
        case close(after: [UInt8])
        case silence
    }

    struct Request: Sendable {
        let transaction: UInt16
        let unit: UInt8
        let function: UInt8
        let address: UInt16
        /// Registers or bits for a read, the value or number for a write.
        let second: UInt16

        /// A frame that a right answer has.
        func frame(_ pdu: [UInt8], transaction: UInt16? = nil, unit: UInt8? = nil, length: Int? = nil) -> [UInt8] {
            let transaction = transaction ?? self.transaction
            let length = UInt16(length ?? pdu.count + 1)
            return [
                UInt8(transaction >> 8), UInt8(transaction & 0xFF), 0, 0, UInt8(length >> 8), UInt8(length & 0xFF),
                unit ?? self.unit,
            ] + pdu
        }

        /// Registers that each hold their own address, which tells at once when one is in the wrong tag.
        var rightPDU: [UInt8] {
            guard function <= 4 else {
                return [function, UInt8(address >> 8), UInt8(address & 0xFF), UInt8(second >> 8), UInt8(second & 0xFF)]
            }
            let data = (0..<second).flatMap { index -> [UInt8] in
                let value = address &+ index
                return [UInt8(value >> 8), UInt8(value & 0xFF)]
            }
            return [function, UInt8(data.count)] + data
        }

        var right: Answer { .bytes(frame(rightPDU)) }
    }

    /// The number of requests so far, from 0, over all connections.
    typealias Script = @Sendable (Int, Request) -> Answer

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        let device: HostileDevice
        var pending = ByteBuffer()

        init(_ device: HostileDevice) { self.device = device }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            pending.writeImmutableBuffer(unwrapInboundIn(data))
            while let length = pending.getInteger(at: pending.readerIndex + 4, as: UInt16.self),
                let frame = pending.readBytes(length: 6 + Int(length))
            {
                func word(_ index: Int) -> UInt16 { UInt16(frame[index]) << 8 | UInt16(frame[index + 1]) }
                let request = Request(
                    transaction: word(0), unit: frame[6], function: frame[7], address: word(8), second: word(10))
                let number = device.count.wrappingAdd(1, ordering: .relaxed).oldValue
                perform(device.script.withLock { $0 }(number, request), context)
            }
        }

        private func perform(_ answer: Answer, _ context: ChannelHandlerContext) {
            switch answer {
            case .bytes(let bytes): context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
            case .trickle(let bytes):
                for byte in bytes {
                    context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: [byte])), promise: nil)
                }
            case .late(let bytes, let delay):
                let channel = context.channel
                context.eventLoop.scheduleTask(in: delay) {
                    channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
                }
            case .close(let bytes):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
                context.close(promise: nil)
            case .silence: break
            }
        }
    }

    let script: Mutex<Script>
    let count = Atomic<Int>(0)
    private let opened = Mutex<(port: Int, connections: Int)>((0, 0))

    var port: Int { opened.withLock { $0.port } }
    var connections: Int { opened.withLock { $0.connections } }
    var requests: Int { count.load(ordering: .relaxed) }

    private init(_ script: @escaping Script) { self.script = Mutex(script) }

    func behave(_ script: @escaping Script) { self.script.withLock { $0 = script } }

    static func with<Result: Sendable>(
        _ script: @escaping Script, _ body: (HostileDevice) async throws -> Result
    ) async throws -> Result {
        let device = HostileDevice(script)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                device.opened.withLock { $0.connections += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(device))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        device.opened.withLock { $0.port = server.localAddress?.port ?? 0 }
        do {
            let result = try await body(device)
            try await server.close().get()
            return result
        } catch {
            try? await server.close().get()
            throw error
        }
    }
}

/// Names a closure as a script, where another closure follows it.
func script(_ script: @escaping HostileDevice.Script) -> HostileDevice.Script { script }
