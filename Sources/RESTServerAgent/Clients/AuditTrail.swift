import SecurityPolicy
import Synchronization

/// What one listener tells the audit log of who was let in and who was not.
final class AuditTrail: Sendable {
    private struct Login: Hashable {
        var kind: Principal.Kind
        var name: String
        var client: String
    }

    /// A login that goes on, over however many connections, is one entry in this time.
    static let period = Duration.seconds(3600)
    private static let rememberedLogins = 4096

    private let agent: String
    private let audit: AuditLog
    /// Those that the log knows of, with when it was told.
    private let logins = Mutex<[Login: ContinuousClock.Instant]>([:])

    init(agent: String, audit: AuditLog) {
        self.agent = agent
        self.audit = audit
    }

    /// One entry for each principal and client, and another after a failure of it or after the period.
    func loggedIn(_ principal: Principal, from client: ClientAddress) {
        let login = Login(kind: principal.kind, name: AuditTrail.folded(principal), client: client.client)
        let now = ContinuousClock.now
        let isNew = logins.withLock { logins in
            if let told = logins[login], now - told < AuditTrail.period { return false }
            if logins.count >= AuditTrail.rememberedLogins {
                logins = logins.filter { now - $0.value < AuditTrail.period }
                if logins.count >= AuditTrail.rememberedLogins { logins.removeAll() }
            }
            logins[login] = now
            return true
        }
        guard isNew else { return }
        audit.note(
            AuditEvent(
                .login, of: principal.name ?? "", by: principal, address: client.description, agent: agent,
                outcome: .succeeded))
    }

    /// - Parameter name: the user that was tried, the certificate's subject; empty where there is none.
    func refusedLogin(_ kind: Principal.Kind, _ name: String, from client: ClientAddress, reason: String) {
        let login = Login(kind: kind, name: name.lowercased(), client: client.client)
        logins.withLock { $0[login] = nil }
        let shown = LoginFailureLog.printable(name, most: kind == .certificate ? 256 : 64)
        audit.note(
            AuditEvent(
                .login, of: shown, by: shown, kind: kind, address: client.description, agent: agent, outcome: .refused,
                reason: reason))
    }

    /// A decision against a principal that is known.
    ///
    /// - Parameter isTold: false lets the entry go in the end: the same work for a name that nothing is behind as for one
    ///   that is hidden, so that the time of an answer does not tell them apart.
    func refused(_ attempt: Attempt, isTold: Bool = true) {
        var event = AuditEvent(
            attempt.action, of: LoginFailureLog.printable(attempt.object, most: 256), by: attempt.asker.principal,
            address: attempt.asker.client.description, agent: agent, outcome: .refused, reason: attempt.reason)
        event.count = attempt.count
        audit.note(event, isTold: isTold)
    }

    struct Attempt {
        var action: AuditEvent.Action
        /// The first tag, or the path.
        var object: String
        var asker: Asker
        var reason: String
        /// How many like the first there were in the request.
        var count = 1
    }

    private static func folded(_ principal: Principal) -> String { (principal.name ?? "").lowercased() }
}

/// Who sent one request, from where.
struct Asker: Sendable {
    let principal: Principal
    let client: ClientAddress
}
