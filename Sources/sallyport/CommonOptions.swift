import ArgumentParser
import FoundationEssentials
import Gateway
import GatewayConfiguration
import Posture
import Tags

/// `--config PATH`, on every verb.
struct ConfigurationPath: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: "The configuration; otherwise $SALLYPORT_CONFIG, otherwise /etc/sallyport/gateway.yaml.")
    var config: String?

    var path: String {
        config ?? ProcessInfo.processInfo.environment["SALLYPORT_CONFIG"] ?? "/etc/sallyport/gateway.yaml"
    }

    /// The configuration with its problems, those of posture included.
    func outcome() -> (configuration: GatewayConfiguration?, problems: [ConfigurationProblem], posture: PostureReport?)
    {
        CheckedConfiguration.load(path)
    }

    /// The configuration; its problems are printed, and errors end the command.
    func load(showWarnings: Bool = false) throws -> GatewayConfiguration {
        let (configuration, problems, _) = outcome()
        for problem in problems where problem.severity == .error || showWarnings {
            Terminal.complain(problem.description)
        }
        guard let configuration else { throw Failure.usage() }
        return configuration
    }

    /// The gateway that runs on this configuration's data directory.
    func connect() throws -> ControlClient {
        // A mistake in the file must not keep anybody from asking the gateway that runs on an older one.
        let outcome = GatewayConfiguration.load(path: path, environment: ProcessInfo.processInfo.environment)
        guard let directory = outcome.dataDirectory else {
            for problem in outcome.errors { Terminal.complain(problem.description) }
            throw Failure.usage()
        }
        guard let client = try ControlClient(dataDirectory: directory) else {
            throw Failure.failed("no gateway runs on \(directory); start one with: sallyport run --config \(path)")
        }
        return client
    }

    /// The first answer of the running gateway to a question.
    func ask(_ request: ControlRequest) throws -> ControlReply? {
        let client = try connect()
        try client.send(request)
        return try client.next()
    }
}

/// The configuration as `check` and `run` see it: read, and held against the posture rules.
enum CheckedConfiguration {
    static func load(
        _ path: String
    ) -> (configuration: GatewayConfiguration?, problems: [ConfigurationProblem], posture: PostureReport?) {
        let outcome = GatewayConfiguration.load(path: path, environment: ProcessInfo.processInfo.environment)
        guard let configuration = outcome.configuration else { return (nil, outcome.problems, nil) }
        let posture = Posture.evaluate(configuration, at: .now)
        let certificates = CertificateCheck.problems(of: configuration)
        let problems =
            outcome.problems + posture.problems + certificates
            + MembershipCheck.problems(of: configuration, path: path)
        return (posture.hasErrors || !certificates.isEmpty ? nil : configuration, problems, posture)
    }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
}

/// `--format text|json`.
struct FormatOption: ParsableArguments {
    @Option(name: .long, help: "text for people, json for programs.")
    var format: OutputFormat = .text
}
