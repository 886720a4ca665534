extension IdentityStore {
    func check(_ leaf: Certificate, now: Int64) throws(TLSError) {
        let subject = quoted(leaf.subject)
        let key = leaf.publicKey
        guard key.isUsable else {
            throw TLSError(
                .weakKey,
                reason: "the key of the certificate \(subject) is \(key.text): RSA of 2048 to 8192 bits, P-256, "
                    + "P-384 and P-521 are taken")
        }
        guard leaf.validFrom <= now else {
            throw TLSError(
                .notYetValid,
                reason: "the certificate \(subject) is valid only from \(CertificateTime.text(leaf.validFrom)): "
                    + "check this machine's clock, or wait")
        }
        guard leaf.validUntil >= now else {
            throw TLSError(
                .expired,
                reason: "the certificate \(subject) has expired on \(CertificateTime.text(leaf.validUntil)): ask for a "
                    + "new one")
        }
        guard leaf.signatureBits >= 112 else {
            throw TLSError(
                .weakKey,
                reason: "the certificate \(subject) is signed with \(leaf.signatureAlgorithm), which clients refuse: "
                    + "ask for one signed with SHA-256 or better")
        }
        guard !leaf.hasUnusableExtension else {
            throw TLSError(
                .contents,
                reason: "the certificate \(subject) has an extension that is damaged, or critical and unknown: clients "
                    + "refuse it")
        }
        guard leaf.maySign else {
            throw TLSError(
                .contents,
                reason: "the key of the certificate \(subject) may not sign (key usage without digitalSignature): "
                    + "TLS with ECDHE needs that")
        }
        // One that nobody uses yet must be good for something.
        let wanted = purposes.isEmpty ? IdentityPurpose.allCases.filter { leaf.serves($0) } : Array(purposes)
        guard !wanted.isEmpty, wanted.allSatisfy({ leaf.serves($0) }) else {
            let missing = wanted.contains(.client) && !leaf.serves(.client) ? "clientAuth" : "serverAuth"
            throw TLSError(
                .contents,
                reason: "the certificate \(subject) is not meant for that (extended key usage without \(missing)): "
                    + "ask for one with \(missing)")
        }
        guard !wanted.contains(.server) || !leaf.alternativeNames.isEmpty else {
            throw TLSError(
                .host,
                reason: "the certificate \(subject) has no subject alternative name (DNS or IP), and clients look at "
                    + "nothing else: ask for one that has")
        }
    }

    func check(issuers: [Certificate], now: Int64) throws(TLSError) {
        for issuer in issuers {
            let subject = quoted(issuer.subject)
            guard issuer.validFrom <= now, now <= issuer.validUntil else {
                throw TLSError(
                    .expired,
                    reason: "the authority's certificate \(subject) is valid only from "
                        + "\(CertificateTime.text(issuer.validFrom)) to \(CertificateTime.text(issuer.validUntil)): "
                        + "ask for the present one")
            }
            guard issuer.securityBits >= 112, issuer.isSelfIssued || issuer.signatureBits >= 112 else {
                throw TLSError(
                    .weakKey,
                    reason: "the authority's certificate \(subject) has a weak key or signature "
                        + "(\(issuer.publicKey.text), \(issuer.signatureAlgorithm)): clients refuse it")
            }
        }
    }

    /// A subject comes from the file.
    func quoted(_ subject: String) -> String {
        subject.isEmpty ? "without a subject" : String(subject.prefix(200))
    }
}
