import Logging
import NIOCore
import Synchronization

/// The open connections of one listener: how many, from where, who makes room when it is full, and how to end them all.
final class ConnectionRegistry: Sendable {
    private struct Entry {
        let channel: any Channel
        let address: ClientAddress
        /// Nobody has logged in on it.
        var isNewcomer = true
        /// It has been asked to make room and has not ended or declined.
        var isYielding = false
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var byAddress: [String: Int] = [:]
        /// Newcomers, the oldest first, with some that are none any more.
        var newcomers = CircularBuffer<ObjectIdentifier>()
        var yielding = 0
        var refusals = Telling()
        var yields = Telling()
    }

    /// How often something was told, and how often it happened.
    private struct Telling {
        var happened = 0
        var toldUpTo = 0
        var lastTold: ContinuousClock.Instant?

        /// - Returns: how many were not told before this one; nil when it is not to be told.
        mutating func tell(_ now: ContinuousClock.Instant) -> Int? {
            happened += 1
            if let lastTold, now - lastTold < ConnectionRegistry.period { return nil }
            defer {
                lastTold = now
                toldUpTo = happened
            }
            return happened - toldUpTo - 1
        }
    }

    private enum Refusal {
        case network
        case tooMany
        case tooManyFromThere
        case fewDescriptors
    }

    private enum Verdict {
        case admitted(making: [any Channel])
        case refused(Refusal, making: [any Channel] = [])
    }

    /// The log hears of refused connections no more often.
    private static let period = Duration.seconds(1)
    /// Connections that are asked to make room at a time, and so many more than the limit there can be for a moment.
    private static let mostYielding = 16

    let limit: Int
    let limitPerAddress: Int
    private let networks: NetworkRules
    private let descriptors: DescriptorReserve
    private let logger: Logger
    private let state = Mutex(State())

    init(
        limit: Int, limitPerAddress: Int, networks: NetworkRules, descriptors: DescriptorReserve = DescriptorReserve(),
        logger: Logger
    ) {
        self.limit = limit
        self.limitPerAddress = limitPerAddress
        self.networks = networks
        self.descriptors = descriptors
        self.logger = logger
    }

    var count: Int { state.withLock { $0.entries.count } }
    /// Connections that were closed at once so far.
    var refusals: Int { state.withLock { $0.refusals.happened } }

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
        let verdict =
            isProxy || networks.allows(address)
            ? place(channel, address, isProxy: isProxy, descriptors.level()) : .refused(.network)
        switch verdict {
        case .refused(let reason, let making):
            askToYield(making)
            tell(reason, address)
            return nil
        case .admitted(let making):
            askToYield(making)
            let id = ObjectIdentifier(channel)
            channel.closeFuture.whenComplete { _ in self.remove(id) }
            return Peer(address, isTrustedProxy: isProxy)
        }
    }

    private func place(
        _ channel: any Channel, _ address: ClientAddress, isProxy: Bool, _ level: DescriptorReserve.Level
    ) -> Verdict {
        state.withLock { state in
            guard isProxy || state.byAddress[address.client, default: 0] < limitPerAddress else {
                return .refused(.tooManyFromThere)
            }
            let tooMany = max(0, state.entries.count - state.yielding - limit + 1)
            let needed = max(level == .plenty ? 0 : 1, tooMany)
            var making: [any Channel] = []
            while making.count < needed, state.yielding < ConnectionRegistry.mostYielding,
                let id = state.newcomers.popFirst()
            {
                guard state.entries[id]?.isNewcomer == true else { continue }
                state.entries[id]?.isYielding = true
                state.yielding += 1
                if let entry = state.entries[id] { making.append(entry.channel) }
            }
            if making.count < tooMany { return .refused(.tooMany, making: making) }
            if making.count < needed, level == .critical { return .refused(.fewDescriptors, making: making) }
            let id = ObjectIdentifier(channel)
            state.entries[id] = Entry(channel: channel, address: address)
            state.byAddress[address.client, default: 0] += 1
            state.newcomers.append(id)
            // Without this it would grow with every connection that comes and goes.
            if state.newcomers.count > 2 * state.entries.count + 64 {
                state.newcomers = CircularBuffer(
                    state.newcomers.filter { state.entries[$0].map { $0.isNewcomer && !$0.isYielding } ?? false })
            }
            return .admitted(making: making)
        }
    }

    /// Somebody has logged in on it: it makes no room for others.
    func keep(_ channel: any Channel) {
        state.withLock { state in
            let id = ObjectIdentifier(channel)
            state.entries[id]?.isNewcomer = false
            settle(id, &state)
        }
    }

    // MARK: making room

    private func askToYield(_ channels: [any Channel]) {
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(ConnectionGuard.Yield()) }
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
        state.withLock { state in
            let id = ObjectIdentifier(channel)
            guard state.entries[id]?.isYielding == true else { return }
            settle(id, &state)
            state.newcomers.append(id)
        }
    }

    private func settle(_ id: ObjectIdentifier, _ state: inout State) {
        guard state.entries[id]?.isYielding == true else { return }
        state.entries[id]?.isYielding = false
        state.yielding -= 1
    }

    // MARK: telling and ending

    private func tell(_ refusal: Refusal, _ address: ClientAddress) {
        guard let untold = state.withLock({ $0.refusals.tell(ContinuousClock.now) }) else { return }
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
            settle(id, &state)
            guard let address = state.entries.removeValue(forKey: id)?.address.client else { return }
            let left = state.byAddress[address, default: 1] - 1
            state.byAddress[address] = left > 0 ? left : nil
        }
    }
}
