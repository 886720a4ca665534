import Logging
import NIOCore
import Synchronization

/// The open connections of one listener: how many, from where, and how to end them all.
final class ConnectionRegistry: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var byAddress: [String: Int] = [:]
        /// Connections that were closed at once.
        var refused = 0
        var lastTold: ContinuousClock.Instant?
        var refusedWhenTold = 0
    }

    private enum Verdict {
        case admitted
        case network
        case tooMany
        case tooManyFromThere
    }

    /// The log hears of refused connections no more often.
    private static let period = Duration.seconds(1)

    let limit: Int
    let limitPerAddress: Int
    private let networks: NetworkRules
    private let logger: Logger
    private let state = Mutex(State())

    init(limit: Int, limitPerAddress: Int, networks: NetworkRules, logger: Logger) {
        self.limit = limit
        self.limitPerAddress = limitPerAddress
        self.networks = networks
        self.logger = logger
    }

    var count: Int { state.withLock { $0.channels.count } }
    /// Connections that were closed at once so far.
    var refusals: Int { state.withLock { $0.refused } }

    /// Takes a new connection in, unless it comes from a network that is not allowed, or there are too many in all or
    /// from its address. A trusted proxy stands for many clients, so the cap on one address does not hold for it.
    ///
    /// - Returns: nil when it is to be closed at once.
    func admit(_ channel: any Channel) -> Peer? {
        let address = ClientAddress(channel.remoteAddress)
        let isProxy = networks.isProxy(address)
        let verdict: Verdict
        if !isProxy && !networks.allows(address) {
            verdict = .network
        } else {
            verdict = state.withLock { state in
                guard state.channels.count < limit else { return .tooMany }
                guard isProxy || state.byAddress[address.client, default: 0] < limitPerAddress else {
                    return .tooManyFromThere
                }
                state.channels[ObjectIdentifier(channel)] = channel
                state.byAddress[address.client, default: 0] += 1
                return .admitted
            }
        }
        guard case .admitted = verdict else {
            tell(verdict, address)
            return nil
        }
        let id = ObjectIdentifier(channel)
        channel.closeFuture.whenComplete { _ in self.remove(id, address.client) }
        return Peer(address, isTrustedProxy: isProxy)
    }

    private func tell(_ verdict: Verdict, _ address: ClientAddress) {
        let now = ContinuousClock.now
        let untold: Int? = state.withLock { state in
            state.refused += 1
            if let last = state.lastTold, now - last < ConnectionRegistry.period { return nil }
            defer {
                state.lastTold = now
                state.refusedWhenTold = state.refused
            }
            return state.refused - state.refusedWhenTold - 1
        }
        guard let untold else { return }
        let reason =
            switch verdict {
            case .admitted, .network: "the address is not among the agent's allow-from"
            case .tooMany: "\(limit) connections are open (limits.connections)"
            case .tooManyFromThere:
                "\(limitPerAddress) connections from there are open (limits.connections-per-address)"
            }
        var metadata: Logger.Metadata = ["client": "\(address)", "reason": "\(reason)"]
        if untold > 0 { metadata["not-logged-before-this"] = "\(untold)" }
        logger.warning("Connection refused", metadata: metadata)
    }

    /// Ends every connection at once, whatever it is doing: at the socket, since a client that does not answer the
    /// farewell of TLS would hold it for seconds more.
    func closeAll() {
        for channel in state.withLock({ Array($0.channels.values) }) {
            channel.pipeline.fireUserInboundEventTriggered(ConnectionGuard.End())
        }
    }

    private func remove(_ id: ObjectIdentifier, _ address: String) {
        state.withLock { state in
            state.channels[id] = nil
            let left = state.byAddress[address, default: 1] - 1
            state.byAddress[address] = left > 0 ? left : nil
        }
    }
}
