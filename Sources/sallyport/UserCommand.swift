import ArgumentParser
import Gateway
import GatewayConfiguration

struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Make and change users: people who log in with a password.",
        discussion: """
            A change counts from the next request. Passwords come from the terminal without echo, or from standard input, \
            one line.
            """,
        subcommands: [
            Add.self, List.self, Show.self, Remove.self, Password.self, Groups.self, Enable.self, Disable.self,
        ])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a user.")

        @OptionGroup var path: ConfigurationPath
        @Argument(help: "Who; at most 31 characters, no colon.") var name: String
        @Option(name: .customLong("group"), help: "A group of the configuration; may be given several times.")
        var groups: [String] = []
        @Flag(help: "A member of Administrators: every action on every tag, system tags apart.")
        var administrator = false

        func run() async throws {
            guard administrator || !groups.isEmpty else {
                throw Failure.usage("a user needs a group: give --group NAME, or --administrator")
            }
            let configuration = try path.load()
            let groups = try Accounts.configured(groups, in: configuration)
            let password = try Terminal.newPassword(for: name)
            _ = try await Accounts.perform(
                .add(name: name, groups: groups, administrator: administrator, password: password), configuration)
            Terminal.say("user \(name) made")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the users.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption

        func run() async throws {
            let configuration = try path.load()
            try show(try await Accounts.perform(UserRequest.list, configuration), configuration, format.format)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one user.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Argument(help: "The user's name.") var name: String

        func run() async throws {
            let configuration = try path.load()
            try show(
                try await Accounts.perform(UserRequest.show(name: name), configuration), configuration, format.format)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a user for good; `disable` can be undone.")

        @OptionGroup var path: ConfigurationPath
        @Argument(help: "The user's name.") var name: String

        func run() async throws {
            _ = try await Accounts.perform(.remove(name: name), path)
            Terminal.say("user \(name) removed")
        }
    }

    struct Password: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a user a new password; the old one counts no longer.")

        @OptionGroup var path: ConfigurationPath
        @Argument(help: "The user's name.") var name: String

        func run() async throws {
            _ = try path.dataDirectory()
            let password = try Terminal.newPassword(for: name)
            _ = try await Accounts.perform(.setPassword(name: name, password: password), path)
            Terminal.say("the password of \(name) is changed")
        }
    }

    struct Groups: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Put a user into these groups and no others.")

        @OptionGroup var path: ConfigurationPath
        @Argument(help: "The user's name.") var name: String
        @Argument(help: "All groups that the user is to be in.") var groups: [String]

        func run() async throws {
            let configuration = try path.load()
            let groups = try Accounts.configured(groups, in: configuration)
            _ = try await Accounts.perform(.setGroups(name: name, groups: groups), configuration)
            Terminal.say("\(name) is in \(groups.joined(separator: ", "))")
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a user log in again.")

        @OptionGroup var path: ConfigurationPath
        @Argument(help: "The user's name.") var name: String

        func run() async throws {
            _ = try await Accounts.perform(.setEnabled(name: name, true), path)
            Terminal.say("user \(name) enabled")
        }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keep a user from logging in, on open connections too.")

        @OptionGroup var path: ConfigurationPath
        @Argument(help: "The user's name.") var name: String

        func run() async throws {
            _ = try await Accounts.perform(.setEnabled(name: name, false), path)
            Terminal.say("user \(name) disabled")
        }
    }
}

/// A user with the groups among theirs that the configuration no longer has.
private struct ShownUser: Encodable {
    var name: String
    var groups: [String]
    var missingGroups: [String]
    var enabled: Bool
    var administrator: Bool
    var createdMilliseconds: Int64
}

private func show(_ reply: ControlReply, _ configuration: GatewayConfiguration, _ format: OutputFormat) throws {
    guard case .users(let users) = reply else { return }
    let shown = users.map {
        ShownUser(
            name: $0.name, groups: $0.groups, missingGroups: Accounts.missing(from: $0.groups, in: configuration),
            enabled: $0.enabled, administrator: $0.administrator, createdMilliseconds: $0.createdMilliseconds)
    }
    guard format == .text else { return try Terminal.json(shown) }
    Terminal.table(
        [["USER", "GROUPS", "STATE", "MADE (UTC)"]]
            + shown.map {
                [
                    $0.name, Accounts.text($0.groups, missing: $0.missingGroups), $0.enabled ? "enabled" : "disabled",
                    Terminal.time($0.createdMilliseconds),
                ]
            })
}
