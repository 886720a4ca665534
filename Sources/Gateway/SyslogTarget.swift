package import GatewayConfiguration
import Glibc
package import NIOCore
import NIOPosix
import NIOTLS
package import SecurityPolicy
import TLS

/// A syslog receiver over TLS. The protocol knows no acknowledgement: a batch counts as sent when the receiver's kernel
/// has acknowledged its bytes and the connection still stands.
package actor SyslogTarget: AuditTarget {
    private static let connectTimeout = TimeAmount.seconds(10)
    private static let acknowledgeTimeout = Duration.seconds(15)
    /// A receiver that refuses our certificate says so only after the handshake is done on our side.
    private static let probation = Duration.milliseconds(300)

    private let options: AuditForwarding.Syslog
    private let host: String
    private let group: any EventLoopGroup
    private var channel: (any Channel)?

    /// - Parameter host: what this machine is called in the messages.
    package init(_ options: AuditForwarding.Syslog, host: String, group: any EventLoopGroup) {
        self.options = options
        self.host = host
        self.group = group
    }

    package func send(_ entries: [AuditEntry]) async throws {
        let (channel, isNew) = try await connected()
        var buffer = channel.allocator.buffer(capacity: entries.count * 512)
        let process = getpid()
        for entry in entries {
            buffer.writeBytes(SyslogMessage.frame(SyslogMessage.text(entry, host: host, process: process)))
        }
        // A receiver that does not read must not hold the write for ever: closing fails it.
        let deadline = channel.eventLoop.scheduleTask(in: SyslogTarget.connectTimeout) { channel.close(promise: nil) }
        defer { deadline.cancel() }
        try await channel.writeAndFlush(buffer)
        try await acknowledged(channel)
        if isNew { try await Task.sleep(for: SyslogTarget.probation) }
        guard channel.isActive else { throw GatewayError(.control, "the receiver closed the connection") }
    }

    package func close() async {
        try? await channel?.close()
        channel = nil
    }

    private func connected() async throws -> (any Channel, isNew: Bool) {
        if let channel, channel.isActive { return (channel, false) }
        channel = nil
        let tls = options.tls
        let host = options.host
        let client = try await offPool { try ClientTLS(options: tls, host: host) }
        let secured = group.any().makePromise(of: Void.self)
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(SyslogTarget.connectTimeout)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        client.handler(),
                        SyslogHandshake(secured, channel.eventLoop, SyslogTarget.connectTimeout))
                }
            }
        let made: any Channel
        do {
            made = try await bootstrap.connect(host: options.host, port: Int(options.port)).get()
        } catch {
            secured.fail(error)
            throw error
        }
        do {
            try await secured.futureResult.get()
        } catch {
            try? await made.close()
            if let reason = client.takeFailure() {
                throw GatewayError(.control, "the receiver is refused: \(reason)")
            }
            throw error
        }
        channel = made
        return (made, true)
    }

    /// Waits until the peer's kernel has everything.
    private func acknowledged(_ channel: any Channel) async throws {
        let end = ContinuousClock.now + SyslogTarget.acknowledgeTimeout
        while ContinuousClock.now < end {
            guard channel.isActive, let provider = channel as? any SocketOptionProvider else { break }
            let info: tcp_info = try await provider.unsafeGetSocketOption(
                level: .tcp, name: NIOBSDSocket.Option(rawValue: TCP_INFO)
            ).get()
            if info.tcpi_unacked == 0 { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw GatewayError(
            .control,
            channel.isActive ? "the receiver does not take what is sent" : "the receiver closed the connection")
    }
}

/// Fulfils its promise when the handshake is done, and so the peer is one that we talk to.
private final class SyslogHandshake: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let secured: EventLoopPromise<Void>
    private let deadline: Scheduled<Void>

    init(_ secured: EventLoopPromise<Void>, _ loop: any EventLoop, _ limit: TimeAmount) {
        self.secured = secured
        deadline = loop.scheduleTask(in: limit) {
            secured.fail(GatewayError(.control, "the receiver does not finish the TLS handshake"))
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent else { return }
        deadline.cancel()
        secured.succeed(())
    }

    /// Receivers say nothing; what one says all the same is dropped.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        deadline.cancel()
        secured.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline.cancel()
        secured.fail(GatewayError(.control, "the receiver closed the connection during the handshake"))
    }
}
