package import SecurityPolicy
import Tags

/// Requests of the audit log that were alike.
package struct PolicyRequest: Codable, Sendable, Equatable, Hashable {
    package var principal: String
    package var kind: Principal.Kind
    /// Empty for the command line.
    package var agent: String
    package var action: String
    package var tag: String

    package init(principal: String, kind: Principal.Kind, agent: String, action: TagAction, tag: String) {
        self.principal = principal
        self.kind = kind
        self.agent = agent
        self.action = action.rawValue
        self.tag = tag
    }

    /// nil for what is not about a tag, and for the entry that only says that a write begins.
    package init?(_ event: AuditEvent) {
        guard let action = TagAction(rawValue: event.action.rawValue), event.outcome != .begun, !event.object.isEmpty
        else { return nil }
        self.init(
            principal: event.principal, kind: event.kind, agent: event.agent, action: action, tag: event.object)
    }
}

/// A request of the last days that another configuration would decide otherwise.
package struct AffectedRequest: Codable, Sendable, Equatable {
    package var request: PolicyRequest
    package var count: Int
    package var lastMilliseconds: Int64
    /// Whether it will be allowed.
    package var allowed: Bool
    package var before: String
    package var after: String
}

extension PolicyComparison {
    /// Which of these requests would be decided otherwise, the most frequent first. Both decisions are those that would
    /// be made now, by the groups that the principals have now; who is not known any more is left out.
    package static func affected(
        by events: [AuditEvent], from old: PolicyView, to new: PolicyView, _ principals: [Principal]
    ) -> [AffectedRequest] {
        var counts: [PolicyRequest: (count: Int, last: Timestamp)] = [:]
        for event in events {
            guard let request = PolicyRequest(event) else { continue }
            let known = counts[request]
            counts[request] = ((known?.count ?? 0) + event.count, max(known?.last ?? event.time, event.time))
        }
        let affected = counts.compactMap { request, seen -> AffectedRequest? in
            let principal = principals.first { principal in
                principal.kind == request.kind
                    && TagName(validated: principal.name ?? "anonymous") == TagName(validated: request.principal)
            }
            guard let principal, let action = TagAction(rawValue: request.action) else { return nil }
            let tag = TagName(validated: request.tag)
            let before = old.effect(principal, action, tag, through: request.agent)
            let after = new.effect(principal, action, tag, through: request.agent)
            guard before.allowed != after.allowed else { return nil }
            return AffectedRequest(
                request: request, count: seen.count, lastMilliseconds: seen.last.milliseconds, allowed: after.allowed,
                before: before.words, after: after.words)
        }
        return affected.sorted { left, right in
            left.count != right.count
                ? left.count > right.count
                : (left.request.principal, left.request.tag) < (right.request.principal, right.request.tag)
        }
    }
}

extension PolicyView {
    /// What becomes of a request through an agent: permissions, items and switches together.
    fileprivate func effect(
        _ principal: Principal, _ action: TagAction, _ tag: TagName, through agent: String
    ) -> (allowed: Bool, words: String) {
        let decision = decide(principal, action, tag)
        guard decision?.isAllowed ?? false else { return (false, decision.words) }
        if agent.isEmpty { return (true, decision.words) }
        guard let index = agents.firstIndex(where: { $0.name == agent }) else {
            return (false, "the agent \(agent) does not run")
        }
        if let obstacle = obstacle(index, principal, action, tag) { return (false, "agent \(agent): \(obstacle)") }
        return (true, decision.words)
    }
}
