import ArgumentParser
import Gateway
import GatewayConfiguration
import SecurityPolicy

struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Make and change the users of the REST server agents.",
        discussion: "Passwords come from the terminal without echo, or from standard input.",
        subcommands: [
            Add.self, List.self, Show.self, Remove.self, Password.self, Groups.self, Enable.self, Disable.self,
        ])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a user.")

        @OptionGroup var path: ConfigurationPath
        @Argument var name: String
        @Option(name: .customLong("group"), help: "A group of the configuration; may be given several times.")
        var groups: [String] = []
        @Flag(help: "A member of Administrators: every action on every tag.")
        var administrator = false

        func run() async throws {
            guard administrator || !groups.isEmpty else {
                throw Failure.usage("a user needs a group: give --group NAME, or --administrator")
            }
            let configuration = try path.load()
            try check(groups, in: configuration)
            let password = try Terminal.newPassword(for: name)
            _ = try await Users.perform(
                .add(name: name, groups: groups, administrator: administrator, password: password), configuration)
            Terminal.say("user \(name) made")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the users.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption

        func run() async throws {
            try show(try await Users.perform(.list, try path.load()), format.format)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one user.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Argument var name: String

        func run() async throws {
            try show(try await Users.perform(.show(name: name), try path.load()), format.format)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a user, at once.")

        @OptionGroup var path: ConfigurationPath
        @Argument var name: String

        func run() async throws {
            _ = try await Users.perform(.remove(name: name), try path.load())
            Terminal.say("user \(name) removed")
        }
    }

    struct Password: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Give a user a new password, at once.")

        @OptionGroup var path: ConfigurationPath
        @Argument var name: String

        func run() async throws {
            let configuration = try path.load()
            let password = try Terminal.newPassword(for: name)
            _ = try await Users.perform(.setPassword(name: name, password: password), configuration)
            Terminal.say("the password of \(name) is changed")
        }
    }

    struct Groups: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Put a user into these groups and no others.")

        @OptionGroup var path: ConfigurationPath
        @Argument var name: String
        @Argument var groups: [String]

        func run() async throws {
            let configuration = try path.load()
            try check(groups, in: configuration)
            _ = try await Users.perform(.setGroups(name: name, groups: groups), configuration)
            Terminal.say("\(name) is in \(groups.joined(separator: ", "))")
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a user log in again.")

        @OptionGroup var path: ConfigurationPath
        @Argument var name: String

        func run() async throws {
            _ = try await Users.perform(.setEnabled(name: name, true), try path.load())
            Terminal.say("user \(name) enabled")
        }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Keep a user from logging in, at once.")

        @OptionGroup var path: ConfigurationPath
        @Argument var name: String

        func run() async throws {
            _ = try await Users.perform(.setEnabled(name: name, false), try path.load())
            Terminal.say("user \(name) disabled")
        }
    }
}

private func check(_ groups: [String], in configuration: GatewayConfiguration) throws {
    let policy = PolicySnapshot(groups: configuration.groups)
    for group in groups where !policy.hasGroup(group) {
        throw Failure.usage(
            "there is no group \(group) in the configuration; there are: \(policy.groupNames.joined(separator: ", "))")
    }
}

private func show(_ reply: ControlReply, _ format: OutputFormat) throws {
    guard case .users(let users) = reply else { return }
    guard format == .text else { return try Terminal.json(users) }
    Terminal.table(
        [["USER", "GROUPS", "STATE", "MADE (UTC)"]]
            + users.map {
                [
                    $0.name, $0.groups.joined(separator: ", "), $0.enabled ? "enabled" : "disabled",
                    Terminal.time($0.createdMilliseconds),
                ]
            })
}

/// Through the running gateway where one runs, so that a change counts at once; else on the data directory itself.
private enum Users {
    static func perform(_ request: UserRequest, _ configuration: GatewayConfiguration) async throws -> ControlReply {
        if let client = try ControlClient(dataDirectory: configuration.dataDirectory) {
            try client.send(.user(request))
            return try client.next() ?? .done(nil)
        }
        let directory = try DataDirectory(path: configuration.dataDirectory)
        defer { withExtendedLifetime(directory) {} }
        let users = try await UserStore.open(
            dataDirectory: directory.path, minimumPasswordLength: configuration.minimumPasswordLength)
        return try await users.perform(request)
    }
}
