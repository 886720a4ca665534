import ArgumentParser
import Gateway
import GatewayConfiguration
import SecurityPolicy
import Tags

struct GroupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group",
        abstract: "Look at the groups of the configuration: who is in them and what they may do.",
        discussion: "Groups are changed in the configuration; who is in them with `user groups` and `token create`.",
        subcommands: [List.self, Show.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the groups.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption

        func run() async throws {
            let configuration = try path.load()
            let groups = try await GroupCommand.groups(of: configuration)
            guard format.format == .text else { return try Terminal.json(groups) }
            Terminal.table(
                [["GROUP", "USERS", "TOKENS", "RULES"]]
                    + groups.map {
                        [
                            $0.name, GroupCommand.text($0.users), GroupCommand.text($0.tokens),
                            $0.always ?? "\($0.allow.count) allow, \($0.deny.count) deny",
                        ]
                    })
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one group with its rules and where they stand.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Argument var name: String

        func run() async throws {
            let configuration = try path.load()
            _ = try Accounts.configured([name], in: configuration)
            let groups = try await GroupCommand.groups(of: configuration)
            guard let group = groups.first(where: { sameName($0.name, name) }) else { return }
            guard format.format == .text else { return try Terminal.json(group) }
            Terminal.say(group.name)
            Terminal.say("  users    \(GroupCommand.text(group.users))")
            Terminal.say("  tokens   \(GroupCommand.text(group.tokens))")
            if let always = group.always { Terminal.say("  always   \(always)") }
            // The first column is as wide as what stands above.
            let rules = group.allow.map { ("  allow  ", $0) } + group.deny.map { ("  deny   ", $0) }
            Terminal.table(rules.map { [$0, $1.actions.joined(separator: ", "), $1.tags, $1.place] })
            if !group.gateway.isEmpty { Terminal.say("  gateway  \(group.gateway.joined(separator: ", "))") }
        }
    }

    private struct Rule: Encodable {
        var tags: String
        var actions: [String]
        /// `path:line`.
        var place: String

        init(_ rule: PermissionRule) {
            tags = rule.tags.text
            actions = TagAction.allCases.filter(rule.actions.contains).map(\.rawValue)
            place = rule.place
        }
    }

    private struct Member: Encodable {
        var name: String
        /// `disabled` or `expired`; nil for who may log in.
        var state: String?
    }

    private static func text(_ members: [Member]) -> String {
        let names = members.map { member in member.name + (member.state.map { " (\($0))" } ?? "") }
        return names.isEmpty ? "-" : names.joined(separator: ", ")
    }

    private struct Shown: Encodable {
        var name: String
        var users: [Member]
        var tokens: [Member]
        var allow: [Rule] = []
        var deny: [Rule] = []
        var gateway: [String] = []
        /// What a reserved group may do without any rule.
        var always: String?
    }

    /// The reserved ones first.
    private static func groups(of configuration: GatewayConfiguration) async throws -> [Shown] {
        guard case .users(let users) = try await Accounts.perform(UserRequest.list, configuration),
            case .tokens(let tokens) = try await Accounts.perform(TokenRequest.list, configuration)
        else { return [] }
        return PolicySnapshot(groups: configuration.groups).groupNames.map { name in
            var shown = Shown(
                name: name,
                users: users.filter { $0.groups.contains { sameName($0, name) } }
                    .map { Member(name: $0.name, state: $0.enabled ? nil : "disabled") },
                tokens: tokens.filter { $0.groups.contains { sameName($0, name) } }
                    .map { Member(name: $0.name, state: $0.expired ? "expired" : nil) })
            if let group = configuration.groups.first(where: { sameName($0.name, name) }) {
                shown.allow = group.allow.map { Rule($0) }
                shown.deny = group.deny.map { Rule($0) }
                shown.gateway = GatewayPermission.allCases.filter(group.gateway.contains).map(\.rawValue)
            }
            if sameName(name, GroupOptions.administrators) {
                shown.always = "every action on every tag, administration"
            }
            return shown
        }
    }
}
