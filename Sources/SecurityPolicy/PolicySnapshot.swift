package import Tags

/// The groups with their rules at one moment. Immutable: a change of configuration makes another.
package struct PolicySnapshot: Sendable {
    /// By folded name.
    private let groups: [String: GroupOptions]

    /// Two groups whose names differ only in case are one to the policy; the configuration refuses that.
    package init(groups: [GroupOptions] = []) {
        self.groups = Dictionary(groups.map { (foldedName($0.name), $0) }) { first, _ in first }
    }

    /// The configured groups and the two that always exist.
    package var groupNames: [String] {
        let reserved = [GroupOptions.administrators, GroupOptions.anonymous]
        let configured = groups.values.map(\.name).filter { name in !reserved.contains { sameName($0, name) } }
        return reserved + configured.sorted()
    }

    package func hasGroup(_ name: String) -> Bool {
        groupNames.contains { sameName($0, name) }
    }

    /// THE decision: browse, read and write on every path come here.
    ///
    /// The allows of all the principal's groups are united; one deny anywhere wins, over administrators too; read and
    /// write need browse; nothing is allowed by default. Administrators have what `**` matches, so they need a rule for
    /// system tags as everybody does. A group that has gone gives nothing.
    package func decide(_ principal: Principal, _ action: TagAction, _ tag: TagName) -> PolicyDecision {
        let members = principal.groups.compactMap { groups[foldedName($0)] }
        if let rule = firstRule(\.deny, of: members, action, tag) { return .denied(.rule(rule)) }
        if action != .browse, let rule = firstRule(\.deny, of: members, .browse, tag) {
            return .denied(.needsBrowse(by: rule))
        }
        if principal.isAdministrator, TagPattern.everything.matches(tag) { return .allowed(by: .administrator) }
        guard let ground = firstRule(\.allow, of: members, action, tag) else { return .denied(.noRule) }
        if action != .browse, firstRule(\.allow, of: members, .browse, tag) == nil {
            return .denied(.needsBrowse(by: nil))
        }
        return .allowed(by: .rule(ground))
    }

    /// Permissions that are not about tags.
    package func allows(_ permission: GatewayPermission, to principal: Principal) -> Bool {
        principal.isAdministrator
            || principal.groups.contains { groups[foldedName($0)]?.gateway.contains(permission) ?? false }
    }

    private func firstRule(
        _ rules: KeyPath<GroupOptions, [PermissionRule]>, of members: [GroupOptions], _ action: TagAction,
        _ tag: TagName
    ) -> RuleReference? {
        for group in members {
            for rule in group[keyPath: rules] where rule.actions.contains(action) && rule.tags.matches(tag) {
                return RuleReference(group: group.name, pattern: rule.tags.text, place: rule.place)
            }
        }
        return nil
    }
}
