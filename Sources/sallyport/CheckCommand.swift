import ArgumentParser
import Gateway
import GatewayConfiguration
import Posture

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Say everything that is wrong with the configuration, each with its place.")

    /// A problem, or a note of the security rules: what does not keep the gateway from starting.
    private struct Remark: Encodable {
        let file: String
        let line: Int
        let column: Int
        /// `error`, `warning` or `note`.
        let severity: String
        let message: String

        init(_ place: SourcePlace, _ severity: String, _ message: String) {
            file = place.file
            line = place.line
            column = place.column
            self.severity = severity
            self.message = message
        }

        var text: String { "\(file):\(line):\(column): \(severity): \(message)" }
    }

    @OptionGroup var path: ConfigurationPath
    @OptionGroup var format: FormatOption

    func run() throws {
        let (configuration, problems, posture) = path.outcome()
        let remarks = problems.map { Remark($0.place, $0.severity.rawValue, $0.message) } + Self.notes(posture)
        switch format.format {
        case .json: try Terminal.json(remarks)
        case .text: for remark in remarks { Terminal.complain(remark.text) }
        }
        guard let configuration else {
            let errors = problems.count { $0.severity == .error }
            throw Failure.usage(
                format.format == .text ? "\(errors) \(errors == 1 ? "error" : "errors") in \(path.path)" : "")
        }
        guard format.format == .text else { return }
        // Of this shell; a service may have another limit, and the gateway says so at its start.
        if let warning = OpenFiles.raise().warning(for: configuration) {
            Terminal.complain("\(path.path): warning: \(warning)")
        }
        let tags = configuration.channels.flatMap(\.devices).map(\.definitions.count).reduce(0, +)
        let agents = configuration.agents.count(where: \.enabled)
        Terminal.say(
            "\(path.path): good; \(tags) \(tags == 1 ? "tag" : "tags"), \(agents) enabled \(agents == 1 ? "agent" : "agents")"
        )
    }
    private static func notes(_ posture: PostureReport?) -> [Remark] {
        (posture?.advice ?? []).map {
            Remark($0.place, "note", "\($0.rule.id) (\($0.rule.severity.rawValue)): \($0.evidence)")
        }
            + (posture?.accepted ?? []).map {
                Remark($0.place, "note", "the risk \($0.rule.id) is accepted: \($0.evidence)")
            }
    }
}
