import Crypto
import Synchronization

/// Checks user names with passwords, one scrypt at a time, and remembers what it has checked for a short while.
///
/// What is remembered is a keyed MAC of the credentials, never the password; any change of any user forgets it all. An
/// unknown or disabled user costs the same work as a known one.
package final class PasswordVerifier: Sendable {
    package enum Verdict: Sendable, Equatable {
        case verified(Principal)
        /// Unknown or disabled user, or wrong password: a caller must not tell which.
        case refused
        /// Too many are waiting: ask again in a few seconds.
        case busy
    }

    private struct Entry {
        /// nil: refused.
        var principal: Principal?
        var generation: UInt64
        var expires: ContinuousClock.Instant
        /// What no use of it moves: then the password is checked again.
        var ends: ContinuousClock.Instant

        /// Use keeps right credentials alive; a guess is forgotten in its time whatever happens.
        mutating func renew(_ now: ContinuousClock.Instant) {
            if principal != nil { expires = min(now + verifiedLife, ends) }
        }
    }

    private enum Claim: Sendable {
        /// Nobody was at it: the caller must compute, and answer those who wait.
        case mine
        case answered(Verdict)
        case finishedMeanwhile
    }

    private struct State {
        var entries: [[UInt8]: Entry] = [:]
        /// Checks under way, with who waits for the same answer.
        var running: [[UInt8]: [CheckedContinuation<Claim, Never>]] = [:]
        /// Name and client of those that were right before, who have places of their own in the queue.
        var known: Set<String> = []
    }

    /// How long right credentials cost no scrypt.
    static let verifiedLife = Duration.seconds(300)
    /// And how long at most, however often they are used.
    static let longestLife = Duration.seconds(3600)
    /// A connection renews what it was given no more often than this.
    private static let renewalPeriod = Duration.seconds(30)
    private static let knownClients = 1024
    /// How long a client that polls with wrong ones costs none.
    static let refusedLife = Duration.seconds(5)
    private static let rememberedEntries = 4096
    private static let waitersForOneCheck = 256

    private let users: UserStore
    private let key = SymmetricKey(size: .bits256)
    private let unknown: PasswordHash
    private let state = Mutex(State())

    private let now: @Sendable () -> ContinuousClock.Instant

    package convenience init(users: UserStore) {
        self.init(users: users) { .now }
    }

    /// Tests bring their own clock.
    init(users: UserStore, now: @escaping @Sendable () -> ContinuousClock.Instant) {
        self.users = users
        self.now = now
        unknown = .unmatchable(users.parameters)
    }

    /// Whether an administrator exists: without one no listener serves.
    package var hasAdministrator: Bool { users.hasAdministrator }

    /// The number of scrypts computed so far, for tests and status.
    package var computations: Int { users.worker.computations }

    /// - Parameter client: where the credentials came from, one text for what counts as one client: each gets a bounded
    ///   share of the computations, so that none locks the others out. nil takes no share.
    package func verify(user: String, password: String, client: String? = nil) async -> Verdict {
        guard user.utf8.count <= 4 * User.maximumNameCharacters, !password.isEmpty,
            password.utf8.count <= PasswordRules.maximumBytes, PasswordRules.isHashable(password)
        else { return .refused }
        let mac = self.mac(user, password)
        while true {
            if let known = remembered(mac) { return known }
            switch await claim(mac) {
            case .mine:
                let verdict = await compute(user, password, client, mac)
                let waiting = state.withLock { $0.running.removeValue(forKey: mac) ?? [] }
                for waiter in waiting { waiter.resume(returning: .answered(verdict)) }
                return verdict
            case .answered(let verdict): return verdict
            case .finishedMeanwhile: continue
            }
        }
    }

    /// That right credentials were checked: what a connection keeps, so that asking again with the same ones costs not
    /// even their MAC.
    package struct Receipt: Sendable {
        package let principal: Principal
        fileprivate let mac: [UInt8]
        fileprivate let generation: UInt64
        fileprivate var expires: ContinuousClock.Instant
        fileprivate let ends: ContinuousClock.Instant
    }

    /// The receipt for credentials that were verified a moment ago; nil when they are forgotten already.
    package func receipt(user: String, password: String) -> Receipt? {
        let mac = self.mac(user, password)
        return state.withLock { state in
            guard let entry = state.entries[mac], let principal = entry.principal else { return nil }
            return Receipt(
                principal: principal, mac: mac, generation: entry.generation, expires: entry.expires, ends: entry.ends)
        }
    }

    /// Whether the credentials of a receipt would be verified without a scrypt now: no user has changed since, and it
    /// is not too long ago. Asking keeps them alive, here and for other connections, up to the longest life.
    package func stillHolds(_ receipt: inout Receipt) -> Bool {
        let now = now()
        guard receipt.generation == users.generation, receipt.expires > now else { return false }
        let renewed = min(now + PasswordVerifier.verifiedLife, receipt.ends)
        if receipt.expires + PasswordVerifier.renewalPeriod <= renewed {
            receipt.expires = renewed
            let (mac, generation) = (receipt.mac, receipt.generation)
            state.withLock { state in
                if state.entries[mac]?.generation == generation { state.entries[mac]?.renew(now) }
            }
        }
        return true
    }

    private func remembered(_ mac: [UInt8]) -> Verdict? {
        let generation = users.generation
        let now = now()
        return state.withLock { state in
            guard var entry = state.entries[mac] else { return nil }
            guard entry.generation == generation, entry.expires > now else {
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

    private func compute(
        _ user: String, _ password: String, _ client: String?, _ mac: [UInt8]
    ) async -> Verdict {
        let (record, generation) = users.record(named: user)
        let usable = record.flatMap { $0.user.isDisabled || !$0.hash.parameters.isSane ? nil : $0 }
        let hash = usable?.hash ?? unknown
        let digest: [UInt8]?
        do {
            digest = try await users.worker.digest(
                of: PasswordRules.bytes(of: password), salt: hash.salt, parameters: hash.parameters,
                for: client.map { applicant(user, $0) })
        } catch {
            return .busy
        }
        let matches = hash.matches(digest ?? [])
        let principal = matches ? usable?.user.principal : nil
        if principal != nil, let client { know(user, client) }
        // Somebody was changed while this was computed: what was read before may not stand.
        guard users.generation == generation else {
            let now = users.record(named: user).record
            guard let principal, let now, !now.user.isDisabled, now.hash == hash else { return .refused }
            return .verified(principal.name == now.user.name ? now.user.principal : principal)
        }
        let now = now()
        remember(
            mac,
            Entry(
                principal: principal, generation: generation,
                expires: now + (principal == nil ? PasswordVerifier.refusedLife : PasswordVerifier.verifiedLife),
                ends: now + PasswordVerifier.longestLife))
        return principal.map { .verified($0) } ?? .refused
    }

    /// A name that was right from a client before counts for itself there: a flood of other names from the same address,
    /// which may be a proxy's, does not lock it out, nor does a flood of its own name from elsewhere.
    private func applicant(_ user: String, _ client: String) -> ScryptWorker.Applicant {
        let pair = PasswordVerifier.pair(user, client)
        let isKnown = state.withLock { $0.known.contains(pair) }
        return ScryptWorker.Applicant(key: isKnown ? pair : client, isKnown: isKnown)
    }

    private func know(_ user: String, _ client: String) {
        let pair = PasswordVerifier.pair(user, client)
        state.withLock { state in
            if state.known.count >= PasswordVerifier.knownClients, !state.known.contains(pair) {
                // Any: only who knows a password gets in here.
                state.known.removeFirst()
            }
            state.known.insert(pair)
        }
    }

    private static func pair(_ user: String, _ client: String) -> String { foldedName(user) + "\0" + client }

    private func remember(_ mac: [UInt8], _ entry: Entry) {
        state.withLock { state in
            if state.entries.count >= PasswordVerifier.rememberedEntries {
                let now = now()
                // Guesses go first, so that a flood of them does not cost those who are right their entry.
                state.entries = state.entries.filter { $0.value.principal != nil && $0.value.expires > now }
                if state.entries.count >= PasswordVerifier.rememberedEntries { state.entries.removeAll() }
            }
            state.entries[mac] = entry
        }
    }

    private func mac(_ user: String, _ password: String) -> [UInt8] {
        var mac = HMAC<SHA256>(key: key)
        // The length parts the two, so that no other split of the same bytes has the same MAC.
        withUnsafeBytes(of: UInt64(user.utf8.count).littleEndian) { mac.update(data: $0) }
        mac.update(data: Array(user.utf8))
        mac.update(data: Array(password.utf8))
        return Array(mac.finalize())
    }
}
