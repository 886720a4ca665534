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
        isAuthority: Bool = false, valid: Range<Int> = -60..<86_400, key kind: Key = .p256
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
        let signed = X509_sign(certificate, issuer?.key ?? key, EVP_sha256())
        #expect(signed > 0)
    }

    deinit {
        X509_free(certificate)
        EVP_PKEY_free(key)
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
