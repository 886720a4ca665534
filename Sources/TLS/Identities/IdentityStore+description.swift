/// What is to know about an identity.
package struct IdentityDescription: Sendable, Equatable, Codable {
    package struct Issuer: Sendable, Equatable, Codable {
        package var subject: String
        package var fingerprint: String
        package var validUntilMilliseconds: Int64
    }

    package struct Certificate: Sendable, Equatable, Codable {
        package var subject: String
        package var issuer: String
        package var selfSigned: Bool
        /// The default one, made here; one that was imported is not made anew.
        package var madeHere: Bool
        package var names: [String]
        /// `P-256`, `RSA 3072 bits`.
        package var key: String
        package var signature: String
        package var serial: String
        package var validFromMilliseconds: Int64
        package var validUntilMilliseconds: Int64
        /// Rounded down; below zero once it has expired.
        package var daysLeft: Int
        /// SHA-256: `AB:CD:…`.
        package var fingerprint: String
        /// Of the public key, as `pin-sha256` takes it.
        package var pin: String
        /// What is sent behind it.
        package var chain: [Issuer]
        /// What clients may call this machine and the certificate does not hold; empty where it serves no listener.
        package var missingNames: [String]
    }

    package struct PendingKey: Sendable, Equatable, Codable {
        package var file: String
        package var key: String
        package var pin: String
    }

    package var identity: String
    package var agents: [String]
    package var certificateFile: String
    package var keyFile: String
    /// nil when there is none that can be read.
    package var certificate: Certificate?
    /// Why it cannot be used.
    package var problem: String?
    /// Keys that wait for their certificate.
    package var pending: [PendingKey]
    /// Where the pair that was replaced last lies.
    package var previousCertificateFile: String?
}

extension IdentityStore {
    /// - Parameter now: seconds since 1970; nil asks the clock.
    package func describe(agents: [String], now: Int64? = nil) -> IdentityDescription {
        let now = now ?? CertificateTime.now
        var description = IdentityDescription(
            identity: options.name, agents: agents, certificateFile: options.certificateFile, keyFile: options.keyFile,
            certificate: nil, problem: nil, pending: [], previousCertificateFile: nil)
        var pin: String?
        do throws(TLSError) {
            let chain = try TLS.Certificate.all(
                inPEM: BoundedFile(path: options.certificateFile).bytes, path: options.certificateFile)
            description.certificate = chain.first.map { describe($0, chain, now: now) }
            pin = description.certificate?.pin
            _ = try TLSIdentity.load(options, now: now)
        } catch {
            description.problem = "\(error)"
        }
        description.pending = pending.keys().compactMap { path, key in
            let key = key.publicKey
            return key.pin == pin ? nil : .init(file: path, key: key.text, pin: key.pin)
        }
        let previous = files.previousCertificateFile
        if (try? BoundedFile(path: previous)) != nil { description.previousCertificateFile = previous }
        return description
    }

    private func describe(
        _ leaf: TLS.Certificate, _ chain: [TLS.Certificate], now: Int64
    ) -> IdentityDescription.Certificate {
        let key = leaf.publicKey
        let left = WatchedCertificate(role: .server, name: "", agents: [], validUntil: leaf.validUntil)
        return IdentityDescription.Certificate(
            subject: leaf.subject, issuer: leaf.issuer, selfSigned: leaf.isSelfSigned, madeHere: leaf.isMadeHere,
            names: leaf.alternativeNames, key: key.text, signature: leaf.signatureAlgorithm, serial: leaf.serialNumber,
            validFromMilliseconds: leaf.validFrom * 1000, validUntilMilliseconds: leaf.validUntil * 1000,
            daysLeft: left.daysLeft(now: now), fingerprint: leaf.fingerprint, pin: key.pin,
            chain: chain.dropFirst().map {
                .init(
                    subject: $0.subject, fingerprint: $0.fingerprint, validUntilMilliseconds: $0.validUntil * 1000)
            },
            missingNames: purposes.contains(.server) ? missingNames(in: leaf) : [])
    }
}
