package import SecurityPolicy
import Tags

/// The policy of a running gateway, for the command line. Its tags come apart, in pieces.
package struct PolicyReport: Codable, Sendable, Equatable {
    package struct Group: Codable, Sendable, Equatable {
        package var name: String
        package var allow: [Rule]
        package var deny: [Rule]
    }

    package struct Rule: Codable, Sendable, Equatable {
        package var tags: String
        package var actions: [String]
        package var place: String
    }

    package var groups: [Group]
    package var agents: [PolicyView.Agent]

    package init(groups: [GroupOptions], agents: [PolicyView.Agent]) {
        self.groups = groups.map {
            Group(name: $0.name, allow: $0.allow.map(Rule.init), deny: $0.deny.map(Rule.init))
        }
        self.agents = agents
    }

    package func view(tags: [String], readOnly: [String] = []) throws -> PolicyView {
        PolicyView(
            groups: try groups.map { group in
                GroupOptions(
                    name: group.name, allow: try group.allow.map { try $0.rule() },
                    deny: try group.deny.map { try $0.rule() })
            },
            agents: agents, tags: tags.map { TagName(validated: $0) },
            readOnly: Set(readOnly.map { TagName(validated: $0) }))
    }
}

extension PolicyReport.Rule {
    init(_ rule: PermissionRule) {
        tags = rule.tags.text
        actions = rule.actions.map(\.rawValue).sorted()
        place = rule.place
    }

    fileprivate func rule() throws -> PermissionRule {
        PermissionRule(
            tags: try TagPattern(tags), actions: Set(actions.compactMap { TagAction(rawValue: $0) }), place: place)
    }
}
