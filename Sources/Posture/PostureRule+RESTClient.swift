import GatewayConfiguration
import RESTClientAgent
import TLS

extension PostureRule {
    static let restClient: [PostureRule] = [
        PostureRule(
            id: "SP-201", severity: .critical, title: "HTTP in clear text beyond this machine",
            why: "without TLS everybody on the way reads and changes what is sent",
            recommendations: ["R14", "R15", "R30"]
        ) { configuration in
            agents(configuration) { options in
                guard !options.endpoint.usesTLS else { return nil }
                if HostScope(host: options.endpoint.host) != .loopback {
                    return ("url is \(options.endpoint)", "url: \(encrypted(options.endpoint))")
                }
                guard let proxy = options.proxy, HostScope(host: proxy.host) != .loopback else { return nil }
                return (
                    "url is \(options.endpoint), through the proxy \(proxy)", "url: \(encrypted(options.endpoint))"
                )
            }
        },
        PostureRule(
            id: "SP-202", severity: .critical, title: "credentials over HTTP in clear text",
            why: "without TLS the password, the token or the key travels readable with every request",
            recommendations: ["R14", "R30"]
        ) { configuration in
            agents(configuration) { options in
                guard !options.endpoint.usesTLS, options.sendsSecret else { return nil }
                return (
                    "credentials go to \(options.endpoint) without TLS", "url: \(encrypted(options.endpoint))"
                )
            }
        },
        PostureRule(
            id: "SP-203", severity: .medium, title: "no credentials for the endpoint",
            why: "an endpoint that takes data from anybody has no way to tell ours from a forgery",
            recommendations: ["R17", "R18", "R29"]
        ) { configuration in
            agents(configuration) { options in
                guard options.endpoint.usesTLS, !options.sendsSecret, options.tls.identity == nil else { return nil }
                return (
                    "neither username and password, token: nor tls: identity: are set for \(options.endpoint)",
                    "username: gateway\npassword: { file: secrets/historian }"
                )
            }
        },
        PostureRule(
            id: "SP-204", severity: .critical, title: "the endpoint's certificate is not verified",
            why: "whoever is on the way can pass for the endpoint, take the credentials and keep what is sent",
            recommendations: ["R14", "R30"]
        ) { configuration in
            agents(configuration) { options in
                guard options.endpoint.usesTLS, !options.tls.verifiesPeer else { return nil }
                let pins = options.tls.pins.isEmpty ? "nothing is pinned" : "only pin-sha256 is checked"
                return (
                    "tls: verify: is false for \(options.endpoint), \(pins)",
                    "tls: { ca-file: tls/plant-ca.pem, verify: true }   # the authority of the endpoint's certificate"
                )
            }
        },
    ]

    /// The same endpoint over TLS. A port that was not the plaintext default is kept: it may well be the TLS one.
    private static func encrypted(_ endpoint: EndpointURL) -> EndpointURL {
        EndpointURL(
            host: endpoint.host, port: endpoint.port == 80 ? 443 : endpoint.port, usesTLS: true,
            target: endpoint.target)
    }

    private static func agents(
        _ configuration: GatewayConfiguration,
        _ look: (RESTClientAgentOptions) -> (evidence: String, fix: String)?
    ) -> [Observation] {
        configuration.agents.compactMap { agent in
            guard agent.enabled, case .restClient(let options) = agent.options, let seen = look(options) else {
                return nil
            }
            return Observation(
                agent: agent.name, place: agent.endpointPlace, evidence: seen.evidence, fix: seen.fix)
        }
    }
}
