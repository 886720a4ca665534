import NIOCore

/// The places of one listener's connections: how many are taken, from where, and who makes room when there is none left.
/// Pure; who asks connections to make room tells what came of it.
struct ConnectionPlaces {
    /// Why a connection is closed at once.
    enum Refusal: Hashable {
        case network
        case tooMany
        case tooManyFromThere
        case fewDescriptors
    }

    /// What becomes of a new connection.
    struct Verdict: Equatable {
        /// nil: it has its place.
        var refusal: Refusal?
        /// Those that are to be asked to make room, for it or, where it is refused, for the next.
        var making: [ObjectIdentifier] = []
    }

    private struct Place {
        let client: String
        let serial: UInt64
        /// Nobody has logged in on it.
        var isNewcomer = true
        /// It has been asked to make room and has not ended or declined.
        var isYielding = false
    }

    /// An id may come again, since it is the address of an object: the serial number tells one connection from another.
    private struct Newcomer {
        let id: ObjectIdentifier
        let serial: UInt64
    }

    /// Connections that are asked to make room at a time, and so many more than the limit there can be for a moment.
    static let mostYielding = 16

    let limit: Int
    let limitPerAddress: Int
    private var places: [ObjectIdentifier: Place] = [:]
    private var byAddress: [String: Int] = [:]
    /// The oldest first, with some that are none any more.
    private var newcomers = CircularBuffer<Newcomer>()
    private var serial: UInt64 = 0
    /// Connections that have been asked to make room and have not ended or declined.
    private(set) var yielding = 0

    init(limit: Int, limitPerAddress: Int) {
        self.limit = limit
        self.limitPerAddress = limitPerAddress
    }

    var count: Int { places.count }

    /// Gives a new connection a place, if there is one for its client.
    ///
    /// - Parameters:
    ///   - client: what counts as one address.
    ///   - isProxy: the cap on one address does not hold for it.
    mutating func admit(
        _ id: ObjectIdentifier, from client: String, isProxy: Bool = false, _ level: DescriptorReserve.Level = .plenty
    ) -> Verdict {
        guard isProxy || byAddress[client, default: 0] < limitPerAddress else {
            return Verdict(refusal: .tooManyFromThere)
        }
        let tooMany = max(0, places.count - yielding - limit + 1)
        let needed = max(level == .plenty ? 0 : 1, tooMany)
        let making = makeRoom(for: needed)
        if making.count < tooMany { return Verdict(refusal: .tooMany, making: making) }
        if making.count < needed, level == .critical { return Verdict(refusal: .fewDescriptors, making: making) }
        serial += 1
        places[id] = Place(client: client, serial: serial)
        byAddress[client, default: 0] += 1
        newcomers.append(Newcomer(id: id, serial: serial))
        // Without this it would grow with every connection that comes and goes.
        if newcomers.count > 2 * places.count + 64 { newcomers = CircularBuffer(newcomers.filter { mayYield($0) }) }
        return Verdict(making: making)
    }

    private mutating func makeRoom(for needed: Int) -> [ObjectIdentifier] {
        var making: [ObjectIdentifier] = []
        while making.count < needed, yielding < ConnectionPlaces.mostYielding, let next = newcomers.popFirst() {
            guard mayYield(next) else { continue }
            places[next.id]?.isYielding = true
            yielding += 1
            making.append(next.id)
        }
        return making
    }

    private func mayYield(_ newcomer: Newcomer) -> Bool {
        guard let place = places[newcomer.id], place.serial == newcomer.serial else { return false }
        return place.isNewcomer && !place.isYielding
    }

    /// Somebody has logged in on it: it makes no room for others.
    mutating func keep(_ id: ObjectIdentifier) {
        places[id]?.isNewcomer = false
        settle(id)
    }

    /// It was asked to make room and does not; it may be asked again.
    mutating func decline(_ id: ObjectIdentifier) {
        guard let place = places[id], place.isYielding else { return }
        settle(id)
        newcomers.append(Newcomer(id: id, serial: place.serial))
    }

    /// It has ended.
    mutating func remove(_ id: ObjectIdentifier) {
        settle(id)
        guard let client = places.removeValue(forKey: id)?.client else { return }
        let left = byAddress[client, default: 1] - 1
        byAddress[client] = left > 0 ? left : nil
    }

    private mutating func settle(_ id: ObjectIdentifier) {
        guard places[id]?.isYielding == true else { return }
        places[id]?.isYielding = false
        yielding -= 1
    }
}
