import ArgumentParser
import FoundationEssentials
import Gateway
import GatewayConfiguration
import SecurityPolicy

extension PolicyCommand {
    struct Diff: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show which decisions a new configuration would change, and which real requests.")

        private struct Output: Encodable {
            let decisions: Int
            let comparison: PolicyComparison
            let days: Int
            let requests: [AffectedRequest]
        }

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Option(help: "Look at the writes and refusals of so many days in the audit log; 0 for none.")
        var days = 7
        @Option(help: "Show so many tags and requests of each kind; all are counted.")
        var limit = 10
        @Argument(help: "The new configuration.")
        var new: String

        func validate() throws {
            guard (0...36_500).contains(days) else { throw ValidationError("--days takes 0 to 36500") }
            guard limit >= 0 else { throw ValidationError("--limit takes 0 or more") }
        }

        func run() async throws {
            let outcome = GatewayConfiguration.load(path: new, environment: ProcessInfo.processInfo.environment)
            for problem in outcome.errors { Terminal.complain(problem.description) }
            guard let configuration = outcome.configuration else { throw Failure.usage() }
            let policy = try await PolicyInForce(path)
            let next = PolicyView(configuration)
            let comparison = PolicyComparison(
                from: policy.view, to: next, PolicySubject.grouping(policy.principals), examples: limit)
            let events = days == 0 ? [] : try requests(policy.dataDirectory)
            let requests = PolicyComparison.affected(by: events, from: policy.view, to: next, policy.principals)
            switch format.format {
            case .json:
                try Terminal.json(
                    Output(
                        decisions: comparison.decisions, comparison: comparison, days: days,
                        requests: Array(requests.prefix(max(limit, 1000)))))
            case .text:
                comparison.show()
                if days > 0 { show(requests) }
            }
        }

        private func requests(_ dataDirectory: String) throws -> [AuditEvent] {
            do {
                return try RecentRequests.read(dataDirectory: dataDirectory, days: days)
            } catch {
                throw Failure.failed("\(error)")
            }
        }

        private func show(_ requests: [AffectedRequest]) {
            let period = days == 1 ? "the last day" : "the last \(days) days"
            guard !requests.isEmpty else {
                return Terminal.say("of the requests of \(period) in the audit log none would be decided otherwise")
            }
            Terminal.say("requests of \(period) in the audit log that would be decided otherwise: \(requests.count)")
            for affected in requests.prefix(limit) {
                let request = affected.request
                let agent = request.agent.isEmpty ? "the command line" : request.agent
                Terminal.say(
                    "  \(affected.allowed ? "+" : "-") \(request.principal) \(request.action) \(request.tag) through \(agent): "
                        + "\(affected.count) \(affected.count == 1 ? "time" : "times"), last "
                        + "\(Terminal.time(affected.lastMilliseconds))")
                Terminal.say("      now \(affected.before)")
                Terminal.say("      then \(affected.after)")
            }
            if requests.count > limit { Terminal.say("  … \(requests.count - limit) more; --limit N shows them") }
        }
    }
}

extension PolicyComparison {
    fileprivate func show() {
        Terminal.say(
            "decisions that change: \(decisions) (of \(principals) \(principals == 1 ? "principal" : "principals"), \(tags) tags)"
        )
        for change in changes {
            let who = change.principals.prefix(3).joined(separator: ", ")
            let more = change.principals.count > 3 ? " and \(change.principals.count - 3) more" : ""
            Terminal.say(
                "\(change.allowed ? "+" : "-") \(who)\(more): \(change.action) is \(change.allowed ? "given" : "taken") on "
                    + "\(change.count) \(change.count == 1 ? "tag" : "tags")")
            for example in change.examples {
                Terminal.say("    \(example.tag)")
                Terminal.say("      now \(example.before)")
                Terminal.say("      then \(example.after)")
            }
            if change.count > change.examples.count {
                Terminal.say("    … \(change.count - change.examples.count) more; --limit N shows them")
            }
        }
        for agent in agents {
            for sentence in agent.switches { Terminal.say("agent \(agent.name): \(sentence)") }
            show(agent.name, "exposes", agent.exposed, agent.exposedExamples)
            show(agent.name, "hides", agent.hidden, agent.hiddenExamples)
        }
    }

    private func show(_ agent: String, _ verb: String, _ count: Int, _ examples: [String]) {
        guard count > 0 else { return }
        let more = count > examples.count ? ", …" : ""
        Terminal.say(
            "agent \(agent): \(verb) \(count) more \(count == 1 ? "tag" : "tags"): \(examples.joined(separator: ", "))\(more)"
        )
    }
}
