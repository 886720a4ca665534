package import GatewayConfiguration
import Glibc
package import Logging
import NIOCore
import NIOPosix
import Outbox
import SecurityPolicy
import ServiceLifecycle
import Synchronization
import UnixSignals

/// Runs a whole gateway until SIGTERM or SIGINT; SIGHUP reloads.
package struct GatewayServices {
    /// Reads the configuration again, with the agents that must not run and why; the caller tells its problems.
    package typealias Reload = @Sendable () async -> Reloaded

    package enum Reloaded: Sendable {
        case accepted(GatewayConfiguration, refusals: [String: String])
        /// Why the old one goes on.
        case refused(String)
    }

    /// For as long as the process lives.
    private static let listenerLoops = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)

    private let configuration: GatewayConfiguration
    private let refusals: [String: String]
    private let version: String
    private let logger: Logger
    private let reload: Reload

    /// - Parameter refusals: agents that must not run, each with the reason.
    package init(
        configuration: GatewayConfiguration, refusals: [String: String], version: String = "", logger: Logger,
        reload: @escaping Reload
    ) {
        self.version = version
        self.configuration = configuration
        self.refusals = refusals
        self.logger = logger
        self.reload = reload
    }

    /// Takes the data directory, starts everything and returns after the stop.
    package func run() async throws {
        // From the first moment on: a reload that comes too early must not end the process.
        let reloads = await UnixSignalsSequence(trapping: .sighup)
        let path = configuration.dataDirectory
        let dataDirectory = try await offPool { try DataDirectory(path: path) }
        let users = try await UserStore.open(
            dataDirectory: path, minimumPasswordLength: configuration.minimumPasswordLength)
        let audit = try await AuditLog.open(dataDirectory: path, options: configuration.audit, logger: logger)
        let outbox = try await Outbox.open(dataDirectory: path, machine: dataDirectory.machine, logger: logger)
        let gateway = Gateway(
            dataDirectory: dataDirectory, users: users, audit: audit, outbox: outbox,
            eventLoops: MultiThreadedEventLoopGroup.singleton,
            listenerLoops: GatewayServices.listenerLoops, version: version, logger: logger)
        let control = ControlServer(
            path: dataDirectory.controlSocket, group: MultiThreadedEventLoopGroup.singleton, logger: logger
        ) { try await gateway.answer($0, $1) }
        let listener = try await control.listen()
        await gateway.audit(.gatewayStart, of: configuration.name, new: version)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await serve(gateway, control, listener, reloads))
        } catch {
            outcome = .failure(error)
        }
        await end(gateway, outcome)
        try outcome.get()
        withExtendedLifetime(dataDirectory) {}
    }

    /// The last entry, and the end of the log. A disk that does not answer must not keep the process.
    private func end(_ gateway: Gateway, _ outcome: Result<Void, any Error>) async {
        let watchdog = Watchdog()
        watchdog.arm(.seconds(8), logger)
        defer { watchdog.cancel() }
        switch outcome {
        case .success: await gateway.audit(.gatewayStop, of: configuration.name)
        case .failure(let error): await gateway.audit(.gatewayStop, of: configuration.name, .failed, "\(error)")
        }
        await gateway.outbox.close()
        await gateway.endAudit()
    }

    private func serve(
        _ gateway: Gateway, _ control: ControlServer, _ listener: ControlServer.Listener,
        _ reloads: UnixSignalsSequence
    ) async throws {
        let logger = logger, reload = reload, name = configuration.name
        let coordinated = Coordinated(gateway: gateway, configuration: configuration, refusals: refusals)
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(
                        service: ClosureService { await cancelWhenGracefulShutdown { await control.serve(listener) } }),
                    .init(
                        service: ClosureService {
                            for await _ in reloads.cancelOnGracefulShutdown() {
                                logger.info("Reloading")
                                switch await reload() {
                                case .accepted(let next, let refusals):
                                    _ = await gateway.apply(next, refusals: refusals)
                                case .refused(let reason):
                                    logger.error("Reload refused: the old configuration goes on")
                                    await gateway.audit(.configuration, of: name, .refused, reason)
                                }
                            }
                        }),
                    .init(
                        service: ClosureService {
                            await cancelWhenGracefulShutdown { await gateway.watchCertificates() }
                        }),
                    // The last is the first to hear of a stop, and the others end after it.
                    .init(service: coordinated),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
        logger.info("Stopped")
    }
}

/// The coordinator as a service: starts everything, waits, and stops everything.
private struct Coordinated: Service {
    /// All that runs is stopped, and flushed as far as its peers take it, within this.
    private static let stopDeadline = Duration.seconds(9)

    let gateway: Gateway
    let configuration: GatewayConfiguration
    let refusals: [String: String]

    func run() async throws {
        let watchdog = Watchdog()
        defer { watchdog.cancel() }
        try await withGracefulShutdownHandler {
            let failures = await gateway.apply(configuration, refusals: refusals)
            if !failures.isEmpty {
                // A first start that lacks an agent is the operator's to see now, not in a log later.
                await gateway.stop()
                throw GatewayError(.configuration, failures.joined(separator: "\n"))
            }
            warnWithoutAdministrator()
            // Said here, where the signals are caught already: who waits for it may send one at once.
            gateway.logger.info("Running", metadata: ["process": "\(getpid())"])
            try? await gracefulShutdown()
            await gateway.stop()
        } onGracefulShutdown: {
            gateway.wantStop()
            watchdog.arm(Coordinated.stopDeadline, gateway.logger)
        }
    }

    private func warnWithoutAdministrator() {
        let serves = configuration.agents.contains { agent in
            if case .restServer = agent.options { agent.enabled } else { false }
        }
        guard serves, !gateway.users.hasAdministrator else { return }
        gateway.logger.warning(
            "There is no administrator yet: REST server agents answer 503. Run: sallyport user add NAME --administrator"
        )
    }
}

/// Ends the process when a stop takes too long: a C library or a kernel call that never returns must not keep it, and a
/// supervisor would kill it less kindly.
private final class Watchdog: Sendable {
    private let task = Mutex<Task<Void, Never>?>(nil)

    func arm(_ deadline: Duration, _ logger: Logger) {
        task.withLock { task in
            task = Task {
                guard (try? await Task.sleep(for: deadline)) != nil else { return }
                logger.critical("The stop took too long; leaving now")
                _exit(1)
            }
        }
    }

    func cancel() { task.withLock { $0 }?.cancel() }
}
