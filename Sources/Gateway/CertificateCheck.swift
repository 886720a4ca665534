package import GatewayConfiguration
import MQTTAgent
import RESTClientAgent
import RESTServerAgent
import TLS

/// Opens the certificates, keys and authorities that enabled agents name, as they will when they start, so that `check`
/// finds a bad one before a start does.
package enum CertificateCheck {
    private static func forwarding(_ configuration: GatewayConfiguration) -> [ConfigurationProblem] {
        guard let syslog = configuration.auditForwarding.syslog else { return [] }
        do throws(TLSError) {
            _ = try ClientTLS(options: syslog.tls, host: syslog.host)
            return []
        } catch {
            return [ConfigurationProblem(place: syslog.place, message: "audit forwarding: \(error)")]
        }
    }

    /// Reads files: not for the cooperative thread pool.
    package static func problems(of configuration: GatewayConfiguration) -> [ConfigurationProblem] {
        forwarding(configuration)
            + configuration.agents.filter(\.enabled).compactMap { agent in
                do throws(TLSError) {
                    switch agent.options {
                    case .mqtt(let options) where options.broker.usesTLS:
                        _ = try ClientTLSContext(options: options.tls, host: options.broker.host)
                    case .restServer(let options):
                        guard options.https else { return nil }
                        if let identity = options.identity {
                            _ = try TLSIdentity.load(identity)
                        } else {
                            try DefaultIdentity.check(dataDirectory: configuration.dataDirectory)
                        }
                        _ = try clientTrust(options)
                    case .restClient(let options) where options.endpoint.usesTLS:
                        _ = try ClientTLSContext(options: options.tls, host: options.endpoint.host)
                    case .mqtt, .restClient: break
                    }
                    return nil
                } catch {
                    return ConfigurationProblem(place: agent.place, message: "agent \(agent.name): \(error)")
                }
            }
    }

    /// The authorities whose certificates clients of an agent log in with; nil where it asks for none. Reads files.
    static func clientTrust(_ options: RESTServerAgentOptions) throws(TLSError) -> ClientTrust? {
        let wanted = options.clientCertificates
        guard options.https, wanted.mode != .none, let file = wanted.caFile else { return nil }
        return try ClientTrust.load(
            caFile: file, revocationFile: wanted.revocationFile, isRequired: wanted.mode == .required)
    }
}
