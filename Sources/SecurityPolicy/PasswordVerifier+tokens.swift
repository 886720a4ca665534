import Synchronization

extension PasswordVerifier {
    /// Checks an API token: the same little work whatever it is, and no scrypt.
    ///
    /// A right token never waits: 256 random bits are not guessed, so failures from the same address, which may be a
    /// proxy's, say nothing about it. Wrong ones count against the address.
    ///
    /// - Parameter client: as for passwords; nil never waits.
    package func verify(token text: String, client: String?) -> Verdict {
        let digest = APIToken.digest(of: text)
        if let digest, let token = users.token(with: digest).token {
            // Once it was right: it is no guess, and counts against nobody.
            return token.hasExpired(at: wallClock()) ? .refused : .verified(token.principal)
        }
        guard let client else { return .refused }
        let now = now()
        return state.withLock { state in
            if let wait = state.throttle.wait(client: client, at: now) { return .throttled(wait) }
            // What is not even in the form of a token is no guess; all of it counts as one.
            let key = digest ?? []
            if let until = state.refusedTokens[key], until > now { return .refused }
            if state.refusedTokens.count >= PasswordVerifier.rememberedEntries {
                state.refusedTokens = state.refusedTokens.filter { $0.value > now }
                if state.refusedTokens.count >= PasswordVerifier.rememberedEntries { state.refusedTokens.removeAll() }
            }
            state.refusedTokens[key] = now + PasswordVerifier.refusedLife
            state.throttle.failed(client: client, at: now)
            return .refused
        }
    }
}
