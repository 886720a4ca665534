import Crypto
import Synchronization
import Tags

/// Checks user names with passwords, one scrypt at a time, and remembers what it has checked for a short while; API tokens
/// without scrypt.
///
/// What is remembered is a keyed MAC of the credentials, never the password; a change of a user forgets it. An unknown or
/// disabled user costs the same work as a known one. Who fails waits longer each time, see `LoginThrottle`.
package final class PasswordVerifier: Sendable {
    package enum Verdict: Sendable, Equatable {
        case verified(Principal)
        /// Unknown or disabled user, or wrong password: a caller must not tell which.
        case refused
        /// Too many are waiting: ask again in a few seconds.
        case busy
        /// Too many failures from this user or address: nothing was checked; ask again after this time.
        case throttled(Duration)
    }

    struct Entry {
        /// nil: refused.
        var principal: Principal?
        /// Folded.
        var user: String
        /// Of the user when this was computed; 0 without one.
        var version: UInt64
        var expires: ContinuousClock.Instant
        /// What no use of it moves: then the password is checked again.
        var ends: ContinuousClock.Instant

        /// Use keeps right credentials alive; a guess is forgotten in its time whatever happens.
        mutating func renew(_ now: ContinuousClock.Instant) {
            if principal != nil { expires = min(now + verifiedLife, ends) }
        }
    }

    enum Claim: Sendable {
        /// Nobody was at it: the caller must compute, and answer those who wait.
        case mine
        case answered(Verdict)
        case finishedMeanwhile

        /// For who waited: that one client was turned away says nothing about another.
        init(told verdict: Verdict) {
            switch verdict {
            case .verified, .refused: self = .answered(verdict)
            case .busy, .throttled: self = .finishedMeanwhile
            }
        }
    }

    struct State {
        var entries: [[UInt8]: Entry] = [:]
        /// Tokens that were wrong, by digest: the same again is no further guess.
        var refusedTokens: [[UInt8]: ContinuousClock.Instant] = [:]
        /// Checks under way, with who waits for the same answer.
        var running: [[UInt8]: [CheckedContinuation<Claim, Never>]] = [:]
        /// Name and client of those that were right before, who have places of their own in the queue.
        var known: Set<String> = []
        /// MACs of credentials that were right when they were last checked: whoever has them does not guess, so nobody
        /// else's failures keep them waiting.
        var proven: Set<[UInt8]> = []
        var throttle = LoginThrottle()
    }

    /// How long right credentials cost no scrypt.
    static let verifiedLife = Duration.seconds(300)
    /// And how long at most, however often they are used.
    static let longestLife = Duration.seconds(3600)
    /// A connection renews what it was given no more often than this.
    static let renewalPeriod = Duration.seconds(30)
    private static let knownClients = 1024
    /// How long a client that polls with wrong ones costs none, and counts as one failure.
    static let refusedLife = Duration.seconds(300)
    static let rememberedEntries = 4096
    private static let waitersForOneCheck = 256

    let users: UserStore
    private let key = SymmetricKey(size: .bits256)
    private let unknown: PasswordHash
    let state = Mutex(State())

    let now: @Sendable () -> ContinuousClock.Instant
    /// For what expires on a calendar.
    let wallClock: @Sendable () -> Timestamp

    package convenience init(users: UserStore) {
        self.init(users: users) { .now }
    }

    /// Tests bring their own clocks.
    init(
        users: UserStore, wallClock: @escaping @Sendable () -> Timestamp = { .now },
        now: @escaping @Sendable () -> ContinuousClock.Instant
    ) {
        self.users = users
        self.now = now
        self.wallClock = wallClock
        unknown = .unmatchable(users.parameters)
    }

    /// Whether an administrator exists: without one no listener serves.
    package var hasAdministrator: Bool { users.hasAdministrator }

    /// The number of scrypts computed so far, for tests and status.
    package var computations: Int { users.worker.computations }

    /// Checks no password any more; what waits to be checked, or is being checked, is `busy` at once.
    package func stop() { users.worker.close() }

    /// - Parameter client: where the credentials came from, one text for what counts as one client: each gets a bounded
    ///   share of the computations, so that none locks the others out, and waits when it fails. nil takes no share and
    ///   never waits.
    package func verify(user: String, password: String, client: String? = nil) async -> Verdict {
        guard user.utf8.count <= 4 * User.maximumNameCharacters, !password.isEmpty,
            password.utf8.count <= PasswordRules.maximumBytes, PasswordRules.isHashable(password)
        else { return .refused }
        let mac = self.mac(user, password)
        while true {
            if let known = remembered(mac) { return known }
            switch await claim(mac) {
            case .mine:
                let verdict = await check(user, password, client, mac)
                let waiting = state.withLock { $0.running.removeValue(forKey: mac) ?? [] }
                for waiter in waiting { waiter.resume(returning: Claim(told: verdict)) }
                return verdict
            case .answered(let verdict): return verdict
            case .finishedMeanwhile: continue
            }
        }
    }

    private func remembered(_ mac: [UInt8]) -> Verdict? {
        let now = now()
        return state.withLock { state in
            guard var entry = state.entries[mac] else { return nil }
            guard entry.version == users.version(of: entry.user).version, entry.expires > now else {
                state.entries[mac] = nil
                return nil
            }
            entry.renew(now)
            state.entries[mac] = entry
            return entry.principal.map { .verified($0) } ?? .refused
        }
    }

    /// Joins a check of the same credentials that is under way, or takes it over.
    private func claim(_ mac: [UInt8]) async -> Claim {
        let mine = state.withLock { state in
            guard state.running[mac] == nil else { return false }
            state.running[mac] = []
            return true
        }
        if mine { return .mine }
        return await withCheckedContinuation { (waiter: CheckedContinuation<Claim, Never>) in
            let atOnce: Claim? = state.withLock { state in
                guard let waiting = state.running[mac] else { return .finishedMeanwhile }
                guard waiting.count < PasswordVerifier.waitersForOneCheck else { return .answered(.busy) }
                state.running[mac]?.append(waiter)
                return nil
            }
            if let atOnce { waiter.resume(returning: atOnce) }
        }
    }

    /// Computes unless who asks must wait, and counts what came of it.
    private func check(_ user: String, _ password: String, _ client: String?, _ mac: [UInt8]) async -> Verdict {
        guard let client else { return await compute(user, password, nil, mac) }
        let pair = PasswordVerifier.pair(user, client)
        let begun = now()
        let (isKnown, isProven, wait) = state.withLock { state -> (Bool, Bool, Duration?) in
            let isKnown = state.known.contains(pair)
            if state.proven.contains(mac) { return (true, true, nil) }
            return (isKnown, false, state.throttle.admit(user: user, client: client, isKnown: isKnown, at: begun))
        }
        if let wait { return .throttled(wait) }
        // A name that was right from a client before counts for itself there: a flood of other names from the same
        // address, which may be a proxy's, does not lock it out, nor does a flood of its own name from elsewhere.
        let verdict = await compute(user, password, .init(key: isKnown ? pair : client, isKnown: isKnown), mac)
        let now = now()
        state.withLock { state in
            switch verdict {
            case .verified:
                state.throttle.succeeded(user: user, client: client, isKnown: isKnown, at: now)
                // Any: only who knows a password gets in here.
                PasswordVerifier.insert(pair, into: &state.known)
                PasswordVerifier.insert(mac, into: &state.proven)
            case .refused:
                state.throttle.failed(user: user, client: client, isKnown: isKnown, at: now)
                state.proven.remove(mac)
            case .busy, .throttled:
                if !isProven { state.throttle.withdrawn(user: user, client: client, isKnown: isKnown, at: now) }
            }
        }
        return verdict
    }

    private static func insert<Element>(_ element: Element, into set: inout Set<Element>) {
        if set.count >= knownClients, !set.contains(element) { set.removeFirst() }
        set.insert(element)
    }

    /// Two rounds at most: the user may change, or be stored in another hash, while the first is computed.
    private func compute(
        _ user: String, _ password: String, _ applicant: ScryptWorker.Applicant?, _ mac: [UInt8]
    ) async -> Verdict {
        let bytes = PasswordRules.bytes(of: password)
        for _ in 0..<2 {
            let before = usable(users.record(named: user).record)
            let hash = before?.hash ?? unmatchable(user)
            let digest: [UInt8]?
            do {
                digest = try await users.worker.digest(
                    of: bytes, salt: hash.salt, parameters: hash.parameters, for: applicant)
            } catch {
                return .busy
            }
            let matches = hash.matches(digest ?? [])
            // What is true now counts, not what was when this began.
            let record = users.record(named: user).record
            let after = usable(record)
            guard before?.hash == after?.hash else { continue }
            let principal = matches ? after?.user.principal : nil
            remember(principal, user, record?.version ?? 0, mac)
            guard let principal, let after else { return .refused }
            await users.rehash(bytes, of: after)
            return .verified(principal)
        }
        return .refused
    }

    private func usable(_ record: UserStore.Record?) -> UserStore.Record? {
        record.flatMap { $0.user.isDisabled || !$0.hash.parameters.isSane ? nil : $0 }
    }

    /// What is computed against for a name without a user.
    private func unmatchable(_ user: String) -> PasswordHash {
        let choice = mac(user, "").prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        return PasswordHash(parameters: users.cost(ofUnknown: choice), salt: unknown.salt, digest: unknown.digest)
    }

    private static func pair(_ user: String, _ client: String) -> String { foldedName(user) + "\0" + client }

    private func remember(_ principal: Principal?, _ user: String, _ version: UInt64, _ mac: [UInt8]) {
        let now = now()
        let life = principal == nil ? PasswordVerifier.refusedLife : PasswordVerifier.verifiedLife
        let entry = Entry(
            principal: principal, user: foldedName(user), version: version, expires: now + life,
            ends: now + PasswordVerifier.longestLife)
        state.withLock { state in
            if state.entries.count >= PasswordVerifier.rememberedEntries {
                // Guesses go first, so that a flood of them does not cost those who are right their entry.
                state.entries = state.entries.filter { $0.value.principal != nil && $0.value.expires > now }
                if state.entries.count >= PasswordVerifier.rememberedEntries { state.entries.removeAll() }
            }
            state.entries[mac] = entry
        }
    }

    /// The name without case, as it is looked up: one user's credentials are one entry.
    func mac(_ user: String, _ password: String) -> [UInt8] {
        var mac = HMAC<SHA256>(key: key)
        let name = Array(foldedName(user).utf8)
        // The length parts the two, so that no other split of the same bytes has the same MAC.
        withUnsafeBytes(of: UInt64(name.count).littleEndian) { mac.update(data: $0) }
        mac.update(data: name)
        mac.update(data: Array(password.utf8))
        return Array(mac.finalize())
    }
}
