import GatewayConfiguration
import SecurityPolicy

/// Warnings about users and tokens whose groups the configuration does not have: they lost what these gave them.
enum MembershipCheck {
    static func problems(of configuration: GatewayConfiguration, path: String) -> [ConfigurationProblem] {
        let members = GroupMember.all(dataDirectory: configuration.dataDirectory) ?? []
        return members.flatMap { member in
            Accounts.missing(from: member.groups, in: configuration).map { group in
                let remedy =
                    member.kind == .token
                    ? "revoke it and create another" : "sallyport user groups \(member.name) GROUP…"
                return ConfigurationProblem(
                    place: SourcePlace(file: path, line: 1, column: 1), severity: .warning,
                    message: "the \(member.kind.rawValue) \(member.name) is in the group \(group), which is not in "
                        + "this file and gives nothing; add the group, or: \(remedy)")
            }
        }
    }
}
