package import Tags

/// What a principal may do with a tag. Read and write need browse.
package enum TagAction: String, Sendable, CaseIterable, Hashable {
    case browse
    case read
    case write
}

/// Permissions that are not about tags.
package enum GatewayPermission: String, Sendable, CaseIterable, Hashable {
    case status
    case metrics
    case auditLog = "audit-log"
}

/// A group of principals, as configured. Membership lies in the data directory.
package struct GroupOptions: Sendable, Equatable {
    package var name: String
    package var allow: [PermissionRule]
    /// One deny anywhere wins over every allow.
    package var deny: [PermissionRule]
    package var gateway: Set<GatewayPermission>

    package init(
        name: String, allow: [PermissionRule] = [], deny: [PermissionRule] = [], gateway: Set<GatewayPermission> = []
    ) {
        self.name = name
        self.allow = allow
        self.deny = deny
        self.gateway = gateway
    }

    /// Every action on every tag, and administration. Always exists; may not be configured.
    package static let administrators = "Administrators"
    /// Who did not say who they are. Always exists; empty unless given rules.
    package static let anonymous = "anonymous"
}

/// One line of a group's `allow` or `deny`.
package struct PermissionRule: Sendable, Equatable {
    package var tags: TagPattern
    package var actions: Set<TagAction>
    /// `path:line` of the rule, for explanations.
    package var place: String

    package init(tags: TagPattern, actions: Set<TagAction>, place: String = "") {
        self.tags = tags
        self.actions = actions
        self.place = place
    }
}
