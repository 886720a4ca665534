package import GatewayConfiguration
import MQTTAgent
import RESTServerAgent
import TLS

/// Opens the certificates, keys and authorities that enabled agents name, as they will when they start, so that `check`
/// finds a bad one before a start does.
package enum CertificateCheck {
    /// Reads files: not for the cooperative thread pool.
    package static func problems(of configuration: GatewayConfiguration) -> [ConfigurationProblem] {
        configuration.agents.filter(\.enabled).compactMap { agent in
            do throws(TLSError) {
                switch agent.options {
                case .mqtt(let options) where options.broker.usesTLS:
                    _ = try ClientTLSContext(options: options.tls, host: options.broker.host)
                case .restServer(let options):
                    if options.https, let identity = options.identity { _ = try TLSIdentity.load(identity) }
                case .mqtt: break
                }
                return nil
            } catch {
                return ConfigurationProblem(place: agent.place, message: "agent \(agent.name): \(error)")
            }
        }
    }
}
