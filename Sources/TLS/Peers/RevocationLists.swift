import COpenSSL

/// The certificate revocation lists of one file.
package struct RevocationLists: Sendable {
    /// Those of large authorities have megabytes.
    package static let sizeLimit = 16 << 20

    package let path: String
    /// Tells one set of revoked certificates from another; lists that were only issued anew have the same.
    let revoked: String
    /// Tells one file from another.
    package let fingerprint: String
    private let lists: [RevocationList]

    /// Reads the file: PEM with one or several lists, or DER with one. It blocks on the disk: not for the cooperative
    /// thread pool. Signatures and times are looked at when a certificate is judged.
    package static func load(path: String) throws(TLSError) -> RevocationLists {
        let bytes = try contents(of: path)
        let lists = try RevocationList.all(in: bytes, path: path)
        return RevocationLists(
            path: path, revoked: lists.map(\.revoked).joined(separator: ","),
            fingerprint: Digest.text(Digest.sha256(bytes)), lists: lists)
    }

    /// The whole file.
    static func contents(of path: String) throws(TLSError) -> [UInt8] {
        try BoundedFile(path: path, limit: sizeLimit, what: "revocation list").bytes
    }

    /// False when OpenSSL has no memory.
    func add(to store: OpaquePointer) -> Bool { lists.allSatisfy { unsafe $0.add(to: store) } }

    /// Why the lists of the certificate's issuer say nothing any more: each was to be replaced before `now`. nil while one
    /// serves, or where there is none.
    func lapse(for certificate: Certificate, now: Int64) -> String? {
        let own = unsafe certificate.withUnsafePointer { certificate in
            lists.filter { unsafe $0.isOf(X509_get_issuer_name(certificate)) }
        }
        let terms = own.compactMap(\.term)
        guard !own.isEmpty, terms.count == own.count, let last = terms.map(\.until).max(), last < now else {
            return nil
        }
        return "the revocation list of \(certificate.issuer) has expired on \(CertificateTime.text(last)): put a newer "
            + "one into \(path)"
    }

    /// Whether one of them bears this issuer's name.
    func hasList(of issuer: OpaquePointer?) -> Bool { lists.contains { unsafe $0.isOf(issuer) } }
}
