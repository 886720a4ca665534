import ArgumentParser
import Gateway

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the agents and devices of the running gateway.")

    @OptionGroup var path: ConfigurationPath
    @OptionGroup var format: FormatOption

    func run() throws {
        let client = try path.connect()
        try client.send(.status)
        guard case .status(let status)? = try client.next() else { return }
        guard format.format == .text else { return try Terminal.json(status) }
        Terminal.say(
            "\(status.name)  process \(status.process), \(status.tags) tags, up since "
                + "\(Terminal.time(status.startedMilliseconds)) UTC")
        for agent in status.agents {
            Terminal.say("agent \(agent.name)  \(agent.type)  \(agent.state)  \(agent.details)")
            if let error = agent.lastError { Terminal.say("  last error   \(error)") }
        }
        for certificate in status.certificates {
            let left =
                certificate.daysLeft >= 0
                ? "\(certificate.daysLeft) days left" : "ended \(-certificate.daysLeft) days ago"
            Terminal.say(
                "certificate \(certificate.name)  \(certificate.role)  until "
                    + "\(Terminal.minutes(certificate.validUntilMilliseconds)) UTC, \(left)  "
                    + "for \(certificate.agents.joined(separator: ", "))")
        }
        status.devices.forEach { $0.show() }
    }
}
