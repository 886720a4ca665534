import COpenSSL

/// A certificate with its intermediates and its key, checked to belong together and to be valid.
package struct TLSIdentity: Sendable, Equatable {
    package let name: String
    /// DER, leaf first.
    package let certificates: [[UInt8]]
    /// PKCS#8 in PEM, not encrypted.
    package let privateKey: Secret
    package let subject: String
    /// SHA-256 of the leaf: `AB:CD:…`.
    package let fingerprint: String
    /// Whether an authority has issued the leaf; false: it has signed itself.
    package let isFromAuthority: Bool
    /// DNS names and addresses of the leaf.
    package let alternativeNames: [String]
    /// Of the leaf. Seconds since 1970.
    package let validFrom: Int64
    /// The first end in the chain: from there on peers refuse it. Seconds since 1970.
    package let validUntil: Int64

    /// Reads and checks the files. It blocks on the disk: not for the cooperative thread pool.
    ///
    /// - Parameter now: seconds since 1970; nil asks the clock.
    package static func load(_ options: TLSIdentityOptions, now: Int64? = nil) throws(TLSError) -> TLSIdentity {
        let (chain, key) = try IdentityFiles(options).read()
        return try TLSIdentity(
            name: options.name, chain: chain, key: key, path: options.certificateFile, keyPath: options.keyFile,
            now: now ?? CertificateTime.now)
    }

    init(
        name: String, chain: [Certificate], key: PrivateKey, path: String, keyPath: String, now: Int64
    ) throws(TLSError) {
        guard let leaf = chain.first else { throw TLSError(.contents, path: path, reason: "holds no certificate") }
        guard leaf.matches(key) else {
            let place = chain.firstIndex { $0.matches(key) }
            let reason =
                if let place {
                    "the key \(keyPath) belongs to certificate \(place + 1) in it: put that one first, then its issuers"
                } else {
                    "the key \(keyPath) does not belong to the certificate \(leaf.subject)"
                }
            throw TLSError(.mismatch, path: path, reason: reason)
        }
        guard leaf.securityBits >= 112 else {
            throw TLSError(
                .weakKey, path: path,
                reason: "the certificate's key is too short (\(leaf.securityBits) bits of security): "
                    + "use RSA of at least 2048 bits or P-256")
        }
        guard leaf.validFrom <= now else {
            throw TLSError(
                .notYetValid, path: path,
                reason: "the certificate is valid only from \(CertificateTime.text(leaf.validFrom)): "
                    + "check this machine's clock, or wait")
        }
        guard leaf.validUntil >= now else {
            throw TLSError(
                .expired, path: path,
                reason: "the certificate has expired on \(CertificateTime.text(leaf.validUntil)): renew it")
        }
        self.name = name
        certificates = chain.map(\.der)
        privateKey = try key.pem()
        subject = leaf.subject
        fingerprint = leaf.fingerprint
        isFromAuthority = !leaf.isSelfIssued
        alternativeNames = leaf.alternativeNames
        let term = CertificateTerm(ofChain: chain)
        validFrom = term.from
        validUntil = term.until
    }

    /// `2027-01-31 23:59 UTC`
    package var expiry: String { CertificateTime.text(validUntil) }
}
