import ArgumentParser
import GatewayConfiguration
import Posture

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Say everything that is wrong with the configuration, each with its place.")

    private struct Problem: Encodable {
        let file: String
        let line: Int
        let column: Int
        let severity: String
        let message: String
    }

    @OptionGroup var path: ConfigurationPath
    @OptionGroup var format: FormatOption

    func run() throws {
        let (configuration, problems, posture) = path.outcome()
        switch format.format {
        case .json:
            try Terminal.json(
                problems.map {
                    Problem(
                        file: $0.place.file, line: $0.place.line, column: $0.place.column,
                        severity: $0.severity.rawValue, message: $0.message)
                })
        case .text:
            for problem in problems { Terminal.complain(problem.description) }
            for finding in posture?.advice ?? [] {
                Terminal.complain(
                    "\(finding.place): note: \(finding.rule.id) (\(finding.rule.severity.rawValue)): \(finding.evidence)"
                )
            }
            for accepted in posture?.accepted ?? [] {
                Terminal.complain(
                    "\(accepted.place): note: the risk \(accepted.rule.id) is accepted: \(accepted.evidence)")
            }
        }
        guard let configuration else {
            let errors = problems.count { $0.severity == .error }
            throw Failure.usage(
                format.format == .text ? "\(errors) \(errors == 1 ? "error" : "errors") in \(path.path)" : "")
        }
        guard format.format == .text else { return }
        let tags = configuration.channels.flatMap(\.devices).map(\.definitions.count).reduce(0, +)
        let agents = configuration.agents.count(where: \.enabled)
        Terminal.say(
            "\(path.path): good; \(tags) \(tags == 1 ? "tag" : "tags"), \(agents) enabled \(agents == 1 ? "agent" : "agents")"
        )
    }
}
