/// From when until when something counts. Seconds since 1970.
package struct CertificateTerm: Sendable, Equatable {
    package var from: Int64
    package var until: Int64

    package init(from: Int64, until: Int64) {
        self.from = from
        self.until = until
    }

    /// Of the certificates of a PEM file, its leaf first. Blocks on the disk, as the others do.
    package static func ofCertificate(_ path: String) throws(TLSError) -> CertificateTerm {
        CertificateTerm(ofChain: try Certificate.all(inPEM: BoundedFile(path: path).bytes, path: path))
    }

    /// From the leaf's beginning to the first end in the chain: peers refuse it all from there on.
    ///
    /// - Parameter chain: leaf first, not empty.
    init(ofChain chain: [Certificate]) {
        self.init(from: chain[0].validFrom, until: chain.map(\.validUntil).min() ?? chain[0].validUntil)
    }

    /// Of the authority in a PEM file that lasts longest, a root where there is one: nothing is trusted beyond it.
    package static func ofAuthorities(_ path: String) throws(TLSError) -> CertificateTerm {
        let all = try Certificate.all(inPEM: BoundedFile(path: path).bytes, path: path)
        let roots = all.filter(\.isSelfIssued)
        let last = (roots.isEmpty ? all : roots).max { $0.validUntil < $1.validUntil } ?? all[0]
        return CertificateTerm(from: last.validFrom, until: last.validUntil)
    }

    /// Of the revocation list in a PEM or DER file that is due first; nil when none says when the next comes.
    package static func ofRevocationLists(_ path: String) throws(TLSError) -> CertificateTerm? {
        let bytes = try RevocationLists.contents(of: path)
        return try RevocationList.all(in: bytes, path: path).compactMap(\.term).min { $0.until < $1.until }
    }
}
