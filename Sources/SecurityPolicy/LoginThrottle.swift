/// Slows guessing down: how long who failed must wait before the next try is looked at. Pure; the caller brings the clock.
///
/// Failures count for a client (its address) and for a user name from that client. The first try of a name from a client
/// that has not failed is always looked at, whatever others do to that name elsewhere, so that no flood keeps a right
/// password out from another address. What a flood does to a name is to take its further free tries away from clients
/// where nobody has logged in with it.
struct LoginThrottle {
    typealias Instant = ContinuousClock.Instant

    /// How fast waiting grows.
    struct Pace: Sendable {
        /// Failures before the first wait.
        var free: Int
        /// The longest wait.
        var cap: Duration

        /// 1 s after the first failure that is not free, twice as long after each further one.
        func wait(after failures: Int) -> Duration {
            guard failures >= free else { return .zero }
            return min(.seconds(1 << min(failures - free, 20)), cap)
        }
    }

    /// For one name from one client.
    static let pairPace = Pace(free: 3, cap: .seconds(300))
    /// The same while that name is under attack.
    static let attackedPace = Pace(free: 1, cap: .seconds(300))
    /// For a client, whatever names it tries. Slower to begin and shorter, because many people may share an address.
    static let clientPace = Pace(free: 10, cap: .seconds(60))
    /// Failures of one name, from everywhere, that make an attack.
    static let attack = 20
    /// One failure is forgotten each time this has passed without another.
    static let forgetting = Duration.seconds(60)
    /// The most that is counted, and so remembered: past an hour after the last failure nothing is left.
    static let mostFailures = 60
    /// Rows of each table. When one is full, those quiet for longest go.
    static let rows = 4096

    private struct Count {
        var failures = 0
        var last: Instant
        /// Nothing is looked at before.
        var next: Instant
        /// Tries that were admitted and have not ended.
        var underway = 0

        /// What is left of the failures after the time without one.
        func left(_ now: Instant) -> Int {
            guard now > last else { return failures }
            let periods = Int((now - last) / LoginThrottle.forgetting)
            return max(0, failures - periods)
        }
    }

    private struct Pair: Hashable {
        var user: String
        var client: String
    }

    private var pairs: [Pair: Count] = [:]
    private var clients: [String: Count] = [:]
    private var users: [String: Count] = [:]

    /// Whether a try is looked at now: nil, or how long to wait. One that is must end in `failed`, `succeeded` or
    /// `withdrawn`.
    ///
    /// - Parameter isKnown: whether somebody logged in with this name from this client before. Then what others do from
    ///   the same address, perhaps a proxy's, does not count.
    mutating func admit(user: String, client: String, isKnown: Bool, at now: Instant) -> Duration? {
        let pair = Pair(user: foldedName(user), client: client)
        var wait = Duration.zero
        if let count = pairs[pair] { wait = max(wait, count.next - now) }
        if !isKnown, let count = clients[client] { wait = max(wait, count.next - now) }
        guard wait <= .zero else { return wait }
        let pace = pace(of: pair.user, isKnown: isKnown, at: now)
        if pairs[pair] == nil { LoginThrottle.makeRoom(in: &pairs, now) }
        var count = pairs[pair] ?? Count(last: now, next: now)
        // As if those under way had failed already: many at once get no more tries than one after the other.
        guard count.underway == 0 || count.left(now) + count.underway < pace.free else { return .seconds(1) }
        count.underway += 1
        pairs[pair] = count
        if !isKnown { LoginThrottle.takeTurn(&clients[client], LoginThrottle.clientPace, now) }
        return nil
    }

    /// The try that was admitted was wrong.
    mutating func failed(user: String, client: String, isKnown: Bool, at now: Instant) {
        let name = foldedName(user)
        LoginThrottle.count(&users, name, nil, now)
        LoginThrottle.count(&pairs, Pair(user: name, client: client), pace(of: name, isKnown: isKnown, at: now), now)
        failed(client: client, at: now)
    }

    /// Something wrong that is not a user's password, such as a token that does not exist.
    mutating func failed(client: String, at now: Instant) {
        LoginThrottle.count(&clients, client, LoginThrottle.clientPace, now)
    }

    /// The try was right: forgets what this name has failed from this client. What else the client has failed stays, so
    /// that nobody buys guesses with a login of their own.
    mutating func succeeded(user: String, client: String, isKnown: Bool, at now: Instant) {
        pairs[Pair(user: foldedName(user), client: client)] = nil
        if !isKnown { clients[client]?.next = now }
    }

    /// The try that was admitted could not be looked at: its turn is given back.
    mutating func withdrawn(user: String, client: String, isKnown: Bool, at now: Instant) {
        let pair = Pair(user: foldedName(user), client: client)
        if var count = pairs[pair] {
            count.underway = max(0, count.underway - 1)
            pairs[pair] = count.failures == 0 && count.underway == 0 ? nil : count
        }
        if !isKnown { clients[client]?.next = now }
    }

    /// How long the client must wait for what is not a user's password; nil when it need not.
    func wait(client: String, at now: Instant) -> Duration? {
        guard let next = clients[client]?.next, next > now else { return nil }
        return next - now
    }

    /// Rows in use, for tests.
    var count: (pairs: Int, clients: Int, users: Int) { (pairs.count, clients.count, users.count) }

    private func pace(of name: String, isKnown: Bool, at now: Instant) -> Pace {
        let isAttacked = !isKnown && users[name].map { $0.left(now) >= LoginThrottle.attack } ?? false
        return isAttacked ? LoginThrottle.attackedPace : LoginThrottle.pairPace
    }

    private static func takeTurn(_ count: inout Count?, _ pace: Pace, _ now: Instant) {
        guard let failures = count?.left(now), failures >= pace.free else { return }
        count?.next = now + pace.wait(after: failures)
    }

    private static func count<Key>(_ table: inout [Key: Count], _ key: Key, _ pace: Pace?, _ now: Instant) {
        if table[key] == nil { makeRoom(in: &table, now) }
        var count = table[key] ?? Count(last: now, next: now)
        count.failures = min(count.left(now) + 1, mostFailures)
        count.last = now
        count.underway = max(0, count.underway - 1)
        if let pace { count.next = now + pace.wait(after: count.failures) }
        table[key] = count
    }

    /// Forgets what is forgotten by its time, and when that is not enough the quarter that has been quiet for longest: a
    /// row at a time would search the table for each of a flood.
    private static func makeRoom<Key>(in table: inout [Key: Count], _ now: Instant) {
        guard table.count >= rows else { return }
        table = table.filter { $0.value.left(now) > 0 || $0.value.next > now }
        guard table.count >= rows else { return }
        for (key, _) in table.sorted(by: { $0.value.last < $1.value.last }).prefix(rows / 4) { table[key] = nil }
    }
}
