package import GatewayConfiguration
package import SecurityPolicy
import FoundationEssentials
import MQTTAgent
import RESTClientAgent
import RESTServerAgent
import TLS

/// Certificates as an operator works on them: each change, and each that was refused, is durable in the audit log when it
/// returns. The same for a running gateway and for the data directory alone.
package struct CertificateDesk: Sendable {
    private static let longestReason = 1024

    private let configuration: GatewayConfiguration
    private let dataDirectory: String
    private let audit: AuditLog?
    private let principal: Principal

    /// - Parameter audit: nil for who only looks.
    package init(configuration: GatewayConfiguration, dataDirectory: String, audit: AuditLog?, by principal: Principal)
    {
        self.configuration = configuration
        self.dataDirectory = dataDirectory
        self.audit = audit
        self.principal = principal
    }

    package func perform(_ request: CertificateRequest) async throws -> ControlReply {
        switch request {
        case .show(let name):
            let wanted = try name.map { [try find($0)] } ?? identities
            return .certificates(try await offPool { wanted.map(describe) })
        case .export(let name):
            let identity = try find(name)
            let chain = try await refusing { try store(of: identity).certificates() }
            return .certificateChain(chain.map { Data($0) })
        case .request(let name, let names, let subject, let newKey):
            let identity = try await audited(name, "request") { try find(name) }
            let subject = subject ?? "CN=\(configuration.name)"
            let made = try await audited(identity.name, "request") {
                try store(of: identity).request(subject: subject, names: names, newKey: newKey)
            }
            try await record(identity.name, new: "request, key \(made.request.pin)")
            return .signingRequest(
                SigningRequestReport(
                    identity: identity.name, pem: String(decoding: made.request.pem, as: UTF8.self),
                    pin: made.request.pin, key: made.request.key, names: made.request.names,
                    pendingKeyFile: made.pendingKeyFile))
        case .unreadable(let name, let reason):
            try await record(String(name.prefix(128)), .refused, "import: \(reason)")
            return .done(nil)
        case .importing(let name, let certificates, let keys):
            let bundle = CertificateBundle(
                certificates: certificates.map { [UInt8]($0) }, keys: keys.map { Secret(bytes: [UInt8]($0)) })
            let identity = try await audited(name, "import") { try find(name) }
            let imported = try await audited(identity.name, "import") { try store(of: identity).importing(bundle) }
            if imported.isChanged {
                try await record(identity.name, old: imported.oldFingerprint, new: imported.identity.fingerprint)
            }
            return change(
                identity, imported.identity, old: imported.oldFingerprint, isChanged: imported.isChanged,
                imported.notes, imported.warnings)
        case .renew(let name, let newKey):
            let identity = try await audited(name, "renew") { try find(name) }
            let (old, made) = try await audited(identity.name, "renew") {
                guard identity == identities.first else {
                    throw GatewayError(
                        .refused,
                        "only the default certificate is made here: ask who issued that of \(identity.name) for "
                            + "another (sallyport certificate request --identity \(identity.name)) and import it")
                }
                let old = store(of: identity).describe(agents: []).certificate?.fingerprint
                return (
                    old,
                    try DefaultIdentity.renew(
                        directory: dataDirectory, commonName: configuration.name, machine: .current(), newKey: newKey)
                )
            }
            try await record(identity.name, old: old, new: made.fingerprint)
            return change(identity, made, old: old, isChanged: true, [], [])
        }
    }

    // MARK: Identities

    private var identities: [TLSIdentityOptions] {
        [DefaultIdentity.options(dataDirectory: dataDirectory)] + configuration.identities
    }

    private func find(_ name: String) throws(GatewayError) -> TLSIdentityOptions {
        if let found = identities.first(where: { sameName($0.name, name) }) { return found }
        throw GatewayError(
            .refused,
            "there is no identity \(String(name.prefix(128))) under tls: identities:, or its key-password cannot be "
                + "read; there are: " + identities.map(\.name).joined(separator: ", "))
    }

    /// Who shows an identity, and by which addresses clients find the listeners.
    private func use(of identity: TLSIdentityOptions) -> (
        agents: [String], purposes: Set<IdentityPurpose>, binds: [String]
    ) {
        let isDefault = identity == identities.first
        var agents: [String] = []
        var purposes: Set<IdentityPurpose> = []
        var binds: [String] = []
        for agent in configuration.agents where agent.enabled {
            switch agent.options {
            case .restServer(let options) where options.https:
                guard options.identity.map({ $0.name == identity.name }) ?? isDefault else { continue }
                purposes.insert(.server)
                binds.append(options.bind)
            case .mqtt(let options) where options.broker.usesTLS:
                guard options.tls.identity?.name == identity.name else { continue }
                purposes.insert(.client)
            case .restClient(let options) where options.endpoint.usesTLS:
                guard options.tls.identity?.name == identity.name else { continue }
                purposes.insert(.client)
            default: continue
            }
            agents.append(agent.name)
        }
        if let syslog = configuration.auditForwarding.syslog, syslog.tls.identity?.name == identity.name {
            agents.append("audit log (syslog)")
            purposes.insert(.client)
        }
        return (agents, purposes, binds)
    }

    /// Asks the kernel for the machine's names.
    private func store(of identity: TLSIdentityOptions) -> IdentityStore {
        let use = use(of: identity)
        return IdentityStore(
            identity, dataDirectory: dataDirectory, purposes: use.purposes, machine: .current(), binds: use.binds)
    }

    /// Blocks on the disk.
    private func describe(_ identity: TLSIdentityOptions) -> IdentityDescription {
        var description = store(of: identity).describe(agents: use(of: identity).agents)
        if identity == identities.first, !FileManager.default.fileExists(atPath: identity.certificateFile) {
            description.problem =
                "not made yet: the first start makes it, when an agent uses it; `sallyport certificate renew` makes it now"
        }
        return description
    }

    private func change(
        _ identity: TLSIdentityOptions, _ new: TLSIdentity, old: String?, isChanged: Bool, _ notes: [String],
        _ warnings: [String]
    ) -> ControlReply {
        .certificateChange(
            CertificateChange(
                identity: identity.name, isChanged: isChanged, subject: new.subject, oldFingerprint: old,
                fingerprint: new.fingerprint, validUntilMilliseconds: new.validUntil * 1000, notes: notes,
                warnings: warnings, agents: use(of: identity).agents))
    }

    // MARK: The audit log

    /// Does the work where it may block; its refusal is written down before anybody hears of it.
    private func audited<Value: Sendable>(
        _ name: String, _ verb: String, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        do {
            return try await refusing(body)
        } catch {
            try await record(String(name.prefix(128)), .refused, "\(verb): \(error)")
            throw GatewayError(.refused, "\(error); nothing was changed")
        }
    }

    private func refusing<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws(GatewayError) -> Value {
        do {
            return try await offPool(body)
        } catch let error as GatewayError {
            throw error
        } catch {
            throw GatewayError(.refused, "\(error)")
        }
    }

    private func record(
        _ object: String, _ outcome: AuditEvent.Outcome = .succeeded, _ reason: String = "", old: String? = nil,
        new: String? = nil
    ) async throws {
        guard let audit else { return }
        let event = AuditEvent(
            .certificate, of: object, by: principal, old: old, new: new, outcome: outcome,
            reason: String(reason.prefix(CertificateDesk.longestReason)))
        do {
            try await audit.record([event])
        } catch {
            let what = outcome == .succeeded ? "it was done" : reason
            throw GatewayError(.refused, "\(what), and it could not be written down: \(error)")
        }
    }
}
