import COpenSSL

/// From when until when something counts. Seconds since 1970.
package struct CertificateTerm: Sendable, Equatable {
    package var from: Int64
    package var until: Int64

    package init(from: Int64, until: Int64) {
        self.from = from
        self.until = until
    }

    /// Of the leaf, the first certificate of a PEM file. Blocks on the disk, as the others do.
    package static func ofCertificate(_ path: String) throws(TLSError) -> CertificateTerm {
        let chain = try Certificate.all(inPEM: BoundedFile(path: path).bytes, path: path)
        return CertificateTerm(from: chain[0].validFrom, until: chain[0].validUntil)
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
        let bytes = try BoundedFile(path: path).bytes
        ERR_clear_error()
        defer { ERR_clear_error() }
        var terms: [CertificateTerm?] = []
        let memory = try MemoryBIO(reading: bytes)
        while let list = unsafe PEM_read_bio_X509_CRL(memory.pointer, nil, noPassword, nil) {
            unsafe terms.append(take(list))
        }
        if terms.isEmpty {
            let memory = try MemoryBIO(reading: bytes)
            defer { withExtendedLifetime(memory) {} }
            if let list = unsafe d2i_X509_CRL_bio(memory.pointer, nil) { unsafe terms.append(take(list)) }
        }
        guard !terms.isEmpty else {
            throw TLSError(.contents, path: path, reason: "holds no revocation list (-----BEGIN X509 CRL-----)")
        }
        return terms.compactMap(\.self).min { $0.until < $1.until }
    }

    /// Takes over the caller's reference.
    private static func take(_ list: OpaquePointer) -> CertificateTerm? {
        defer { unsafe X509_CRL_free(list) }
        guard let next = unsafe X509_CRL_get0_nextUpdate(list) else { return nil }
        return unsafe CertificateTerm(
            from: CertificateTime.seconds(X509_CRL_get0_lastUpdate(list)), until: CertificateTime.seconds(next))
    }
}
