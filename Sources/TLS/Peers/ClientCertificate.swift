/// What a client's certificate says of it, once the handshake has had it judged by `PeerVerifier`.
package struct ClientCertificate: Sendable, Equatable {
    /// For people: the subject, else an alternative name, else the fingerprint.
    package let name: String
    package let subject: DistinguishedName
    package let alternativeNames: Set<AlternativeName>
    /// SHA-256 of the DER form: `AB:CD:…`.
    package let fingerprint: String
    /// Seconds since 1970.
    package let validUntil: Int64

    package init(der: [UInt8]) throws(TLSError) {
        guard let certificate = Certificate(der: der) else {
            throw TLSError(.contents, reason: "the client's certificate cannot be read")
        }
        do throws(DistinguishedName.Failure) {
            subject = try DistinguishedName(parsing: certificate.distinguishedName)
        } catch {
            throw TLSError(.contents, reason: "the subject of the client's certificate cannot be read: \(error)")
        }
        alternativeNames = certificate.namesByKind
        fingerprint = certificate.fingerprint
        validUntil = certificate.validUntil
        let alternative = alternativeNames.map(\.description).min()
        name = subject.isEmpty ? alternative ?? fingerprint : subject.description
    }

    /// - Parameter now: seconds since 1970; nil asks the clock.
    package func hasExpired(now: Int64? = nil) -> Bool { validUntil < now ?? CertificateTime.now }
}
