import ArgumentParser
import Gateway
import GatewayConfiguration
import SecurityPolicy
import Tags

struct AuditLogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit-log",
        abstract: "Look at the log of who did what, and whether somebody changed it.",
        subcommands: [Show.self, Follow.self, Export.self, Verify.self, Key.self])

    /// Which entries are wanted.
    struct Filter: ParsableArguments {
        @Option(help: "Not before this time in UTC: 2026-11-23 or 2026-11-23T08:30:00.")
        var since: String?
        @Option(help: "Not after this time in UTC.")
        var until: String?
        @Option(help: "Who; * stands for any characters.")
        var principal: String?
        @Option(help: "What: login, browse, read, write, configuration, certificate, user-add, token-create and so on.")
        var action: String?
        @Option(help: "A tag, user, token, file or agent; * stands for any characters.")
        var object: String?
        @Option(help: "begun, succeeded, refused, failed or unknown.")
        var outcome: String?

        func filter(limit: Int) throws -> AuditFilter {
            if let action, AuditEvent.Action(rawValue: action.lowercased()) == nil {
                let known = AuditEvent.Action.allCases.map(\.rawValue).joined(separator: ", ")
                throw Failure.usage("there is no action \(action); there are: \(known)")
            }
            if let outcome, AuditEvent.Outcome(rawValue: outcome.lowercased()) == nil {
                let known = AuditEvent.Outcome.allCases.map(\.rawValue).joined(separator: ", ")
                throw Failure.usage("there is no outcome \(outcome); there are: \(known)")
            }
            return AuditFilter(
                since: try AuditLogCommand.time(since, "--since"), until: try AuditLogCommand.time(until, "--until"),
                principal: principal, action: action, object: object, outcome: outcome, limit: limit)
        }
    }

    static func time(_ text: String?, _ option: String) throws -> Timestamp? {
        guard let text else { return nil }
        guard let time = AuditTime.parse(text) else {
            throw Failure.usage("\(option) takes a time in UTC, as 2026-11-23 or 2026-11-23T08:30:00, found \(text)")
        }
        return time
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the newest entries, oldest first.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var filter: Filter
        @OptionGroup var format: FormatOption
        @Option(help: "At most so many.")
        var limit = 100

        func run() async throws {
            guard (1...1_000_000).contains(limit) else { throw Failure.usage("--limit takes 1 to 1000000") }
            let filter = try filter.filter(limit: limit)
            let log = try AuditLogAccess(path)
            try log.show(filter) { try AuditLogCommand.say($0, format.format) }
        }
    }

    struct Follow: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show new entries as they come, until Ctrl-C.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var filter: Filter
        @OptionGroup var format: FormatOption
        @Option(help: "End after so many entries.")
        var count: Int?

        func run() async throws {
            let client = try path.connect()
            try client.send(.auditLog(.follow(try filter.filter(limit: 0))))
            var left = count ?? .max
            while left > 0, let reply = try client.next() {
                guard case .auditEntries(let entries) = reply else { continue }
                try AuditLogCommand.say(Array(entries.prefix(left)), format.format)
                left -= min(left, entries.count)
            }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write entries to a file that can be verified; with --head only the signed hash of the last.")

        @OptionGroup var path: ConfigurationPath
        @Option(help: "Not before this time in UTC.")
        var since: String?
        @Option(help: "Not after this time in UTC.")
        var until: String?
        @Flag(help: "Only the head: keep it where nobody who may write the log can write.")
        var head = false
        @Argument(help: "The file; one that is there is not overwritten.")
        var file: String

        func run() async throws {
            let since = try AuditLogCommand.time(since, "--since"), until = try AuditLogCommand.time(until, "--until")
            let log = try AuditLogAccess(path)
            let output = try NewFile(file)
            if head {
                let head = try await log.head()
                try output.append(try AuditExport.line(head))
                try output.finish()
                return Terminal.say("head of \(head.sequence) entries, signed \(head.time) by \(head.publicKey)")
            }
            var lines = 0
            try log.export(since, until) { line in
                try output.append(line)
                lines += 1
            }
            guard lines > 0 else { throw Failure.failed("there are no entries in that time; nothing was written") }
            try output.finish()
            Terminal.say("\(lines - 2) entries written to \(file)")
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Find what was changed, removed or cut off, in the log, a copy or exported files; exit 1 then.")

        @OptionGroup var path: ConfigurationPath
        @Option(help: "A head that was exported before and kept elsewhere.")
        var head: [String] = []
        @Option(help: "Believe only this public key; otherwise that of audit.key.")
        var publicKey: [String] = []
        @OptionGroup var format: FormatOption
        @Argument(help: "Exported files (.jsonl) or copies of audit.sqlite; none: the log of the configuration.")
        var files: [String] = []

        func run() async throws {
            let heads = try head.map(AuditLogAccess.readHead)
            var results: [AuditVerification] = []
            if files.isEmpty {
                results.append(try AuditLogAccess(path).verify(heads, publicKey))
            }
            for file in files {
                results.append(
                    file.hasSuffix(".jsonl")
                        ? try AuditExport.verify(path: file, trustedKeys: publicKey, heads: heads)
                        : try AuditReader(database: file).verify(heads: heads, trustedKeys: publicKey))
            }
            switch format.format {
            case .json: for result in results { try Terminal.json(result) }
            case .text: for result in results { AuditLogCommand.say(result) }
            }
            guard results.allSatisfy(\.isIntact) else { throw Failure.failed("the audit log is not what it was") }
        }
    }

    struct Key: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the public key that the log is signed with: note it elsewhere.")

        @OptionGroup var path: ConfigurationPath

        func run() async throws {
            guard let key = try AuditReader(dataDirectory: try path.dataDirectory()).publicKey() else {
                throw Failure.failed("there is no audit.key yet; a gateway makes it when it starts")
            }
            Terminal.say(key)
        }
    }
}
