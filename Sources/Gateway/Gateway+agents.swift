import GatewayConfiguration
import Logging
import MQTTAgent
import NIOCore
import NIOPosix
import Publishing
import RESTServerAgent
import SecurityPolicy
import ServiceLifecycle
import TLS
import TagStore

extension Gateway {
    /// Starts an agent. A sentence when it could not be started.
    func start(_ agent: AgentConfiguration) async -> String? {
        do {
            switch agent.options {
            case .mqtt(let options): try await startMQTT(agent, options)
            case .restServer(let options): try await startRESTServer(agent, options)
            }
            failed[agent.name] = nil
            return nil
        } catch {
            failed[agent.name] = "\(error)"
            let sentence = "agent \(agent.name): \(error)"
            logger.error("An agent could not be started", metadata: ["agent": "\(agent.name)", "reason": "\(error)"])
            return sentence
        }
    }

    func stopAgent(_ name: String) async {
        failed[name] = nil
        guard let agent = agents.removeValue(forKey: name) else { return }
        await agent.stop()
        await agent.task.value
        logger.info("Agent stopped", metadata: ["agent": "\(name)"])
    }

    /// Together, not one after another: each may take a few seconds to say goodbye.
    func stopAgents(_ names: [String]) async {
        for name in names { await agents[name]?.stop() }
        for name in names { await stopAgent(name) }
    }

    /// Gives a running agent that stays what has changed around it: the tags that its items match now, a certificate
    /// that was renewed in its place.
    func refresh(_ agent: AgentConfiguration) async {
        switch (agents[agent.name]?.kind, agent.options) {
        case (.mqtt(let running)?, .mqtt(let options)):
            let items = Item.resolve(options.items, in: store.directory)
            if items != running.items { running.replace(items: items) }
        case (.restServer(let state)?, .restServer(let options)) where options.https:
            do {
                let identity = try await serverIdentity(options)
                let trust = try await offPool { try CertificateCheck.clientTrust(options) }
                let served = state.snapshot
                guard identity.fingerprint != served.fingerprint || trust?.fingerprint != served.trust else { return }
                try state.reload(
                    ServerTLS(
                        identity: identity, minimumVersion: options.minimumVersion, clients: trust),
                    endsConnections: trust?.admission != served.admission)
                state.serving(fingerprint: identity.fingerprint, trust: trust)
                logger.info(
                    "Certificate replaced",
                    metadata: ["agent": "\(agent.name)", "fingerprint": "\(identity.fingerprint)"])
                await audit(.certificate, of: agent.name, old: served.fingerprint, new: identity.fingerprint)
            } catch {
                logger.error(
                    "The certificate could not be replaced; the old one goes on",
                    metadata: ["agent": "\(agent.name)", "reason": "\(error)"])
                await audit(.certificate, of: agent.name, .failed, "\(error)")
            }
        default: break
        }
    }

    // MARK: MQTT

    private func startMQTT(_ agent: AgentConfiguration, _ options: MQTTAgentOptions) async throws {
        var options = options
        if options.clientID.isEmpty {
            let installation = try await offPool { [dataDirectory] in try dataDirectory.installationID() }
            options.clientID = "sallyport-\(installation)-\(options.name)"
        }
        let items = Item.resolve(options.items, in: store.directory)
        let running = try MQTTAgent(
            options: options, items: items, store: store, queue: leftQueues.removeValue(forKey: agent.name),
            logger: logger)
        let logger = logger
        agents[agent.name] = RunningAgent(
            configuration: agent, kind: .mqtt(running),
            task: Task {
                do {
                    try await running.run()
                } catch {
                    logger.error("Agent failed", metadata: ["agent": "\(agent.name)", "reason": "\(error)"])
                }
            })
        logger.info(
            "Agent started",
            metadata: ["agent": "\(agent.name)", "broker": "\(options.broker)", "items": "\(items.count)"])
    }

    // MARK: REST server

    private func startRESTServer(_ agent: AgentConfiguration, _ options: RESTServerAgentOptions) async throws {
        let tls = options.https ? try await serverIdentity(options) : nil
        let trust = try await offPool { try CertificateCheck.clientTrust(options) }
        let state = ListenerState()
        let (outcomes, outcome) = AsyncStream.makeStream(of: Result<Void, any Error>.self)
        let store = store, policy = policy, verifier = verifier, arbiter = arbiter, audit = audit
        let eventLoops = eventLoops, certificates = certificates, logger = logger
        let task = Task {
            var isFirst = true
            while !Task.isCancelled, !state.isStopping {
                do {
                    let listener = try RESTServerAgent(
                        options: options,
                        tls: tls.map {
                            try ServerTLS(identity: $0, minimumVersion: options.minimumVersion, clients: trust)
                        },
                        certificates: certificates, store: store, policy: policy, verifier: verifier, arbiter: arbiter,
                        audit: audit,
                        eventLoopGroup: eventLoops, logger: logger
                    ) { address in
                        state.listening(at: "\(address.ipAddress ?? "?"):\(address.port ?? 0)")
                        outcome.yield(.success(()))
                    }
                    // What the group would tell of each start and stop, the coordinator tells already.
                    var quiet = logger
                    quiet.logLevel = .critical
                    let group = ServiceGroup(
                        configuration: .init(
                            services: [.init(service: listener, successTerminationBehavior: .gracefullyShutdownGroup)],
                            logger: quiet))
                    if state.starting(listener, group) { try await group.run() }
                    break
                } catch {
                    state.failed("\(error)")
                    outcome.yield(.failure(error))
                    if isFirst && state.snapshot.endpoint.isEmpty { break }
                    logger.error("Agent failed", metadata: ["agent": "\(agent.name)", "reason": "\(error)"])
                    try? await Task.sleep(for: .seconds(5))
                }
                isFirst = false
            }
            if state.snapshot.state != "failed" { state.stopped() }
        }
        for await result in outcomes {
            outcome.finish()
            if case .failure = result {
                task.cancel()
                await task.value
            }
            try result.get()
        }
        agents[agent.name] = RunningAgent(configuration: agent, kind: .restServer(state), task: task)
        var metadata: Logger.Metadata = [
            "agent": "\(agent.name)", "address": "\(options.bind):\(options.port)",
            "scheme": options.https ? "https" : "http",
        ]
        if let tls {
            metadata["fingerprint"] = "\(tls.fingerprint)"
            state.serving(fingerprint: tls.fingerprint, trust: trust)
        }
        logger.info("Agent started", metadata: metadata)
    }

    private func serverIdentity(_ options: RESTServerAgentOptions) async throws -> TLSIdentity {
        let directory = dataDirectory.path
        let name = configuration?.name ?? "sallyport"
        return try await offPool { [logger] in
            if let identity = options.identity { return try TLSIdentity.load(identity) }
            let machine = MachineNames.current()
            let identity = try DefaultIdentity.ensure(
                directory: directory, commonName: name, hostNames: machine.hostNames, addresses: machine.addresses)
            let missing = DefaultIdentity.missingNames(
                in: identity, hostNames: machine.hostNames, addresses: machine.addresses)
            if !missing.isEmpty {
                logger.warning(
                    "The default certificate does not name every address of this machine",
                    metadata: ["missing": "\(missing.joined(separator: ", "))"])
            }
            return identity
        }
    }
}

/// Runs blocking work on a thread that may block.
package func offPool<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await NIOThreadPool.singleton.runIfActive(work)
}
