import SecurityPolicy
import WireFormat
import Writes

extension Gateway {
    /// Writes from the terminal, as a user who says so with a password. No agent stands between, so no agent's items and
    /// switches do; permissions, types and ranges hold as everywhere.
    nonisolated func write(_ command: WriteCommand) async throws -> VerdictReport {
        let principal: Principal
        switch await verifier.verify(user: command.user, password: command.password, client: "the control socket") {
        case .verified(let verified):
            principal = verified
            audit.note(AuditEvent(.login, of: verified.name ?? "", by: verified, outcome: .succeeded))
        case .refused:
            audit.note(
                AuditEvent(
                    .login, of: command.user, by: command.user, kind: .user, outcome: .refused,
                    reason: "wrong user name or password"))
            throw GatewayError(.refused, "wrong user name or password; nothing was written")
        case .busy: throw GatewayError(.refused, "too many passwords are being checked; try again in a few seconds")
        case .throttled(let wait):
            throw GatewayError(
                .refused, "too many failed logins; try again in \(wait.components.seconds + 1) seconds")
        }
        let verdict = await arbiter.perform(
            [WriteRequest(tag: command.tag, value: .string(command.value))], by: principal,
            from: WriteSource(agent: "", address: "") { _, _ in true })
        return VerdictReport(verdict[0])
    }
}

extension VerdictReport {
    init(_ verdict: WriteVerdict) {
        id = verdict.tag
        reason = verdict.reason
        switch verdict.outcome {
        case .applied: self.verdict = "applied"
        case .unknown: self.verdict = "unknown"
        case .rejected(let code):
            self.verdict = "rejected"
            self.code = code.rawValue
        }
    }
}
