package import GatewayConfiguration

/// One rule that an agent breaks.
package struct PostureFinding: Sendable {
    /// What the configuration's `accept-risk` says about it.
    package enum Acceptance: Sendable, Equatable {
        case none
        case accepted(AcceptedRisk)
        /// The acceptance ran out: the agent is refused, the gateway starts.
        case expired(AcceptedRisk)
    }

    package let rule: PostureRule
    package let agent: String
    package let place: SourcePlace
    package let evidence: String
    /// Exact lines of the configuration that put it right.
    package let fix: String
    package let acceptance: Acceptance
}

/// How far a configuration follows the recommendations.
package struct PostureReport: Sendable {
    /// Every finding, the gravest first, then in the order of the file.
    package let findings: [PostureFinding]
    /// For `check` and `run`: refusals and entries of `accept-risk` that name no rule are errors (exit 2); acceptances
    /// that ran out or accept nothing are warnings. In the order of the file.
    package let problems: [ConfigurationProblem]

    /// Critical and not accepted: the gateway does not start.
    package var refusals: [PostureFinding] {
        findings.filter { $0.rule.severity == .critical && $0.acceptance == .none }
    }

    /// Accepted knowingly: shown at every start.
    package var accepted: [PostureFinding] {
        findings.filter { if case .accepted = $0.acceptance { true } else { false } }
    }

    /// Below critical and not accepted: told by `check` and at every start, and keeps nothing from running.
    package var advice: [PostureFinding] {
        findings.filter { $0.rule.severity != .critical && $0.acceptance == .none }
    }

    /// Critical, and the acceptance ran out.
    package var expired: [PostureFinding] {
        findings.filter {
            if case .expired = $0.acceptance { $0.rule.severity == .critical } else { false }
        }
    }

    /// The agents that do not start although the gateway does.
    package var refusedAgents: Set<String> { Set(expired.map(\.agent)) }

    /// Whether `check` and `run` exit with 2.
    package var hasErrors: Bool { problems.contains { $0.severity == .error } }
}
