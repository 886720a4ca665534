import GatewayConfiguration
import MQTTAgent
import TLS

extension PostureRule {
    static let mqtt: [PostureRule] = [
        PostureRule(
            id: "SP-101", severity: .critical, title: "MQTT in clear text beyond this machine",
            why: "without TLS everybody on the way reads and changes what is published",
            recommendations: ["R2", "R3", "R4"]
        ) { configuration in
            agents(configuration) { options in
                guard !options.broker.usesTLS, HostScope(host: options.broker.host) != .loopback else { return nil }
                return ("url is \(options.broker)", "url: \(encrypted(options.broker))")
            }
        },
        PostureRule(
            id: "SP-102", severity: .critical, title: "an MQTT password in clear text",
            why: "without TLS the password travels readable with every connection",
            recommendations: ["R3", "R4"]
        ) { configuration in
            agents(configuration) { options in
                guard !options.broker.usesTLS, options.password != nil else { return nil }
                return (
                    "username and password go to \(options.broker) without TLS", "url: \(encrypted(options.broker))"
                )
            }
        },
        PostureRule(
            id: "SP-103", severity: .medium, title: "no credentials for the MQTT broker",
            why: "a broker that lets the gateway in without credentials lets everybody in",
            recommendations: ["R8", "R29"]
        ) { configuration in
            agents(configuration) { options in
                guard options.broker.usesTLS, options.username == nil, options.tls.identity == nil else { return nil }
                return (
                    "neither username and password nor tls: identity: are set for \(options.broker)",
                    "username: gateway\npassword: { file: secrets/mqtt }"
                )
            }
        },
        PostureRule(
            id: "SP-104", severity: .critical, title: "the broker's certificate is not verified",
            why: "whoever is on the way can pass for the broker, take the password and change what is published",
            recommendations: ["R2", "R4", "R30"]
        ) { configuration in
            agents(configuration) { options in
                guard options.broker.usesTLS, !options.tls.verifiesPeer else { return nil }
                let pins = options.tls.pins.isEmpty ? "nothing is pinned" : "only pin-sha256 is checked"
                return (
                    "tls: verify: is false for \(options.broker), \(pins)",
                    "tls: { ca-file: tls/plant-ca.pem, verify: true }   # the authority of the broker's certificate"
                )
            }
        },
    ]

    /// The same broker over TLS. A port that was not the plaintext default is kept: it may well be the TLS one.
    private static func encrypted(_ broker: BrokerURL) -> BrokerURL {
        BrokerURL(host: broker.host, port: broker.port == 1883 ? 8883 : broker.port, usesTLS: true)
    }

    private static func agents(
        _ configuration: GatewayConfiguration,
        _ look: (MQTTAgentOptions) -> (evidence: String, fix: String)?
    ) -> [Observation] {
        configuration.agents.compactMap { agent in
            guard agent.enabled, case .mqtt(let options) = agent.options, let seen = look(options) else { return nil }
            return Observation(
                agent: agent.name, place: agent.endpointPlace, evidence: seen.evidence, fix: seen.fix)
        }
    }
}
