package import SecurityPolicy

/// Principals that the policy cannot tell apart, because they are in the same groups.
package struct PolicySubject: Sendable, Equatable {
    package var names: [String]
    /// One of them.
    package var principal: Principal

    /// In the order in which they first come.
    package static func grouping(_ principals: [Principal]) -> [PolicySubject] {
        var subjects: [PolicySubject] = []
        var indexes: [[String]: Int] = [:]
        for principal in principals {
            // Anonymous goes by the agents' switches besides, so it stands alone.
            let key = (principal.kind == .anonymous ? ["anonymous"] : []) + principal.groups
            if let index = indexes[key] {
                subjects[index].names.append(principal.description)
            } else {
                indexes[key] = subjects.count
                subjects.append(PolicySubject(names: [principal.description], principal: principal))
            }
        }
        return subjects
    }

    /// `j.doe, olga, vera and 4 more`
    package var title: String {
        let shown = names.prefix(3).joined(separator: ", ")
        return names.count > 3 ? "\(shown) and \(names.count - 3) more" : shown
    }
}
