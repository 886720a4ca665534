import COpenSSL
import Testing

/// A certificate and its key made in memory, good or bad in any way.
final class ForgedCertificate {
    enum Key {
        case p256
        case rsa(bits: Int32)
    }

    let certificate: OpaquePointer
    let key: OpaquePointer

    /// - Parameters:
    ///   - issuer: nil: self-signed.
    ///   - names: as OpenSSL writes them, `DNS:localhost,IP:127.0.0.1`; nil: none.
    ///   - valid: seconds from now.
    init(
        subject: String, issuer: ForgedCertificate? = nil, names: String? = nil, usage: String? = "serverAuth",
        isAuthority: Bool = false, valid: Range<Int> = -60..<86_400, key kind: Key = .p256,
        digest: OpaquePointer? = EVP_sha256()
    ) throws {
        let made =
            switch kind {
            case .p256: sallyport_make_p256()
            case .rsa(let bits): sallyport_make_rsa(bits)
            }
        key = try #require(made)
        certificate = try #require(X509_new())
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), .random(in: 1...UInt64(Int64.max)))
        X509_gmtime_adj(X509_getm_notBefore(certificate), valid.lowerBound)
        X509_gmtime_adj(X509_getm_notAfter(certificate), valid.upperBound)
        X509_set_pubkey(certificate, key)
        let name = X509_get_subject_name(certificate)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, subject, -1, -1, 0)
        X509_set_issuer_name(certificate, X509_get_subject_name(issuer?.certificate ?? certificate))
        try add(NID_basic_constraints, isAuthority ? "critical,CA:TRUE" : "critical,CA:FALSE")
        if let names { try add(NID_subject_alt_name, names) }
        if let usage, !isAuthority { try add(NID_ext_key_usage, usage) }
        let signed = X509_sign(certificate, issuer?.key ?? key, digest)
        #expect(signed > 0)
    }

    deinit {
        X509_free(certificate)
        EVP_PKEY_free(key)
    }

    var certificateDER: [UInt8] {
        let count = i2d_X509(certificate, nil)
        return [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, written in
            var cursor = buffer.baseAddress
            written = Int(i2d_X509(certificate, &cursor))
        }
    }

    /// SHA-256 of the public key, by another way than the code under test goes.
    var publicKeyDigest: [UInt8]? {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        let encoded = pem { i2d_PUBKEY_bio($0, key) }
        guard EVP_Digest(encoded, encoded.count, &digest, &count, EVP_sha256(), nil) == 1 else { return nil }
        return Array(digest.prefix(Int(count)))
    }

    /// A revocation list of this authority.
    ///
    /// - Parameters:
    ///   - valid: seconds from now.
    ///   - signer: whose key signs it; nil: its own.
    func revocationList(
        of revoked: [ForgedCertificate] = [], valid: Range<Int> = -60..<86_400,
        signedBy signer: ForgedCertificate? = nil,
        isDER: Bool = false, extending added: (kind: Int32, value: String)? = nil
    ) throws -> [UInt8] {
        let list = try #require(X509_CRL_new())
        defer { X509_CRL_free(list) }
        let (from, until) = (X509_gmtime_adj(nil, valid.lowerBound), X509_gmtime_adj(nil, valid.upperBound))
        defer {
            ASN1_TIME_free(from)
            ASN1_TIME_free(until)
        }
        X509_CRL_set_version(list, 1)
        X509_CRL_set_issuer_name(list, X509_get_subject_name(certificate))
        X509_CRL_set1_lastUpdate(list, from)
        X509_CRL_set1_nextUpdate(list, until)
        for certificate in revoked {
            let entry = try #require(X509_REVOKED_new())
            X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate.certificate))
            X509_REVOKED_set_revocationDate(entry, from)
            X509_CRL_add0_revoked(list, entry)
        }
        X509_CRL_sort(list)
        if let added {
            let made = try #require(X509V3_EXT_conf_nid(nil, nil, added.kind, added.value))
            defer { X509_EXTENSION_free(made) }
            X509_CRL_add_ext(list, made, -1)
        }
        try #require(X509_CRL_sign(list, (signer ?? self).key, EVP_sha256()) > 0)
        return pem { isDER ? i2d_X509_CRL_bio($0, list) : PEM_write_bio_X509_CRL($0, list) }
    }

    var certificatePEM: [UInt8] {
        pem { PEM_write_bio_X509($0, certificate) }
    }

    var keyPEM: [UInt8] {
        pem { PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) }
    }

    func encryptedKeyPEM(password: String) -> [UInt8] {
        pem {
            PEM_write_bio_PKCS8PrivateKey($0, key, EVP_aes_256_cbc(), password, Int32(password.utf8.count), nil, nil)
        }
    }

    private func pem(_ write: (OpaquePointer?) -> Int32) -> [UInt8] {
        let memory = BIO_new(BIO_s_mem())
        defer { BIO_free(memory) }
        guard write(memory) == 1 else { return [] }
        var start: UnsafeMutablePointer<CChar>?
        let count = sallyport_memory_contents(memory, &start)
        return Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    private func add(_ kind: Int32, _ value: String) throws {
        let made = try #require(X509V3_EXT_conf_nid(nil, nil, kind, value))
        defer { X509_EXTENSION_free(made) }
        X509_add_ext(certificate, made, -1)
    }
}
