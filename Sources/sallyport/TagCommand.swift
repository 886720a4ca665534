import ArgumentParser
import Gateway

struct TagCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag",
        abstract: "Look at the tags of the running gateway, as its local operator; write one as a user.",
        subcommands: [Browse.self, Read.self, Watch.self, Write.self])

    struct Browse: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tags with their types.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Argument(help: "A pattern: * stays within a name, ** crosses dots.")
        var pattern = "**"

        func run() throws {
            let tags = try path.connect().tags(.browse(pattern: pattern))
            switch format.format {
            case .json: try Terminal.json(tags)
            case .text:
                Terminal.table(
                    [["TAG", "TYPE", "ACCESS", "UNIT", "DESCRIPTION"]]
                        + tags.map { [$0.name, $0.type, $0.access, $0.unit ?? "", $0.description ?? ""] })
            }
        }
    }

    struct Read: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the values of tags as they are now.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Argument(help: "Tag names or patterns.")
        var tags: [String]

        func run() throws {
            let tags = try path.connect().tags(.read(tags: tags))
            switch format.format {
            case .json: try Terminal.json(tags)
            case .text: Terminal.table([["TAG", "VALUE", "QUALITY", "TIME (UTC)"]] + tags.map(\.row))
            }
        }
    }

    struct Watch: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show every change until Ctrl-C.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Option(help: "End after so many changes.")
        var count: Int?
        @Argument(help: "Tag names or patterns.")
        var tags: [String]

        func run() throws {
            let client = try path.connect()
            try client.send(.watch(tags: tags))
            var left = count ?? .max
            while left > 0, let reply = try client.next() {
                if case .missed(let changes) = reply {
                    Terminal.complain("(\(changes) changes came too fast to be shown)")
                }
                guard case .tags(let changes) = reply else { continue }
                for change in changes.prefix(left) {
                    switch format.format {
                    case .json: try Terminal.json(change)
                    case .text: Terminal.say(change.row.joined(separator: "  "))
                    }
                }
                left -= min(left, changes.count)
            }
        }
    }
}

extension TagReport {
    fileprivate var row: [String] {
        [name, (value ?? "null") + (unit.map { " " + $0 } ?? ""), quality ?? "", Terminal.time(timeMilliseconds)]
    }
}

extension ControlClient {
    fileprivate func tags(_ request: ControlRequest) throws -> [TagReport] {
        try send(request)
        var tags: [TagReport] = []
        while case .tags(let part)? = try next() { tags += part }
        return tags
    }
}
