/// What the one decision function answers, with the rule that made it.
package enum PolicyDecision: Sendable, Equatable, CustomStringConvertible {
    case allowed(by: Ground)
    case denied(Refusal)

    package enum Ground: Sendable, Equatable {
        /// Membership of `Administrators`.
        case administrator
        case rule(RuleReference)
    }

    package enum Refusal: Sendable, Equatable {
        /// No rule of the principal's groups allows it: the default.
        case noRule
        /// A deny; it wins over every allow.
        case rule(RuleReference)
        /// Read and write need browse, and browse is not allowed (`by` names the deny, if there is one).
        case needsBrowse(by: RuleReference?)
    }

    package var isAllowed: Bool {
        if case .allowed = self { true } else { false }
    }

    package var description: String {
        switch self {
        case .allowed(.administrator): "allowed: member of \(GroupOptions.administrators)"
        case .allowed(.rule(let rule)): "allowed by \(rule)"
        case .denied(.noRule): "denied: no rule allows it"
        case .denied(.rule(let rule)): "denied by \(rule)"
        case .denied(.needsBrowse(nil)): "denied: it needs browse, which no rule allows"
        case .denied(.needsBrowse(let rule?)): "denied: it needs browse, which is denied by \(rule)"
        }
    }
}

/// A rule, for people.
package struct RuleReference: Sendable, Equatable, CustomStringConvertible {
    package let group: String
    package let pattern: String
    /// `path:line`, empty where the rule does not come from a file.
    package let place: String

    package var description: String {
        "\"\(pattern)\" of group \(group)" + (place.isEmpty ? "" : " (\(place))")
    }
}
