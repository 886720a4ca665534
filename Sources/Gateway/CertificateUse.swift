import GatewayConfiguration
import MQTTAgent
import RESTClientAgent
import RESTServerAgent
import SecurityPolicy
import TLS

/// A certificate, an authority or a revocation list that something uses as it lies in a file.
struct CertificateUse {
    let role: WatchedCertificate.Role
    /// Of the identity, or the file's path.
    let name: String
    let path: String
    /// Who uses it.
    let agent: String
}

extension TLSClientOptions {
    /// Everything that is read for a connection, keys included.
    var files: [String] {
        [identity?.certificateFile, identity?.keyFile, caFile, revocationFile].compactMap(\.self)
    }

    func uses(by agent: String) -> [CertificateUse] {
        var uses: [CertificateUse] = []
        if let identity {
            uses.append(
                CertificateUse(role: .client, name: identity.name, path: identity.certificateFile, agent: agent))
        }
        if let caFile { uses.append(CertificateUse(role: .authority, name: caFile, path: caFile, agent: agent)) }
        if let revocationFile {
            uses.append(CertificateUse(role: .revocationList, name: revocationFile, path: revocationFile, agent: agent))
        }
        return uses
    }
}

extension ClientCertificateOptions {
    var files: [String] { mode == .none ? [] : [caFile, revocationFile].compactMap(\.self) }

    func uses(by agent: String) -> [CertificateUse] {
        mode == .none ? [] : TLSClientOptions(caFile: caFile, revocationFile: revocationFile).uses(by: agent)
    }
}

extension GatewayConfiguration {
    /// Who the forwarding of the audit log is among agents: none can have this name, names hold no quotes.
    static let forwarder = "\"audit log\""

    /// Every file of certificates, keys, authorities and revocation lists that what is enabled uses.
    var certificateFiles: Set<String> {
        var files: Set<String> = []
        for agent in agents where agent.enabled {
            switch agent.options {
            case .mqtt(let options): if options.broker.usesTLS { files.formUnion(options.tls.files) }
            case .restClient(let options): if options.endpoint.usesTLS { files.formUnion(options.tls.files) }
            case .restServer(let options):
                guard options.https else { continue }
                files.insert(
                    options.identity?.certificateFile ?? DefaultIdentity.certificateFile(dataDirectory: dataDirectory))
                files.insert(options.identity?.keyFile ?? DefaultIdentity.keyFile(dataDirectory: dataDirectory))
                files.formUnion(options.clientCertificates.files)
            }
        }
        files.formUnion(auditForwarding.syslog?.tls.files ?? [])
        return files
    }

    /// What lies in files, but for the certificates of listeners: those are told by who serves them.
    var certificateUses: [CertificateUse] {
        agents.filter(\.enabled).flatMap { agent in
            switch agent.options {
            case .mqtt(let options): options.broker.usesTLS ? options.tls.uses(by: agent.name) : []
            case .restClient(let options): options.endpoint.usesTLS ? options.tls.uses(by: agent.name) : []
            case .restServer(let options): options.https ? options.clientCertificates.uses(by: agent.name) : []
            }
        } + (auditForwarding.syslog?.tls.uses(by: GatewayConfiguration.forwarder) ?? [])
    }
}
