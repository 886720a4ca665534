import GatewayConfiguration
import Logging
import MQTTAgent
import RESTClientAgent
import RESTServerAgent
import SecurityPolicy
import TLS

extension Gateway {
    /// Has every agent use what lies in the files now. Listeners go on with open connections, and with the old
    /// certificate where the new one is not good; MQTT agents connect anew.
    func refreshCertificates() async { await refreshCertificates(patience: .zero) }

    /// - Parameter patience: how long a problem has to last before it is told: a pair of files may be half written.
    func refreshCertificates(patience: Duration) async {
        await enterChange()
        defer { leaveChange() }
        for agent in configuration?.agents ?? [] where agent.enabled {
            if isStopWanted { return }
            await refreshCertificates(of: agent, patience: patience)
        }
        await refreshForwarding(patience: patience)
        await noteCertificates()
    }

    func refreshCertificates(of agent: AgentConfiguration, patience: Duration) async {
        do {
            switch (agents[agent.name]?.kind, agent.options) {
            case (.mqtt(let running)?, .mqtt(let options)) where options.broker.usesTLS:
                let isNew = try await takeFiles(of: options.tls, for: agent.name) {
                    _ = try ClientTLSContext(options: options.tls, host: options.broker.host)
                }
                if isNew { running.reconnect() }
            case (.restClient(let running)?, .restClient(let options)) where options.endpoint.usesTLS:
                let isNew = try await takeFiles(of: options.tls, for: agent.name) {
                    _ = try ClientTLSContext(options: options.tls, host: options.endpoint.host)
                }
                if isNew { running.reconnect() }
            case (.restServer(let state)?, .restServer(let options)) where options.https:
                try await refreshListener(state, options)
            default: return
            }
            settled(agent.name)
        } catch {
            await failed(agent.name, error, patience)
        }
    }

    private func settled(_ name: String) {
        guard certificateWatch.settle(name) else { return }
        logger.info("The certificate files can be used again", metadata: ["agent": "\(name)"])
    }

    private func failed(_ name: String, _ error: any Error, _ patience: Duration) async {
        guard certificateWatch.note("\(error)", of: name, patience: patience) else { return }
        logger.error(
            "The certificate could not be replaced; the old one goes on",
            metadata: ["agent": "\(name)", "reason": "\(error)"])
        await audit(.certificate, of: name, .failed, "\(error)")
    }

    // MARK: Listeners

    private func refreshListener(_ state: ListenerState, _ options: RESTServerAgentOptions) async throws {
        let tls = try await serverTLS(options)
        guard let served = state.snapshot.tls else { return }
        let isSameTrust = tls.clients?.fingerprint == served.clients?.fingerprint
        guard tls.identity != served.identity || !isSameTrust else { return }
        // Whoever has logged in with a certificate that is not let in any more is not to stay.
        state.reload(tls, endsConnections: tls.clients?.admission != served.clients?.admission)
        if tls.identity != served.identity {
            logger.info(
                "Certificate replaced",
                metadata: [
                    "agent": "\(options.name)", "fingerprint": "\(tls.identity.fingerprint)",
                    "valid-until": "\(tls.identity.expiry)",
                ])
            await audit(
                .certificate, of: options.name, old: served.identity.fingerprint, new: tls.identity.fingerprint)
        }
        if !isSameTrust {
            logger.info("Authorities of clients replaced", metadata: ["agent": "\(options.name)"])
            await audit(
                .certificate, of: options.name, old: served.clients?.fingerprint, new: tls.clients?.fingerprint,
                .succeeded, "the authorities of its clients, or their revocation lists")
        }
    }

    /// What a listener is to serve by the files as they are now. The default certificate is made, or made anew, where
    /// need be.
    func serverTLS(_ options: RESTServerAgentOptions) async throws -> ServerTLS {
        let directory = dataDirectory.path, name = configuration?.name ?? "sallyport", now = clock()
        let (tls, missing, isFirst) = try await offPool {
            let isFirst =
                options.identity == nil
                && (try? CertificateTerm.ofCertificate(DefaultIdentity.certificateFile(dataDirectory: directory)))
                    == nil
            let identity: TLSIdentity
            var missing: [String] = []
            if let named = options.identity {
                identity = try TLSIdentity.load(named, now: now)
            } else {
                let machine = MachineNames.current()
                identity = try DefaultIdentity.ensure(
                    directory: directory, commonName: name, hostNames: machine.hostNames, addresses: machine.addresses,
                    now: now)
                missing = DefaultIdentity.missingNames(
                    in: identity, hostNames: machine.hostNames, addresses: machine.addresses)
            }
            let tls = try ServerTLS(
                identity: identity, minimumVersion: options.minimumVersion,
                clients: CertificateCheck.clientTrust(options))
            return (tls, missing, isFirst)
        }
        if options.identity == nil { await tell(ofDefault: tls.identity, isFirst, missing: missing, now: now) }
        return tls
    }

    private func tell(ofDefault identity: TLSIdentity, _ isFirst: Bool, missing: [String], now: Int64) async {
        if missing != certificateWatch.toldMissing {
            certificateWatch.toldMissing = missing
            if !missing.isEmpty {
                logger.warning(
                    "The default certificate does not name every address of this machine",
                    metadata: ["missing": "\(missing.joined(separator: ", "))"])
            }
        }
        let told = certificateWatch.toldDefault
        guard identity.fingerprint != told else { return }
        certificateWatch.toldDefault = identity.fingerprint
        // It begins when it is made: this one was made just now. One that was imported may be as young.
        guard identity.validFrom == now, DefaultIdentity.isMadeHere(identity) else { return }
        logger.info(
            "Default certificate made",
            metadata: ["fingerprint": "\(identity.fingerprint)", "valid-until": "\(identity.expiry)"])
        // The first one replaces nothing: the audit log is for what somebody may have relied on.
        if told != nil || !isFirst {
            await audit(.certificate, of: identity.name, old: told, new: identity.fingerprint)
        }
    }

    // MARK: Clients of ours

    /// Whether the files of a client hold something else than when it began to use them, and something good; from now
    /// on they count as used.
    private func takeFiles(
        of options: TLSClientOptions, for name: String, check: @escaping @Sendable () throws -> Void
    ) async throws -> Bool {
        let before = certificateWatch.shown[name] ?? [:]
        let files = await look(at: options.files, before: before)
        guard files != before else { return false }
        try await offPool(check)
        certificateWatch.shown[name] = files
        guard !before.isEmpty else { return false }
        logger.info("Certificate files replaced", metadata: ["agent": "\(name)"])
        await audit(.certificate, of: name, .succeeded, "its certificate, authorities or revocation lists have changed")
        return true
    }

    private func refreshForwarding(patience: Duration) async {
        let name = GatewayConfiguration.forwarder
        guard let syslog = auditForwarding.syslog else { return certificateWatch.forget(name) }
        let tls = syslog.tls, host = syslog.host
        do {
            if try await takeFiles(of: tls, for: name, check: { _ = try ClientTLS(options: tls, host: host) }) {
                await restartForwarding()
            }
            settled(name)
        } catch {
            await failed(name, error, patience)
        }
    }

    func look(at files: some Sequence<String> & Sendable, before: [String: FileState] = [:]) async -> [String:
        FileState]
    {
        let look = try? await offPool {
            Dictionary(files.map { ($0, FileState(path: $0, before: before[$0])) }) { first, _ in first }
        }
        return look ?? before
    }

    // MARK: Expiry

    /// Writes on the board what is in use now. A file that cannot be read leaves what it said before.
    func noteCertificates() async {
        let before = certificates.certificates
        let uses = configuration?.certificateUses.filter {
            agents[$0.agent] != nil || $0.agent == GatewayConfiguration.forwarder
        }
        let found = try? await offPool { (uses ?? []).compactMap { WatchedCertificate($0, before: before) } }
        guard var found else { return }
        for agent in agents.values {
            guard case .restServer(let state) = agent.kind, let identity = state.snapshot.tls?.identity else {
                continue
            }
            found.append(
                WatchedCertificate(
                    role: .server, name: identity.name, agents: [agent.configuration.name],
                    validFrom: identity.validFrom, validUntil: identity.validUntil))
        }
        certificates.replace(found.joined)
    }
}

extension WatchedCertificate {
    /// What is in the file. Blocks on the disk.
    fileprivate init?(_ use: CertificateUse, before: [WatchedCertificate]) {
        do throws(TLSError) {
            let term: CertificateTerm? =
                switch use.role {
                case .server, .client: try .ofCertificate(use.path)
                case .authority: try .ofAuthorities(use.path)
                case .revocationList: try .ofRevocationLists(use.path)
                }
            guard let term else { return nil }
            self.init(
                role: use.role, name: use.name, agents: [use.agent], validFrom: term.from, validUntil: term.until)
        } catch {
            // Whoever uses the file says what is wrong with it.
            guard var last = before.first(where: { $0.role == use.role && $0.name == use.name }) else { return nil }
            last.agents = [use.agent]
            self = last
        }
    }
}

extension [WatchedCertificate] {
    /// One of each role and name, with all who use it, sorted; the earliest end counts.
    fileprivate var joined: [WatchedCertificate] {
        var all: [WatchedCertificate] = []
        for certificate in self {
            if let index = all.firstIndex(where: { $0.role == certificate.role && $0.name == certificate.name }) {
                all[index].agents = Set(all[index].agents + certificate.agents).sorted()
                all[index].validUntil = Swift.min(all[index].validUntil, certificate.validUntil)
            } else {
                all.append(certificate)
            }
        }
        return all.sorted { ($0.role.rawValue, $0.name) < ($1.role.rawValue, $1.name) }
    }
}
