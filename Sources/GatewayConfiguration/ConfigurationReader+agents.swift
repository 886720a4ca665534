import MQTTAgent
import RESTServerAgent
import Tags
import Yams

extension ConfigurationReader {
    enum AgentType: String, CaseIterable {
        case mqtt
        case restClient = "rest-client"
        case restServer = "rest-server"

        var keys: [String] {
            let common = ["name", "type", "enabled", "items", "tls"]
            switch self {
            case .mqtt:
                return common + [
                    "url", "username", "password", "client-id", "protocol", "keepalive", "publish", "birth",
                    "last-will",
                    "writes", "outbox",
                ]
            case .restClient:
                return common + ConfigurationReader.restClientKeys
            case .restServer:
                return common + [
                    "bind", "port", "https", "allow-from", "trusted-proxies", "anonymous", "write-endpoint",
                    "cors-allowed-origins", "array-values", "limits",
                ]
            }
        }
    }

    struct Agents {
        var configured: [AgentConfiguration] = []
        /// Every agent's name, folded: also of those that this version does not run.
        var names: [String: SourcePlace] = [:]
    }

    func readAgents(_ root: Section, tls: TLSSetup, groups: [String]) -> Agents {
        var agents = Agents()
        for node in root.list("agents") {
            guard let type = agentType(node) else { continue }
            guard let section = section(node, "an agent", keys: type.keys) else { continue }
            let name = section.required("name", expected: "the name of the agent")
            if let name {
                do throws(TagNameError) {
                    try TagName.check(name.text)
                } catch {
                    log.add(.error, name.place, "agent name \(quoted(name)): \(error)")
                }
                checkUnique(name, "agent", in: &agents.names)
            }
            let isEnabled = section.boolean("enabled", default: true)
            let options: AgentConfiguration.Options?
            switch type {
            case .mqtt:
                options = readMQTT(section, name?.text ?? "", isEnabled, tls, groups).map { .mqtt($0) }
            case .restServer:
                options = .restServer(readRESTServer(section, name?.text ?? "", isEnabled, tls, groups))
            case .restClient:
                options = readRESTClient(section, name?.text ?? "", isEnabled, tls).map { .restClient($0) }
            }
            guard let options, let name else { continue }
            let endpoint = section.place(of: type == .restServer ? "bind" : "url")
            agents.configured.append(
                AgentConfiguration(
                    name: name.text, enabled: isEnabled, options: options, place: section.place, endpointPlace: endpoint
                ))
        }
        checkTogether(agents.configured)
        return agents
    }

    /// The type decides which keys are known, so it is read first.
    private func agentType(_ node: Node) -> AgentType? {
        let place = SourcePlace(node, file: file)
        let types = AgentType.allCases.map(\.rawValue)
        guard case .mapping(let mapping) = node else {
            log.add(.error, place, "expected an agent as a mapping (key: value), found \(Section.describe(node))")
            return nil
        }
        guard let value = Section.value("type", in: mapping) else {
            log.add(.error, place, "\"type\" is missing; it takes one of \(types.joined(separator: ", "))")
            return nil
        }
        guard let text = value.scalar?.string, let type = AgentType(rawValue: text) else {
            let nearest = value.scalar.flatMap { NearestName.of($0.string, in: types) }
            log.add(
                .error, SourcePlace(value, file: file),
                "\"type\" takes one of \(types.joined(separator: ", ")), found \(Section.describe(value))"
                    + (nearest.map { "; did you mean \"\($0)\"?" } ?? ""))
            return nil
        }
        return type
    }

    /// What two agents may not both have.
    private func checkTogether(_ agents: [AgentConfiguration]) {
        var listeners: [(options: RESTServerAgentOptions, agent: AgentConfiguration)] = []
        var clients: [String: AgentConfiguration] = [:]
        for agent in agents where agent.enabled {
            switch agent.options {
            case .restServer(let options):
                let scope = HostScope(bind: options.bind)
                let other = listeners.first {
                    $0.options.port == options.port
                        && ($0.options.bind == options.bind || scope == .everyAddress
                            || HostScope(bind: $0.options.bind) == .everyAddress)
                }
                if let other {
                    log.add(
                        .error, agent.endpointPlace,
                        "agents \"\(other.agent.name)\" and \"\(agent.name)\" both listen on port \(options.port) of the same "
                            + "address; give one another port")
                }
                listeners.append((options, agent))
            case .mqtt(let options) where !options.clientID.isEmpty:
                let key = "\(options.broker) \(options.clientID)"
                if let other = clients[key] {
                    log.add(
                        .error, agent.place,
                        "agents \"\(other.name)\" and \"\(agent.name)\" have the same client-id at the same broker, which "
                            + "would throw each out in turn; change one or leave it empty")
                }
                clients[key] = agent
            case .mqtt, .restClient: break
            }
        }
    }
}
