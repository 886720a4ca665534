package import Tags

/// Something that the audit log keeps: who did what to which object, from where, and what came of it.
package struct AuditEvent: Sendable, Equatable {
    package enum Action: String, Sendable, CaseIterable, Codable {
        case login
        case browse, read, write
        case userAdd = "user-add"
        case userRemove = "user-remove"
        case userPassword = "user-password"
        case userEnable = "user-enable"
        case userDisable = "user-disable"
        case userGroups = "user-groups"
        case tokenCreate = "token-create"
        case tokenRevoke = "token-revoke"
        case certificate
        /// Messages that wait were given up, dead letters sent again or given up.
        case outbox
        case configuration
        case gatewayStart = "gateway-start"
        case gatewayStop = "gateway-stop"
        /// About the log itself: made, damaged, dropped, exported.
        case auditLog = "audit-log"
    }

    package enum Outcome: String, Sendable, CaseIterable, Codable {
        /// It is about to be tried: written before a device is touched.
        case begun
        case succeeded
        /// By a rule, a limit or wrong credentials: nothing has changed.
        case refused
        case failed
        /// The connection to the device broke after the request was sent.
        case unknown
    }

    package var time: Timestamp
    /// Who: `Principal.description`, or the name that was tried.
    package var principal: String
    package var kind: Principal.Kind
    /// Where from, numeric; empty on the machine itself.
    package var address: String
    /// The agent that it came through; empty for the command line.
    package var agent: String
    package var action: Action
    /// A tag, user, token, file or agent.
    package var object: String
    /// Before and after as text, where there is such a thing; never a secret.
    package var old: String?
    package var new: String?
    package var outcome: Outcome
    /// For people; for a write the verdict's code comes first.
    package var reason: String
    /// How many like it this one stands for.
    package var count: Int

    package init(
        _ action: Action, of object: String, by principal: String, kind: Principal.Kind, address: String = "",
        agent: String = "", old: String? = nil, new: String? = nil, outcome: Outcome, reason: String = "",
        count: Int = 1, time: Timestamp = .now
    ) {
        self.time = time
        self.principal = principal
        self.kind = kind
        self.address = address
        self.agent = agent
        self.action = action
        self.object = object
        self.old = old
        self.new = new
        self.outcome = outcome
        self.reason = reason
        self.count = count
    }

    package init(
        _ action: Action, of object: String, by principal: Principal, address: String = "", agent: String = "",
        old: String? = nil, new: String? = nil, outcome: Outcome, reason: String = ""
    ) {
        self.init(
            action, of: object, by: principal.name ?? principal.description, kind: principal.kind, address: address,
            agent: agent, old: old, new: new, outcome: outcome, reason: reason)
    }
}
