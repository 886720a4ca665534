import COpenSSL

/// The authorities whose certificates clients log in with, and whether every client needs one.
package struct ClientTrust: Sendable {
    /// DER.
    let authorities: [[UInt8]]
    let isRequired: Bool
    /// Tells one set of authorities and revocation lists from another.
    package let fingerprint: String
    /// Tells one set of authorities and revoked certificates from another: it stays where only the lists' dates change.
    package let admission: String
    let verifier: PeerVerifier
    private let lists: RevocationLists?
    /// When the last root ends. Seconds since 1970.
    private let rootsEnd: Int64

    /// Why nobody can say any more whether a certificate that was let in once is good: a session that is resumed is not
    /// judged again, and its authority or revocation list may have ended since. nil: somebody can.
    ///
    /// - Parameters:
    ///   - der: the client's certificate.
    ///   - now: seconds since 1970; nil asks the clock.
    package func lapse(of der: [UInt8], now: Int64? = nil) -> String? {
        let now = now ?? CertificateTime.now
        guard let certificate = Certificate(der: der) else { return "certificate cannot be read" }
        guard rootsEnd >= now else {
            return "every root that is trusted here has expired, the last on \(CertificateTime.text(rootsEnd))"
        }
        return lists?.lapse(for: certificate, now: now)
    }

    /// Reads and checks the files. It blocks on the disk: not for the cooperative thread pool.
    ///
    /// - Parameters:
    ///   - revocationFile: PEM or DER; nil: nobody is asked whether a certificate was revoked.
    ///   - now: seconds since 1970; nil asks the clock.
    package static func load(
        caFile path: String, revocationFile: String? = nil, isRequired: Bool, now: Int64? = nil
    ) throws(TLSError) -> ClientTrust {
        let found = try Certificate.all(inPEM: BoundedFile(path: path).bytes, path: path)
        for (index, certificate) in found.enumerated() {
            guard certificate.isAuthority else {
                throw TLSError(
                    .contents, path: path,
                    reason: "certificate \(index + 1) in it (\(certificate.subject)) is no authority (CA:TRUE): "
                        + "name the certificate of the authority that issues the clients' certificates")
            }
            guard certificate.securityBits >= 112 else {
                throw TLSError(
                    .weakKey, path: path,
                    reason: "the key of certificate \(index + 1) in it is too short (\(certificate.securityBits) bits "
                        + "of security): use an authority with RSA of at least 2048 bits or P-256")
            }
        }
        guard found.contains(where: \.isSelfIssued) else {
            throw TLSError(
                .contents, path: path,
                reason: "holds no root (an authority that has signed itself): add it to the file, chains end there")
        }
        let moment = now ?? CertificateTime.now
        guard found.contains(where: { $0.isSelfIssued && $0.validFrom <= moment && moment <= $0.validUntil }) else {
            throw TLSError(
                .expired, path: path, reason: "every root in it has expired or is not valid yet: put a valid one there")
        }
        let lists: RevocationLists? =
            if let revocationFile { try RevocationLists.load(path: revocationFile) } else { nil }
        let names = found.map(\.fingerprint).joined(separator: ",")
        return ClientTrust(
            authorities: found.map(\.der), isRequired: isRequired,
            fingerprint: names + (lists.map { ";" + $0.fingerprint } ?? ""),
            admission: names + (lists.map { ";" + $0.revoked } ?? ""),
            verifier: try PeerVerifier(authorities: found, lists: lists, purpose: .client, host: nil), lists: lists,
            rootsEnd: found.filter(\.isSelfIssued).map(\.validUntil).max() ?? 0)
    }
}
