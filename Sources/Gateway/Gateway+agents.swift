import GatewayConfiguration
import Logging
import MQTTAgent
import NIOCore
import NIOPosix
import Outbox
import Publishing
import RESTClientAgent
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
            case .restClient(let options): try await startRESTClient(agent, options)
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
        certificateWatch.forget(name)
        guard let agent = agents.removeValue(forKey: name) else { return }
        await agent.stop()
        await agent.task.value
        if agent.isPublishing { await outbox.release(name, isPaused: !isStopping) }
        logger.info("Agent stopped", metadata: ["agent": "\(name)"])
    }

    /// Together, not one after another: each may take a few seconds to say goodbye.
    func stopAgents(_ names: [String]) async {
        for name in names { await agents[name]?.stop() }
        for name in names { await stopAgent(name) }
    }

    /// Gives a running agent that stays what has changed around it: the tags that its items match now, certificates
    /// that were renewed in their place.
    func refresh(_ agent: AgentConfiguration) async {
        switch (agents[agent.name]?.kind, agent.options) {
        case (.mqtt(let running)?, .mqtt(let options)):
            let items = Item.resolve(options.items, in: store.directory)
            if items != running.items { running.replace(items: items) }
        case (.restClient(let running)?, .restClient(let options)):
            let items = Item.resolve(options.items, in: store.directory)
            if items != running.items { running.replace(items: items) }
        default: break
        }
        await refreshCertificates(of: agent, patience: .zero)
    }

    // MARK: MQTT

    private func startMQTT(_ agent: AgentConfiguration, _ options: MQTTAgentOptions) async throws {
        var options = options
        if options.clientID.isEmpty {
            let installation = try await offPool { [dataDirectory] in try dataDirectory.installationID() }
            options.clientID = "sallyport-\(installation)-\(options.name)"
        }
        if options.broker.usesTLS {
            // Before the agent reads them: what changes from now on is a change.
            certificateWatch.shown[agent.name] = await look(at: options.tls.files)
        }
        let items = Item.resolve(options.items, in: store.directory)
        let queue = try await outbox.queue(for: agent.name, options: options.outbox)
        let running = try MQTTAgent(options: options, items: items, store: store, queue: queue, logger: logger)
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

    // MARK: REST client

    private func startRESTClient(_ agent: AgentConfiguration, _ options: RESTClientAgentOptions) async throws {
        if options.endpoint.usesTLS {
            // Before the agent reads them: what changes from now on is a change.
            certificateWatch.shown[agent.name] = await look(at: options.tls.files)
        }
        let items = Item.resolve(options.items, in: store.directory)
        let queue = try await outbox.queue(for: agent.name, options: options.outbox)
        let running = RESTClientAgent(options: options, items: items, store: store, queue: queue, logger: logger)
        let logger = logger
        agents[agent.name] = RunningAgent(
            configuration: agent, kind: .restClient(running),
            task: Task {
                do {
                    try await running.run()
                } catch {
                    logger.error("Agent failed", metadata: ["agent": "\(agent.name)", "reason": "\(error)"])
                }
            })
        logger.info(
            "Agent started",
            metadata: ["agent": "\(agent.name)", "endpoint": "\(options.endpoint)", "items": "\(items.count)"])
    }

    // MARK: REST server

    private func startRESTServer(_ agent: AgentConfiguration, _ options: RESTServerAgentOptions) async throws {
        let tls = options.https ? try await serverTLS(options) : nil
        let state = ListenerState(tls: tls)
        let (outcomes, outcome) = AsyncStream.makeStream(of: Result<Void, any Error>.self)
        let store = store, policy = policy, verifier = verifier, arbiter = arbiter, audit = audit
        let eventLoops = listenerLoops, certificates = certificates, listeners = listeners, logger = logger
        let version = version
        let task = Task {
            var isFirst = true
            while !Task.isCancelled, !state.isStopping {
                do {
                    let listener = try RESTServerAgent(
                        options: options,
                        // What was put in place since the start counts for a listener that begins again.
                        tls: state.snapshot.tls,
                        certificates: certificates, listeners: listeners, version: version, store: store,
                        policy: policy, verifier: verifier, arbiter: arbiter, audit: audit,
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
        if let tls { metadata["fingerprint"] = "\(tls.identity.fingerprint)" }
        logger.info("Agent started", metadata: metadata)
    }
}

/// Runs blocking work on a thread that may block.
package func offPool<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await NIOThreadPool.singleton.runIfActive(work)
}
