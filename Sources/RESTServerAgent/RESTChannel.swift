import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL

/// How Hummingbird's server sets up and serves one connection of ours.
///
/// The pipeline is: deadlines and caps, TLS, byte gate, HTTP codec, assembler of requests, and then the task that
/// serves them one after the other.
struct RESTChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let requests: NIOAsyncChannel<Incoming, Reply>
        var channel: any Channel { requests.channel }
    }

    /// A connection over the caps.
    struct Refused: Error {}

    let registry: ConnectionRegistry
    let timeouts: ConnectionState.Timeouts
    let limits: RequestLimits
    /// Asked for every connection, so that a new certificate serves the next one; nil: plain HTTP.
    let tls: @Sendable () -> NIOSSLContext?
    let responder: Responder
    let budget: BodyBudget
    let date = HTTPDate()

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard registry.admit(channel) else {
            logger.debug("Connection refused: too many", metadata: ["open": "\(registry.count)"])
            channel.close(promise: nil)
            return channel.eventLoop.makeFailedFuture(Refused())
        }
        return channel.eventLoop.makeCompletedFuture {
            let context = tls()
            let address = ClientAddress(channel.remoteAddress)
            let pipeline = channel.pipeline.syncOperations
            let connection = ConnectionGuard(timeouts: timeouts, expectsHandshake: context != nil)
            try pipeline.addHandler(connection)
            if let context { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
            try pipeline.addHandler(ByteGate(connection))
            try pipeline.addHandler(
                ByteToMessageHandler(
                    HTTPRequestDecoder(
                        leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop,
                        limitConfiguration: limits.decoder)))
            try pipeline.addHandler(
                RequestAssembler(connection: connection, limits: limits, date: date, budget: budget) {
                    responder.refusal(of: $0, from: address)
                })
            return Value(
                requests: try NIOAsyncChannel(
                    wrappingChannelSynchronously: channel,
                    configuration: .init(
                        // Pipelined requests that wait: few, since each may be large.
                        backPressureStrategy: .init(lowWatermark: 1, highWatermark: 4),
                        isOutboundHalfClosureEnabled: true)))
        }
    }

    func handle(value: Value, logger: Logger) async {
        let channel = value.channel
        let address = ClientAddress(channel.remoteAddress)
        do {
            try await withTaskExecutorPreference(EventLoopTaskExecutor(channel.eventLoop)) {
                try await withTaskCancellationHandler {
                    try await value.requests.executeThenClose { inbound, outbound in
                        var requests = inbound.makeAsyncIterator()
                        var login: Responder.Login?
                        while let incoming = try await requests.next() {
                            switch incoming {
                            case .refusal(let reply): try await outbound.write(reply)
                            case .request(let request):
                                var reply = await responder.respond(to: request, from: address, login: &login)
                                if !request.keepsAlive { reply.closes = true }
                                try await outbound.write(reply)
                            }
                        }
                        // The client has said its last: answers that are still on their way go out first.
                        outbound.finish()
                        try await channel.closeFuture.get()
                    }
                } onCancel: {
                    channel.close(promise: nil)
                }
            }
        } catch {
            logger.trace("Connection ended", metadata: ["client": "\(address)", "reason": "\(error)"])
        }
    }
}
