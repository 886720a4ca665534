import Logging
import NIOCore
import Synchronization

/// The open connections of one listener: how many, from where, who makes room when it is full, and how to end them all.
final class ConnectionRegistry: Sendable {
    private struct Entry {
        let channel: any Channel
        let address: ClientAddress
    }

    private struct State {
        var places: ConnectionPlaces
        var entries: [ObjectIdentifier: Entry] = [:]
        /// Each reason by itself: a flood that is refused for one is not to hide another.
        var refusals: [ConnectionPlaces.Refusal: Telling] = [:]
        var yields = Telling()
    }

    let limit: Int
    let limitPerAddress: Int
    private let networks: NetworkRules
    private let descriptors: DescriptorReserve
    private let logger: Logger
    private let state: Mutex<State>

    init(
        limit: Int, limitPerAddress: Int, networks: NetworkRules, descriptors: DescriptorReserve = DescriptorReserve(),
        logger: Logger
    ) {
        self.limit = limit
        self.limitPerAddress = limitPerAddress
        self.networks = networks
        self.descriptors = descriptors
        self.logger = logger
        state = Mutex(State(places: ConnectionPlaces(limit: limit, limitPerAddress: limitPerAddress)))
    }

    var count: Int { state.withLock { $0.places.count } }
    /// Connections that were closed at once so far.
    var refusals: Int { state.withLock { $0.refusals.values.reduce(0) { $0 + $1.happened } } }

    /// Takes a new connection in, unless it comes from a network that is not allowed, or there are too many in all or
    /// from its address. A trusted proxy stands for many clients, so the cap on one address does not hold for it.
    ///
    /// When there are too many in all, or hardly a file descriptor is left, the oldest on which nobody has logged in and
    /// nothing is being answered makes room: who only holds connections keeps nobody out for long.
    ///
    /// - Returns: nil when it is to be closed at once.
    func admit(_ channel: any Channel) -> Peer? {
        let address = ClientAddress(channel.remoteAddress)
        let isProxy = networks.isProxy(address)
        guard isProxy || networks.allows(address) else {
            tell(.network, address)
            return nil
        }
        let (refusal, making) = place(channel, address, isProxy: isProxy, descriptors.level())
        for channel in making { channel.pipeline.fireUserInboundEventTriggered(ConnectionGuard.Yield()) }
        if let refusal {
            tell(refusal, address)
            return nil
        }
        let id = ObjectIdentifier(channel)
        channel.closeFuture.whenComplete { _ in self.remove(id) }
        return Peer(address, isTrustedProxy: isProxy)
    }

    private func place(
        _ channel: any Channel, _ address: ClientAddress, isProxy: Bool, _ level: DescriptorReserve.Level
    ) -> (refusal: ConnectionPlaces.Refusal?, making: [any Channel]) {
        state.withLock { state in
            let id = ObjectIdentifier(channel)
            let verdict = state.places.admit(id, from: address.client, isProxy: isProxy, level)
            if verdict.refusal == nil { state.entries[id] = Entry(channel: channel, address: address) }
            return (verdict.refusal, verdict.making.compactMap { state.entries[$0]?.channel })
        }
    }

    /// Somebody has logged in on it: it makes no room for others.
    func keep(_ channel: any Channel) {
        state.withLock { $0.places.keep(ObjectIdentifier(channel)) }
    }

    /// It was asked to make room, and ends.
    func yields(_ channel: any Channel) {
        let told: (Int, ClientAddress)? = state.withLock { state in
            guard let entry = state.entries[ObjectIdentifier(channel)],
                let untold = state.yields.tell(ContinuousClock.now)
            else { return nil }
            return (untold, entry.address)
        }
        guard let (untold, address) = told else { return }
        var metadata: Logger.Metadata = ["client": "\(address)"]
        if untold > 0 { metadata["not-logged-before-this"] = "\(untold)" }
        logger.warning("Connection ended to make room: nobody had logged in on it", metadata: metadata)
    }

    /// It was asked to make room, but something of it is being answered; it may be asked again.
    func declines(_ channel: any Channel) {
        state.withLock { $0.places.decline(ObjectIdentifier(channel)) }
    }

    // MARK: telling and ending

    private func tell(_ refusal: ConnectionPlaces.Refusal, _ address: ClientAddress) {
        let untold = state.withLock { $0.refusals[refusal, default: Telling()].tell(ContinuousClock.now) }
        guard let untold else { return }
        let reason =
            switch refusal {
            case .network: "the address is not among the agent's allow-from"
            case .tooMany: "\(limit) connections are open (limits.connections)"
            case .tooManyFromThere:
                "\(limitPerAddress) connections from there are open (limits.connections-per-address)"
            case .fewDescriptors: "hardly a file descriptor is left to the process (its limit is \(descriptors.limit))"
            }
        var metadata: Logger.Metadata = ["client": "\(address)", "reason": "\(reason)"]
        if untold > 0 { metadata["not-logged-before-this"] = "\(untold)" }
        logger.warning("Connection refused", metadata: metadata)
    }

    /// Ends every connection at once, whatever it is doing: at the socket, since a client that does not answer the
    /// farewell of TLS would hold it for seconds more.
    func closeAll() {
        for entry in state.withLock({ Array($0.entries.values) }) {
            entry.channel.pipeline.fireUserInboundEventTriggered(ConnectionGuard.End())
        }
    }

    private func remove(_ id: ObjectIdentifier) {
        state.withLock { state in
            state.places.remove(id)
            state.entries[id] = nil
        }
    }
}
