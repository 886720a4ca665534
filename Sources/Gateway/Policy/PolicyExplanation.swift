package import SecurityPolicy
package import Tags

/// One decision with the rule that made it, and what each agent makes of it.
package struct PolicyExplanation: Codable, Sendable, Equatable {
    package struct Agent: Codable, Sendable, Equatable {
        package var name: String
        package var type: String
        /// Whether it goes through this agent, permissions and switches together.
        package var possible: Bool
        package var reason: String
    }

    package struct Rule: Codable, Sendable, Equatable {
        package var group: String
        package var tags: String
        package var place: String
    }

    package var principal: String
    package var groups: [String]
    package var action: String
    package var tag: String
    /// By the permissions alone.
    package var allowed: Bool
    package var decision: String
    package var rule: Rule?
    package var agents: [Agent]

    package init(_ view: PolicyView, _ principal: Principal, _ action: TagAction, _ tag: TagName) {
        let decision = view.snapshot.decide(principal, action, tag)
        self.principal = principal.description
        groups = principal.groups
        self.action = action.rawValue
        self.tag = tag.text
        allowed = decision.isAllowed
        self.decision = decision.description
        rule = decision.rule.map { Rule(group: $0.group, tags: $0.pattern, place: $0.place) }
        agents = view.agents.indices.map { index in
            let agent = view.agents[index]
            let obstacle = view.obstacle(index, principal, action, tag)
            return Agent(
                name: agent.name, type: agent.type, possible: decision.isAllowed && obstacle == nil,
                reason: obstacle ?? (decision.isAllowed ? "lets it through" : "the permissions deny it"))
        }
    }
}

extension PolicyDecision {
    fileprivate var rule: RuleReference? {
        switch self {
        case .allowed(.rule(let rule)), .denied(.rule(let rule)): rule
        case .denied(.needsBrowse(let rule)): rule
        case .allowed(.administrator), .denied(.noRule): nil
        }
    }
}
