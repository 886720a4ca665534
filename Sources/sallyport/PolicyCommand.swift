import ArgumentParser
import FoundationEssentials
import Gateway
import GatewayConfiguration
import SecurityPolicy
import Tags

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Ask who may do what, and what a new configuration would change.",
        discussion: "Asks the running gateway, where one runs; else the configuration and the data directory.",
        subcommands: [Explain.self, Matrix.self, Diff.self])

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one decision and the rule that made it.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Argument(help: "A user, \"token NAME\", \"certificate SUBJECT\", or anonymous.")
        var user: String
        @Argument(help: "browse, read or write.")
        var action: TagAction
        @Argument(help: "The tag's full name.")
        var tag: String

        func run() async throws {
            let policy = try await PolicyInForce(path)
            let (principal, isDisabled) = try policy.principal(named: user)
            guard let name = policy.view.tag(named: tag) else {
                throw Failure.failed("there is no tag \(tag); sallyport tag browse lists those of the running gateway")
            }
            let explanation = PolicyExplanation(policy.view, principal, action, name)
            guard format.format == .text else { return try Terminal.json(explanation) }
            let groups = principal.groups.isEmpty ? "no group" : principal.groups.joined(separator: ", ")
            Terminal.say("\(principal) (\(groups)), \(action.rawValue), \(name)")
            Terminal.say("  \(explanation.decision)")
            if isDisabled { Terminal.say("  nobody logs in as this: disabled, or expired") }
            for agent in explanation.agents {
                Terminal.say("  agent \(agent.name) (\(agent.type)): \(agent.reason)")
            }
            if explanation.agents.isEmpty {
                Terminal.say("  no agent is enabled")
            } else if !PolicyCommand.isExposed(name, in: policy.view) {
                Terminal.say("  no agent exposes the tag: nobody reaches it, whatever the permissions say")
            } else if explanation.allowed, !explanation.agents.contains(where: \.possible) {
                Terminal.say("  so nobody does this through any agent, whatever the permissions say")
            }
        }
    }

    /// Whether any agent exposes the tag.
    fileprivate static func isExposed(_ tag: TagName, in view: PolicyView) -> Bool {
        view.agents.indices.contains { view.exposes($0, tag) }
    }

    struct Matrix: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show users × tags: b browse, r read, w write, - where it is denied.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Option(name: .customLong("tags"), help: "Only tags that this pattern matches; may be given several times.")
        var patterns: [String] = []
        @Option(name: .customLong("user"), help: "Only this user, or anonymous; may be given several times.")
        var users: [String] = []
        @Option(help: "As it goes through this agent: its items and switches counted in.")
        var agent: String?
        @Option(help: "Show so many tags; all are counted.")
        var limit = 100

        func run() async throws {
            let patterns = try parsed(patterns)
            let policy = try await PolicyInForce(path)
            let principals = users.isEmpty ? policy.principals : try users.map { try policy.principal(named: $0).0 }
            let index = try agent.map { name in
                guard let index = policy.view.agents.firstIndex(where: { $0.name == name }) else {
                    let names = policy.view.agents.map(\.name).joined(separator: ", ")
                    throw Failure.failed("no agent \(name) is enabled; there are: \(names)")
                }
                return index
            }
            let subjects = PolicySubject.grouping(principals)
            let matrix = PolicyMatrix(
                policy.view, subjects, patterns: patterns, agent: index, limit: max(0, limit))
            guard format.format == .text else { return try Terminal.json(matrix) }
            Terminal.table(
                [["USERS", "GROUPS", "BROWSE", "READ", "WRITE"]]
                    + zip(subjects, matrix.columns).map { subject, column in
                        [
                            subject.title, column.groups.joined(separator: ", "), "\(column.browse)", "\(column.read)",
                            "\(column.write)",
                        ]
                    })
            Terminal.say("")
            Terminal.table([["TAG"] + subjects.map(\.title)] + matrix.rows.map { [$0.tag] + $0.cells })
            if matrix.rows.count < matrix.tags {
                Terminal.say(
                    "… \(matrix.tags - matrix.rows.count) of \(matrix.tags) tags are not shown; --limit N shows more")
            }
        }

        private func parsed(_ patterns: [String]) throws -> [TagPattern] {
            do {
                return try patterns.map { try TagPattern($0) }
            } catch {
                throw Failure.usage("\(error)")
            }
        }
    }
}

extension TagAction: ExpressibleByArgument {}

/// The policy with the principals of the data directory: of the running gateway, where one runs.
struct PolicyInForce {
    let view: PolicyView
    let dataDirectory: String
    private let users: [UserReport]
    private let tokens: [TokenReport]

    init(_ path: ConfigurationPath) async throws {
        let outcome = GatewayConfiguration.load(
            path: path.path, environment: ProcessInfo.processInfo.environment)
        let replies: (ControlReply?, ControlReply?)
        // What runs is in force, whatever mistakes the file has by now.
        if let directory = outcome.dataDirectory, let client = try ControlClient(dataDirectory: directory) {
            dataDirectory = directory
            view = try client.policy()
            replies = (try path.ask(.user(.list)), try path.ask(.token(.list)))
        } else {
            let configuration = try path.load()
            dataDirectory = configuration.dataDirectory
            view = PolicyView(configuration)
            replies = (
                try await Accounts.perform(UserRequest.list, configuration),
                try await Accounts.perform(TokenRequest.list, configuration)
            )
        }
        guard case (.users(let users)?, .tokens(let tokens)?) = replies else {
            throw Failure.failed("the users and tokens cannot be listed")
        }
        self.users = users
        self.tokens = tokens
    }

    /// Who can log in, and anonymous.
    var principals: [Principal] {
        users.filter(\.enabled).map { Principal(user: $0.name, groups: $0.groups) }
            + tokens.filter { !$0.expired }.map { Principal(.token, name: $0.name, groups: $0.groups) }
            + view.certificatePrincipals + [.anonymous]
    }

    func principal(named name: String) throws -> (Principal, isDisabled: Bool) {
        let wanted = TagName(validated: name)
        if TagName(validated: GroupOptions.anonymous) == wanted { return (.anonymous, false) }
        if let token = tokens.first(where: { TagName(validated: "token \($0.name)") == wanted }) {
            return (Principal(.token, name: token.name, groups: token.groups), token.expired)
        }
        if let certificate = view.certificatePrincipals.first(where: { TagName(validated: $0.description) == wanted }) {
            return (certificate, false)
        }
        guard let user = users.first(where: { TagName(validated: $0.name) == wanted }) else {
            if let token = tokens.first(where: { TagName(validated: $0.name) == wanted }) {
                throw Failure.failed("there is no user \(name); for the API token write \"token \(token.name)\"")
            }
            throw Failure.failed("\(SecurityPolicyError.noSuchUser(name))")
        }
        return (Principal(user: user.name, groups: user.groups), !user.enabled)
    }
}
