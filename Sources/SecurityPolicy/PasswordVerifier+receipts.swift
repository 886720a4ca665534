import Synchronization

extension PasswordVerifier {
    /// That right credentials were checked: what a connection keeps, so that asking again with the same ones costs not
    /// even their MAC.
    package struct Receipt: Sendable {
        package fileprivate(set) var principal: Principal
        fileprivate var ground: Ground
        /// Of the users and tokens when this was last found to hold.
        fileprivate var generation: UInt64
        fileprivate var expires: ContinuousClock.Instant
    }

    fileprivate enum Ground: Sendable {
        case password(mac: [UInt8], user: String, version: UInt64, hash: PasswordHash, ends: ContinuousClock.Instant)
        case token(APIToken)
    }

    /// The receipt for credentials that were verified a moment ago; nil when they are forgotten already.
    package func receipt(user: String, password: String) -> Receipt? {
        let mac = self.mac(user, password)
        guard let entry = state.withLock({ $0.entries[mac] }), let principal = entry.principal else { return nil }
        let (record, generation) = users.record(named: entry.user)
        guard let record, record.version == entry.version else { return nil }
        return Receipt(
            principal: principal,
            ground: .password(
                mac: mac, user: entry.user, version: entry.version, hash: record.hash, ends: entry.ends),
            generation: generation, expires: entry.expires)
    }

    /// The receipt for a token that was verified a moment ago; nil when it has gone or expired already.
    package func receipt(token text: String) -> Receipt? {
        guard let digest = APIToken.digest(of: text) else { return nil }
        let (token, generation) = users.token(with: digest)
        guard let token, !token.hasExpired(at: wallClock()) else { return nil }
        return Receipt(
            principal: token.principal, ground: .token(token), generation: generation,
            expires: now() + PasswordVerifier.renewalPeriod)
    }

    /// Whether the credentials of a receipt would be verified without a scrypt now: their user or token has not changed
    /// since, and it is not too long ago. Asking keeps them alive, here and for other connections, up to the longest life.
    package func stillHolds(_ receipt: inout Receipt) -> Bool {
        switch receipt.ground {
        case .password(let mac, let user, let version, _, let ends):
            let now = now()
            guard receipt.expires > now, isUnchanged(user, version, &receipt) else { return false }
            let renewed = min(now + PasswordVerifier.verifiedLife, ends)
            if receipt.expires + PasswordVerifier.renewalPeriod <= renewed {
                receipt.expires = renewed
                state.withLock { state in
                    if state.entries[mac]?.version == version { state.entries[mac]?.renew(now) }
                }
            }
            return true
        case .token(let token):
            guard !token.hasExpired(at: wallClock()) else { return false }
            let generation = users.generation
            if generation == receipt.generation { return true }
            guard users.token(with: token.digest).token == token else { return false }
            receipt.generation = generation
            return true
        }
    }

    /// Who the holder of a receipt is now, for one that listens and is not asked to log in again: the groups may have
    /// changed and time ends nothing, but the user has to be there, enabled and of the same password, the token there and
    /// not expired. nil when that does not hold.
    package func present(_ receipt: inout Receipt) -> Principal? {
        switch receipt.ground {
        case .password(let mac, let user, let version, let hash, let ends):
            if users.generation == receipt.generation { return receipt.principal }
            let (record, generation) = users.record(named: user)
            // The same version is the same password, in another hash at most.
            guard let record, !record.user.isDisabled, record.version == version || record.hash == hash else {
                return nil
            }
            receipt.ground = .password(mac: mac, user: user, version: record.version, hash: record.hash, ends: ends)
            receipt.generation = generation
            receipt.principal = record.user.principal
            return receipt.principal
        case .token: return stillHolds(&receipt) ? receipt.principal : nil
        }
    }

    /// Changes of others leave a receipt standing.
    private func isUnchanged(_ user: String, _ version: UInt64, _ receipt: inout Receipt) -> Bool {
        if users.generation == receipt.generation { return true }
        let (present, generation) = users.version(of: user)
        guard present == version else { return false }
        receipt.generation = generation
        return true
    }
}
