import Glibc
import HummingbirdCore
package import Logging
package import NIOCore
package import SecurityPolicy
import ServiceLifecycle
package import TLS
package import TagStore
package import Writes

/// One HTTP(S) listener: browse, read and the page that documents them, for users of the data directory.
///
/// `run()` returns when the surrounding service group shuts down gracefully or the task is cancelled, in either case
/// within a few seconds, and throws `RESTServerAgentError` when it cannot listen.
package final class RESTServerAgent: Service {
    /// How long a graceful stop waits for answers that are on their way.
    static let graceOnStop = Duration.seconds(3)

    private let options: RESTServerAgentOptions
    private let eventLoopGroup: any EventLoopGroup
    private let logger: Logger
    private let onListening: @Sendable (SocketAddress) -> Void
    private let registry: ConnectionRegistry
    private let served: ServedTLS
    private let listeners: ListenerBoard
    private let responder: Responder
    let feed: LiveFeed
    private let timeouts: ConnectionState.Timeouts

    /// - Parameters:
    ///   - tls: nil serves plain HTTP.
    ///   - certificates: those in use by the whole gateway, for health and metrics.
    ///   - listeners: those of the whole gateway, for metrics.
    ///   - version: of the gateway, for people.
    ///   - onListening: called for every address on which the agent listens.
    package convenience init(
        options: RESTServerAgentOptions, tls: ServerTLS?, certificates: CertificateBoard,
        listeners: ListenerBoard = ListenerBoard(), version: String = "", store: TagStore,
        policy: PolicyBox, verifier: PasswordVerifier, arbiter: WriteArbiter, audit: AuditLog,
        eventLoopGroup: any EventLoopGroup, logger: Logger,
        onListening: @escaping @Sendable (SocketAddress) -> Void = { _ in }
    ) throws(RESTServerAgentError) {
        try self.init(
            options: options, tls: tls, certificates: certificates, listeners: listeners, version: version,
            store: store, policy: policy, verifier: verifier, arbiter: arbiter, audit: audit,
            eventLoopGroup: eventLoopGroup, logger: logger,
            timeouts: .init(request: TimeAmount(options.limits.requestTimeout)), onListening: onListening)
    }

    init(
        options: RESTServerAgentOptions, tls: ServerTLS?, certificates: CertificateBoard,
        listeners: ListenerBoard = ListenerBoard(), version: String = "", store: TagStore,
        policy: PolicyBox, verifier: PasswordVerifier, arbiter: WriteArbiter, audit: AuditLog,
        eventLoopGroup: any EventLoopGroup, logger: Logger,
        timeouts: ConnectionState.Timeouts, history: ChangeHistory = ChangeHistory(),
        patience: Duration = LiveFeed.patience, onListening: @escaping @Sendable (SocketAddress) -> Void
    ) throws(RESTServerAgentError) {
        self.options = options
        self.eventLoopGroup = eventLoopGroup
        self.onListening = onListening
        self.timeouts = timeouts
        var logger = logger
        logger[metadataKey: "agent"] = "\(options.name)"
        self.logger = logger
        let served = ServedTLS(tls)
        self.served = served
        self.listeners = listeners
        (responder, feed) = RESTServerAgent.responder(
            options: options, store: store, policy: policy, verifier: verifier, arbiter: arbiter, audit: audit,
            certificates: certificates, listeners: listeners, version: version, served: { served.now?.identity },
            history: history, patience: patience, logger: logger)
        registry = ConnectionRegistry(
            limit: options.limits.connections, limitPerAddress: options.limits.connectionsPerAddress,
            networks: responder.networks, logger: logger)
    }

    /// What answers the agent's requests, with all its routes, and what its streams are fed from.
    static func responder(
        options: RESTServerAgentOptions, store: TagStore, policy: PolicyBox, verifier: PasswordVerifier,
        arbiter: WriteArbiter, audit: AuditLog, certificates: CertificateBoard,
        listeners: ListenerBoard = ListenerBoard(), version: String = "",
        served: @escaping @Sendable () -> TLSIdentity? = { nil }, history: ChangeHistory = ChangeHistory(),
        patience: Duration = LiveFeed.patience, logger: Logger
    ) -> (Responder, LiveFeed) {
        let tags = TagRoutes(
            store: store, idsPerRequest: options.limits.idsPerRequest, arraysAsText: options.arrayValues == .string)
        let exposure = Exposure(items: options.items)
        let writes = WriteRoute(
            agent: options.name, isOn: options.writeEndpoint, idsPerRequest: options.limits.idsPerRequest)
        let pages = OtherRoutes(offersLogin: options.anonymous, writes: options.writeEndpoint)
        let health = HealthRoutes(
            store: store, policy: policy, verifier: verifier, certificates: certificates, listeners: listeners,
            version: version, served: served)
        let feed = LiveFeed(
            store: store, exposure: exposure, limit: options.limits.streams,
            arraysAsText: options.arrayValues == .string, history: history, patience: patience, logger: logger)
        let stream = StreamRoute(store: store, feed: feed, idsPerRequest: options.limits.idsPerRequest)
        let responder = Responder(
            options: options,
            routes: OpenAPIDocument.describing(
                tags.routes + [stream.route, writes.route] + pages.routes + health.routes, options),
            store: store,
            policy: policy, verifier: verifier, exposure: exposure,
            writing: WriteAccess.Grant(arbiter: arbiter, audit: audit, agent: options.name, exposure: exposure),
            logger: logger)
        return (responder, feed)
    }

    /// Serves new connections with another certificate; those that are open keep theirs.
    ///
    /// - Parameter endsConnections: ends those that are open: other authorities are trusted now, or they have revoked
    ///   something, and who has logged in with such a certificate is not to stay.
    package func reload(tls: ServerTLS, endsConnections: Bool = false) {
        served.replace(tls)
        if endsConnections { registry.closeAll() }
    }

    package func run() async throws {
        // Every connection has ended by then: nobody waits for a write that has not begun.
        defer { responder.writing.gate.shut() }
        let registry = registry, failures = responder.failures, feed = feed
        listeners.join(options.name) {
            ListenerCounts(
                connections: registry.count, refusedConnections: registry.refusals, failedLogins: failures.count,
                streams: feed.counts)
        }
        defer { listeners.leave(options.name) }
        let addresses = try ListenAddress.resolve(options.bind)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for address in addresses {
                group.addTask {
                    try await self.serve(address)
                    return true
                }
            }
            group.addTask {
                await self.feed.follow()
                return false
            }
            group.addTask {
                // Cancelled once the servers have ended.
                guard (try? await gracefulShutdown()) != nil else { return false }
                try? await Task.sleep(for: RESTServerAgent.graceOnStop)
                self.registry.closeAll()
                return false
            }
            var ended = 0
            while ended < addresses.count, let isServer = try await group.next() { ended += isServer ? 1 : 0 }
            group.cancelAll()
        }
    }

    private func serve(_ address: String) async throws {
        // Hummingbird says more than an operator wants to know of every connection.
        var logger = logger
        logger.logLevel = max(logger.logLevel, .warning)
        let limits = RequestLimits(body: options.limits.body)
        let server = Server(
            childChannelSetup: RESTChannel(
                registry: registry, timeouts: timeouts, limits: limits,
                served: served, responder: responder,
                budget: BodyBudget(bytes: limits.bodies)),
            configuration: ServerConfiguration(address: .hostname(address, port: Int(options.port))),
            onServerRunning: { channel in self.listening(channel) },
            eventLoopGroup: eventLoopGroup, logger: logger)
        do {
            try await server.run()
        } catch let error as IOError {
            throw described(error, address)
        } catch let error as RESTServerAgentError {
            throw error
        } catch is CancellationError {
            return
        } catch {
            throw RESTServerAgentError.cannotListen(address: address, port: options.port, reason: "\(error)")
        }
    }

    private func listening(_ channel: any Channel) {
        let logger = logger
        channel.eventLoop.execute {
            // A listener that has ended already needs none.
            try? channel.pipeline.syncOperations.addHandler(AcceptPause(logger: logger), position: .first)
        }
        guard let address = channel.localAddress else { return }
        logger.info(
            "Listening",
            metadata: [
                "address": "\(address.ipAddress ?? "?"):\(address.port ?? 0)",
                "scheme": served.now == nil ? "http" : "https",
            ])
        onListening(address)
    }

    private func described(_ error: IOError, _ address: String) -> RESTServerAgentError {
        switch error.errnoCode {
        case EADDRINUSE: .portInUse(address: address, port: options.port)
        case EADDRNOTAVAIL: .addressNotAvailable(address)
        case EACCES, EPERM: .noPermission(address: address, port: options.port)
        default: .cannotListen(address: address, port: options.port, reason: String(cString: strerror(error.errnoCode)))
        }
    }
}
