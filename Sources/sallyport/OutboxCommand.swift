import ArgumentParser
import Gateway
import Glibc
import Outbox

struct OutboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outbox",
        abstract: "Look at what waits for brokers and endpoints, send refused messages again, give messages up.",
        subcommands: [Status.self, DeadLetters.self, Retry.self, Discard.self, Verify.self])

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what waits for each agent's peer, or for one: how much, how long, until when there is room."
        )

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Argument(help: "The agent's name; without it all.")
        var agent: String?

        func run() async throws {
            try await OutboxAccess.with(path) { outbox in
                var overview = try await outbox.overview()
                if let agent { overview.agents = [try await outbox.status(of: agent)] }
                switch format.format {
                case .json: try Terminal.json(overview)
                case .text: overview.show(isRunning: outbox.isRunning)
                }
            }
        }
    }

    struct DeadLetters: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "dead-letters",
            abstract: "Show the messages that an agent's peer refused for good, oldest first, each with the reason.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Option(help: "At most so many.")
        var limit = 100
        @Argument(help: "The agent's name.")
        var agent: String

        func run() async throws {
            guard (1...OutboxCommand.mostLetters).contains(limit) else {
                throw Failure.usage("--limit takes 1 to \(OutboxCommand.mostLetters)")
            }
            try await OutboxAccess.with(path) { outbox in
                let status = try await outbox.status(of: agent)
                let letters = try await outbox.letters(of: status.agent, limit: limit)
                guard format.format == .text else { return try Terminal.json(letters) }
                letters.show()
                let more = status.deadLetters - letters.count
                if more > 0 { Terminal.complain("\(more) more; --limit shows them") }
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send an agent's dead letters again, behind what waits; they keep their identity.")

        @OptionGroup var path: ConfigurationPath
        @Option(help: "Only the message with this sequence.")
        var sequence: UInt64?
        @Argument(help: "The agent's name.")
        var agent: String

        func run() async throws {
            try await OutboxAccess.with(path) { outbox in
                let status = try await outbox.status(of: agent)
                var progress = ProgressLine()
                let count = try await outbox.perform(.retry(agent: status.agent, sequence: sequence)) { done, left in
                    progress.show("\(done) of \(done + left) messages wait again")
                }
                progress.clear()
                guard count > 0 else { return Terminal.say("\(status.agent) has no dead letters") }
                let end = outbox.isRunning && status.isRunning ? "" : ", until the agent runs"
                let verb = count == 1 ? "waits" : "wait"
                Terminal.say("\(Amount.count(count, "message")) of \(status.agent) \(verb) again\(end)")
            }
        }
    }

    struct Discard: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give up an agent's dead letters, or all that waits for its peer; nobody will have them then.")

        @OptionGroup var path: ConfigurationPath
        @Flag(name: .customLong("dead-letters"), help: "The messages that the peer refused.")
        var deadLetters = false
        @Flag(help: "All messages that wait.")
        var waiting = false
        @Option(help: "Of the dead letters, only the message with this sequence.")
        var sequence: UInt64?
        @Flag(help: "Do not ask.")
        var yes = false
        @Argument(help: "The agent's name.")
        var agent: String

        func run() async throws {
            guard deadLetters != waiting else {
                throw Failure.usage("say what is to be discarded: either --dead-letters or --waiting")
            }
            guard sequence == nil || deadLetters else {
                throw Failure.usage("--sequence goes with --dead-letters: what waits can only be discarded whole")
            }
            try await OutboxAccess.with(path) { outbox in
                let status = try await outbox.status(of: agent)
                guard let loss = try await loss(status, outbox) else {
                    return Terminal.say("\(status.agent): there is nothing to discard")
                }
                try OutboxCommand.confirm(loss, isSure: yes)
                let request: OutboxRequest =
                    waiting
                    ? .discardWaiting(agent: status.agent)
                    : .discardLetters(agent: status.agent, sequence: sequence)
                var progress = ProgressLine()
                let count = try await outbox.perform(request) { done, left in
                    progress.show("\(done) of \(done + left) messages discarded")
                }
                progress.clear()
                Terminal.say("\(Amount.count(count, "message")) of \(status.agent) discarded")
            }
        }

        /// What would be lost, in words; nil when it is nothing.
        private func loss(_ status: OutboxStatus, _ outbox: OutboxAccess) async throws -> String? {
            if waiting {
                guard status.messages > 0 else { return nil }
                let age = status.oldestAge.map { ", the oldest for \(Amount.time(seconds: Double($0) / 1000))" } ?? ""
                return "\(status.agent): \(Amount.count(status.messages, "message")) with "
                    + "\(Amount.count(status.events, "event")) and \(Amount.bytes(status.bytes)) that wait\(age)"
            }
            guard let sequence else {
                return status.deadLetters > 0
                    ? "\(status.agent): \(Amount.count(status.deadLetters, "dead letter"))" : nil
            }
            let letters = try await outbox.letters(of: status.agent, limit: OutboxCommand.mostLetters)
                .filter { $0.sequence == sequence }
            guard !letters.isEmpty else {
                throw Failure.failed("agent \(status.agent) has no dead letter with sequence \(sequence)")
            }
            let events = letters.reduce(0) { $0 + $1.events }
            return "\(status.agent): the dead letter with sequence \(sequence), with \(Amount.count(events, "event"))"
        }
    }

    /// As many as the outbox keeps of one agent.
    static let mostLetters = 10_000

    /// Says what would be lost, and asks the person at the terminal unless told not to.
    private static func confirm(_ loss: String, isSure: Bool) throws {
        if isSure { return Terminal.say("to be discarded: \(loss)") }
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw Failure.usage(
                "nothing was discarded: \(loss); there is no terminal to ask at: add --yes if nobody needs them")
        }
        Terminal.complain("to be discarded: \(loss)")
        let question = "They cannot be brought back. Discard them? [y/N] "
        _ = question.withCString { write(STDERR_FILENO, $0, strlen($0)) }
        let answer = readLine(strippingNewline: true)?.lowercased()
        guard answer == "y" || answer == "yes" else { throw Failure.failed("nothing was discarded") }
    }
}
