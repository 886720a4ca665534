import NIOCore
import NIOEmbedded
import Testing

@testable import RESTServerAgent

/// What a client may send before its certificate is judged.
@Suite("Bytes behind an unfinished handshake", .timeLimit(.minutes(1)))
struct ReadHoldTests {
    /// What would reach the socket.
    private final class Socket: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        var reads = 0

        func read(context: ChannelHandlerContext) { reads += 1 }
    }

    /// As NIOSSL does while it has no plaintext: takes all and asks for more.
    private final class Hungry: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        var bytes = 0

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes += Hungry.unwrapInboundIn(data).readableBytes
        }

        func channelReadComplete(context: ChannelHandlerContext) { context.read() }
    }

    private struct Bench {
        let channel = EmbeddedChannel()
        let socket = Socket()
        let hungry = Hungry()
        let connection: ConnectionGuard

        init(hold: ReadHold?) throws {
            connection = ConnectionGuard(
                timeouts: .init(request: .seconds(15)), expectsHandshake: true, hold: hold)
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandlers([socket, connection])
            if let hold { try pipeline.addHandler(hold) }
            try pipeline.addHandler(hungry)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }

        /// As a socket: hands on 16 KiB for each time that it is asked, until nobody asks any more.
        func flood(_ most: Int) throws -> Int {
            for round in 0..<most {
                let before = socket.reads
                try channel.writeInbound(ByteBuffer(repeating: 0, count: 16 << 10))
                if socket.reads == before || !channel.isActive { return round + 1 }
            }
            return most
        }
    }

    @Test func noMoreIsReadThanAHandshakeTakes() throws {
        let bench = try Bench(hold: ReadHold())
        #expect(try bench.flood(1000) == 5)
        #expect(bench.channel.isActive && bench.hungry.bytes == 5 << 14)
        let before = bench.socket.reads
        bench.connection.handshakeDone()
        #expect(bench.socket.reads == before + 1)
        bench.channel.read()
        #expect(bench.socket.reads == before + 2)
    }

    @Test func withoutCertificatesTooMuchEndsTheConnection() throws {
        let bench = try Bench(hold: nil)
        #expect(try bench.flood(1000) == 5)
        #expect(!bench.channel.isActive)
    }
}
