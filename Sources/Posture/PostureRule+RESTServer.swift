import GatewayConfiguration
import RESTServerAgent

extension PostureRule {
    static let restServer: [PostureRule] = [
        PostureRule(
            id: "SP-301", severity: .critical, title: "REST without HTTPS beyond this machine",
            why: "without HTTPS values and passwords travel in clear text",
            recommendations: ["R20", "R28"]
        ) { configuration in
            agents(configuration) { options in
                guard !options.https, HostScope(bind: options.bind) != .loopback else { return nil }
                return ("https is false on \(options.bind) port \(options.port)", "https: true")
            }
        },
        PostureRule(
            id: "SP-302", severity: .low, title: "REST without HTTPS on this machine",
            why: "every user of this machine who may capture its loopback traffic reads passwords",
            recommendations: ["R20"]
        ) { configuration in
            agents(configuration) { options in
                guard !options.https, HostScope(bind: options.bind) == .loopback else { return nil }
                return ("https is false on \(options.bind) port \(options.port)", "https: true")
            }
        },
        PostureRule(
            id: "SP-303", severity: .medium, title: "REST on every address of this machine",
            why: "it answers on every network that the machine is or will be connected to, and counts as public",
            recommendations: ["R32"]
        ) { configuration in
            agents(configuration) { options in
                guard HostScope(bind: options.bind) == .everyAddress else { return nil }
                return (
                    "bind is \(options.bind)", "bind: 127.0.0.1   # or the address or interface of the plant's network"
                )
            }
        },
        PostureRule(
            id: "SP-304", severity: .low, title: "a self-signed certificate beyond this machine",
            why: "clients cannot tell it from anybody else's unless its fingerprint is checked by hand",
            recommendations: ["R21"]
        ) { configuration in
            agents(configuration) { options in
                guard options.https, options.identity == nil, HostScope(bind: options.bind) != .loopback else {
                    return nil
                }
                return (
                    "tls: identity: is default on \(options.bind) port \(options.port)",
                    "tls: { identity: NAME }   # one of tls: identities:, issued by an authority that the clients know"
                )
            }
        },
    ]

    private static func agents(
        _ configuration: GatewayConfiguration,
        _ look: (RESTServerAgentOptions) -> (evidence: String, fix: String)?
    ) -> [Observation] {
        configuration.agents.compactMap { agent in
            guard agent.enabled, case .restServer(let options) = agent.options, let seen = look(options) else {
                return nil
            }
            return Observation(
                agent: agent.name, place: agent.endpointPlace, evidence: seen.evidence, fix: seen.fix)
        }
    }
}
