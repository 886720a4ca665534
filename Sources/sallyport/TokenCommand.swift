import ArgumentParser
import Gateway
import GatewayConfiguration

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make and revoke API tokens: what programs log in with.",
        discussion: "A program sends it as: Authorization: Bearer TOKEN",
        subcommands: [Create.self, List.self, Show.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a token. It is shown this once; the gateway keeps only its hash.", aliases: ["add"])

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Argument(help: "The program's name; at most 31 characters, no colon.") var name: String
        @Option(name: .customLong("group"), help: "A group of the configuration; may be given several times.")
        var groups: [String] = []
        @Option(help: "When it ends, counted from now, as 12h or 90d; without it, only when it is revoked.")
        var expires: String?

        func run() async throws {
            guard !groups.isEmpty else { throw Failure.usage("a token needs a group: give --group NAME") }
            let configuration = try path.load()
            let groups = try Accounts.configured(groups, in: configuration)
            let life = try expires.map { text in
                guard let life = Quantity.duration(text), life > .zero else {
                    throw Failure.usage("--expires takes a time such as 12h or 90d, not \(text)")
                }
                return Int64(life / .milliseconds(1))
            }
            let reply = try await Accounts.perform(
                .create(name: name, groups: groups, lifeMilliseconds: life), configuration)
            guard case .secret(let secret) = reply else { return }
            switch format.format {
            case .json: try Terminal.json(["name": name, "token": secret])
            case .text:
                // The token alone on standard output, so that a script can take it from there.
                Terminal.complain("token \(name) made; it is shown this once:")
                Terminal.say(secret)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tokens, without their secrets.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption

        func run() async throws {
            let configuration = try path.load()
            try TokenCommand.show(
                try await Accounts.perform(TokenRequest.list, configuration), configuration, format.format)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one token, without its secret.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Argument(help: "The token's name.") var name: String

        func run() async throws {
            let configuration = try path.load()
            let reply = try await Accounts.perform(TokenRequest.show(name: name), configuration)
            try TokenCommand.show(reply, configuration, format.format)
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a token, on open connections too. It cannot be undone.", aliases: ["remove"])

        @OptionGroup var path: ConfigurationPath
        @Argument(help: "The token's name.") var name: String

        func run() async throws {
            _ = try await Accounts.perform(.revoke(name: name), path)
            Terminal.say("token \(name) revoked")
        }
    }

    /// A token with the groups among its that the configuration no longer has.
    private struct Shown: Encodable {
        var name: String
        var groups: [String]
        var missingGroups: [String]
        var createdMilliseconds: Int64
        var expiresMilliseconds: Int64?
        var expired: Bool
    }

    private static func show(
        _ reply: ControlReply, _ configuration: GatewayConfiguration, _ format: OutputFormat
    ) throws {
        guard case .tokens(let tokens) = reply else { return }
        let shown = tokens.map {
            Shown(
                name: $0.name, groups: $0.groups, missingGroups: Accounts.missing(from: $0.groups, in: configuration),
                createdMilliseconds: $0.createdMilliseconds, expiresMilliseconds: $0.expiresMilliseconds,
                expired: $0.expired)
        }
        guard format == .text else { return try Terminal.json(shown) }
        Terminal.table(
            [["TOKEN", "GROUPS", "STATE", "EXPIRES (UTC)", "MADE (UTC)"]]
                + shown.map {
                    [
                        $0.name, Accounts.text($0.groups, missing: $0.missingGroups), $0.expired ? "expired" : "valid",
                        $0.expiresMilliseconds == nil ? "never" : Terminal.time($0.expiresMilliseconds),
                        Terminal.time($0.createdMilliseconds),
                    ]
                })
    }
}
