import ArgumentParser
import GatewayConfiguration
import MQTTAgent

struct BrokerACLCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker-acl",
        abstract: "Print the access rules that the broker should hold for the gateway's account, and nothing more.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case mosquitto
    }

    @OptionGroup var path: ConfigurationPath
    @Option(help: "The broker's own format.")
    var format: Format = .mosquitto
    @Option(help: "Only this agent.")
    var agent: String?
    @Option(name: .customLong("reader"), help: "An account that may read what is published, and no more.")
    var readers: [String] = []

    func run() throws {
        let agents = try path.load().agents.compactMap { agent -> MQTTAgentOptions? in
            guard case .mqtt(let options) = agent.options else { return nil }
            // A disabled agent is printed when it is asked for: rules are often made before it is enabled.
            return self.agent.map { $0 == agent.name } ?? agent.enabled ? options : nil
        }
        guard !agents.isEmpty else {
            throw Failure.failed(
                agent.map { "there is no MQTT agent \($0)" }
                    ?? "no MQTT agent is enabled; name a disabled one with --agent NAME")
        }
        do {
            print(try BrokerAccess.mosquitto(agents.map(BrokerAccess.init), readers: readers), terminator: "")
        } catch {
            throw Failure.failed("\(error)")
        }
    }
}
