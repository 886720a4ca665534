import ArgumentParser
import Gateway
import GatewayConfiguration
import Logging
import Posture

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the gateway until SIGTERM or Ctrl-C; SIGHUP reloads the configuration.")

    @OptionGroup var path: ConfigurationPath

    func run() async throws {
        let (configuration, problems, posture) = path.outcome()
        for problem in problems { Terminal.complain(problem.description) }
        guard let configuration, let posture else { throw Failure.usage() }

        let format = configuration.log.format
        let level = Logger.Level(rawValue: configuration.log.level.rawValue) ?? .info
        LoggingSystem.bootstrap { label in
            ConsoleLogHandler(label: label, format: format == .json ? .json : .text, level: level)
        }
        var logger = Logger(label: "sallyport")
        logger[metadataKey: "gateway"] = "\(configuration.name)"
        logger.info("Starting", metadata: ["version": "\(Version.number)", "commit": "\(Version.commit)"])
        let services = GatewayServices(
            configuration: configuration, refusals: RunCommand.refusals(posture, logger),
            version: "\(Version.number) (\(Version.commit))", logger: logger,
            reload: reload(keeping: configuration.dataDirectory, logger))
        try await services.run()
    }

    /// Reads the file again; what is wrong with it goes to the log, and the old configuration stays.
    private func reload(keeping dataDirectory: String, _ logger: Logger) -> GatewayServices.Reload {
        let file = path.path
        return {
            guard let (next, problems, posture) = try? await offPool({ CheckedConfiguration.load(file) }) else {
                return .refused("the file could not be read")
            }
            for problem in problems {
                let level: Logger.Level = problem.severity == .error ? .error : .warning
                logger.log(level: level, "Configuration problem", metadata: ["problem": "\(problem)"])
            }
            guard let next, let posture else {
                let errors = problems.filter { $0.severity == .error }
                return .refused(
                    "the file has errors (\(errors.count)); the first: \(errors.first.map { "\($0)" } ?? "unknown")")
            }
            guard next.dataDirectory == dataDirectory else {
                logger.error("The data-directory cannot change while the gateway runs; restart it")
                return .refused("data-directory cannot change while the gateway runs")
            }
            return .accepted(next, refusals: RunCommand.refusals(posture, logger))
        }
    }

    /// Shows the risks that are accepted and what could be better, and gives the agents that must not start because an acceptance ran out.
    private static func refusals(_ posture: PostureReport, _ logger: Logger) -> [String: String] {
        for finding in posture.accepted {
            guard case .accepted(let risk) = finding.acceptance else { continue }
            logger.warning(
                "A risk is accepted",
                metadata: [
                    "rule": "\(finding.rule.id)", "agent": "\(finding.agent)", "evidence": "\(finding.evidence)",
                    "reason": "\(risk.reason)",
                ])
        }
        for finding in posture.advice {
            logger.notice(
                "A recommendation is not followed",
                metadata: [
                    "rule": "\(finding.rule.id)", "severity": "\(finding.rule.severity.rawValue)",
                    "agent": "\(finding.agent)", "evidence": "\(finding.evidence)",
                ])
        }
        return Dictionary(
            posture.expired.map { ($0.agent, "\($0.rule.id): \($0.evidence); its acceptance ran out") }
        ) { first, _ in first }
    }
}
