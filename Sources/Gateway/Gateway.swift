import Drivers
package import GatewayConfiguration
package import Logging
import MQTTAgent
package import NIOCore
import NIOPosix
package import Outbox
import Publishing
import RESTServerAgent
package import SecurityPolicy
import Synchronization
import TLS
package import TagStore
import Tags
import Writes

/// The coordinator: builds devices and agents from the configuration, and starts, reloads and stops them in order.
///
/// The order of a start is policy, devices, agents; of a stop agents that serve, devices, agents that publish, so that
/// what was polled last is still sent. One that fails leaves the others running.
package actor Gateway {
    package nonisolated let store = TagStore()
    package nonisolated let policy: PolicyBox
    package nonisolated let users: UserStore
    nonisolated let verifier: PasswordVerifier
    package nonisolated let audit: AuditLog
    nonisolated let arbiter: WriteArbiter
    nonisolated let writers = DeviceWriters()
    nonisolated let certificates = CertificateBoard()
    nonisolated let dataDirectory: DataDirectory
    package nonisolated let outbox: Outbox
    nonisolated let eventLoops: any EventLoopGroup
    /// Those of REST server agents: what strangers send there is not to keep devices waiting.
    nonisolated let listenerLoops: any EventLoopGroup
    nonisolated let logger: Logger
    nonisolated let listeners = ListenerBoard()
    nonisolated let version: String
    /// Seconds since 1970.
    nonisolated let clock: @Sendable () -> Int64
    nonisolated let started = Timestamp.now

    var configuration: GatewayConfiguration?
    /// By `Channel.Device`.
    var devices: [String: RunningDevice] = [:]
    /// By name.
    var agents: [String: RunningAgent] = [:]
    /// Agents that must not run, by name, with the reason.
    var refused: [String: String] = [:]
    /// Agents that could not be started, by name, with the reason.
    var failed: [String: String] = [:]
    /// Set from outside while a change may be going on: it then gives up what it has not begun.
    private nonisolated let stopWanted = Atomic(false)
    /// What of certificates is watched, and what was told of them.
    var certificateWatch = CertificateWatch()
    /// The gateway's own tags: their handles once registered, and the source of their values, made anew by a change.
    var systemHandles: [TagHandle]?
    var systemSource: SystemTagSource?
    /// The devices that the source was made for, in its order.
    var systemDevices: [RunningDevice] = []
    var systemTask: Task<Void, Never>?
    var auditForwarding = AuditForwarding()
    var auditForwarders: [Task<Void, Never>] = []
    /// Whether what ends, ends with the gateway.
    private(set) var isStopping = false
    private(set) var isChanging = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// - Parameter clock: seconds since 1970, for what certificates have left.
    package init(
        dataDirectory: DataDirectory, users: UserStore, audit: AuditLog, outbox: Outbox,
        eventLoops: any EventLoopGroup, listenerLoops: (any EventLoopGroup)? = nil, version: String = "",
        logger: Logger, clock: @escaping @Sendable () -> Int64 = { Timestamp.now.microseconds / 1_000_000 }
    ) {
        self.version = version
        self.clock = clock
        self.dataDirectory = dataDirectory
        self.outbox = outbox
        self.users = users
        self.eventLoops = eventLoops
        self.listenerLoops = listenerLoops ?? eventLoops
        self.logger = logger
        policy = PolicyBox()
        verifier = PasswordVerifier(users: users)
        self.audit = audit
        arbiter = WriteArbiter(
            store: store, policy: policy, audit: audit, principals: { users.current($0) },
            writers: { [writers] in writers.target($0) })
    }

    /// Makes what runs match the configuration. What could not be started is told and left out; the rest runs.
    ///
    /// - Parameter refusals: agents that must not run although they are enabled, each with the reason.
    /// - Returns: a sentence for each agent that could not be started.
    package func apply(_ new: GatewayConfiguration, refusals: [String: String] = [:]) async -> [String] {
        var new = new
        for index in new.agents.indices {
            guard let reason = refusals[new.agents[index].name] else { continue }
            new.agents[index].enabled = false
            logger.error(
                "Agent refused", metadata: ["agent": "\(new.agents[index].name)", "reason": "\(reason)"])
        }
        await enterChange()
        defer { leaveChange() }
        refused = refusals
        if let warning = OpenFiles.raise().warning(for: new) {
            logger.warning("Too few files may be open", metadata: ["reason": "\(warning)"])
        }
        let diff = ConfigurationDiff(from: configuration, to: new)
        let changes = ConfigurationDiff.words(from: configuration, to: new)
        configuration = new
        audit.update(options: new.audit)
        // Before what it permits happens.
        await audit(.configuration, of: new.name, new: changes)
        await forwardAudit(new.auditForwarding)
        policy.replace(PolicySnapshot(groups: new.groups))
        users.setMinimumPasswordLength(new.minimumPasswordLength)

        let starting = Set(diff.startedAgents.map(\.name))
        await stopAgents(diff.stoppedAgents)
        if isStopWanted { return [] }
        await replaceDevices(diff)
        await startSystemTags()
        var failures: [String] = []
        for agent in new.agents where agent.enabled {
            if isStopWanted { return failures }
            if starting.contains(agent.name) || agents[agent.name] == nil {
                if let failure = await start(agent) { failures.append(failure) }
            } else {
                await refresh(agent)
            }
        }
        await noteCertificates()
        await noteLeftMessages()
        logger.info(
            "Configuration applied",
            metadata: [
                "devices": "\(devices.count)", "agents": "\(agents.count)", "tags": "\(store.directory.count)",
                "changes": "\(diff.changes)",
            ])
        return failures
    }

    /// Makes a change that is going on give up, so that the stop need not wait for it.
    package nonisolated func wantStop() { stopWanted.store(true, ordering: .relaxed) }

    nonisolated var isStopWanted: Bool { stopWanted.load(ordering: .relaxed) }

    /// Stops everything, in order.
    package func stop() async {
        // A listener ends with its requests, and those may wait for many passwords.
        verifier.stop()
        // First, so that who waits for an answer has one before the listeners go, and the devices are still there.
        if await !arbiter.stop(within: .seconds(1)) {
            // A write hangs with its device, for as long as the device's timeout, and a listener ends only with its
            // requests; so may a reload that is going on. It ends with the device, and is answered.
            for name in devices.keys { stopDevice(name) }
            await arbiter.stop(within: .seconds(1))
        }
        await enterChange()
        defer { leaveChange() }
        isStopping = true
        let serving = agents.values.filter { if case .restServer = $0.kind { true } else { false } }
        await stopAgents(serving.map(\.configuration.name))
        await stopDevices(Array(devices.keys))
        systemTask?.cancel()
        await stopAgents(Array(agents.keys))
    }

    // MARK: One change at a time

    /// An actor lets others in at every `await`; a reload must not meet another half-way.
    func enterChange() async {
        if isChanging {
            await withCheckedContinuation { waiting.append($0) }
        } else {
            isChanging = true
        }
    }

    func leaveChange() {
        if waiting.isEmpty {
            isChanging = false
        } else {
            waiting.removeFirst().resume()
        }
    }
}
