import GatewayConfiguration
import RESTServerAgent
import SecurityPolicy
import Tags

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
        PostureRule(
            id: "SP-305", severity: .critical, title: "anonymous REST access beyond this machine",
            why: "whoever reaches the agent sees what the group anonymous may see, and nobody can say who it was",
            recommendations: ["R20", "R22", "R28", "R29"]
        ) { configuration in
            agents(configuration) { options in
                guard options.anonymous, isReachedFromElsewhere(options) else { return nil }
                return ("anonymous is true \(whence(options))", "anonymous: false")
            }
        },
        PostureRule(
            id: "SP-306", severity: .critical, title: "anonymous write access beyond this machine",
            why: "whoever reaches the agent could move what the plant moves",
            recommendations: ["R27"], isAcceptable: false
        ) { configuration in
            agents(configuration) { options in
                guard options.anonymous, options.writeEndpoint, isReachedFromElsewhere(options) else { return nil }
                return (
                    "anonymous and write-endpoint are true \(whence(options))",
                    "anonymous: false\nwrite-endpoint: false"
                )
            }
        },
        PostureRule(
            id: "SP-307", severity: .high, title: "anonymous write access on this machine",
            why: "every program of this machine, and every page in a browser on it, could write",
            recommendations: ["R27", "R29"]
        ) { configuration in
            let mayWrite = mayWrite(configuration.groups.filter { isSame($0.name, GroupOptions.anonymous) })
            return agents(configuration) { options in
                guard options.anonymous, options.writeEndpoint, mayWrite, !isReachedFromElsewhere(options) else {
                    return nil
                }
                return (
                    "anonymous and write-endpoint are true, and the group anonymous may write \(whence(options))",
                    "anonymous: false"
                )
            }
        },
        PostureRule(
            id: "SP-308", severity: .low, title: "a write endpoint that nobody is meant to use",
            why: "only administrators may write through it: it is a door without a purpose",
            recommendations: ["R25", "R26", "R31"]
        ) { configuration in
            let mayWrite = mayWrite(configuration.groups)
            return agents(configuration) { options in
                guard options.writeEndpoint, !mayWrite else { return nil }
                return ("write-endpoint is true, and no group is allowed to write", "write-endpoint: false")
            }
        },
        PostureRule(
            id: "SP-309", severity: .high, title: "everybody is a trusted proxy",
            why: "any client can then claim any address, past allow-from and the slowing of failed logins",
            recommendations: ["R28"]
        ) { configuration in
            agents(configuration) { options in
                guard let network = options.trustedProxies.first(where: { $0.prefix < 4 }) else { return nil }
                return ("trusted-proxies holds \(network)", "trusted-proxies: [10.0.0.1]   # the proxy's own address")
            }
        },
    ]

    /// Beyond this machine, also through a proxy on it that passes others on.
    private static func isReachedFromElsewhere(_ options: RESTServerAgentOptions) -> Bool {
        HostScope(bind: options.bind) != .loopback || !options.trustedProxies.isEmpty
    }

    private static func whence(_ options: RESTServerAgentOptions) -> String {
        let proxy = HostScope(bind: options.bind) == .loopback && !options.trustedProxies.isEmpty
        return "on \(options.bind) port \(options.port)" + (proxy ? ", which trusted-proxies open to others" : "")
    }

    private static func mayWrite(_ groups: [GroupOptions]) -> Bool {
        groups.contains { $0.allow.contains { $0.actions.contains(.write) } }
    }

    private static func isSame(_ left: String, _ right: String) -> Bool {
        left.utf8.elementsEqual(right.utf8) { TagName.fold($0) == TagName.fold($1) }
    }

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
