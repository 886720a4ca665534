import COpenSSL
import Glibc

extension Certificate {
    /// A server's certificate signed with its own key: serverAuth, no authority.
    ///
    /// - Parameters:
    ///   - from: seconds since 1970.
    ///   - until: seconds since 1970.
    static func selfSigned(
        key: PrivateKey, commonName: String, names: SubjectNames, from: Int64, until: Int64
    ) throws(TLSError) -> Certificate {
        guard let made = unsafe X509_new() else { throw failure() }
        let certificate = unsafe Certificate(takingOwnershipOf: made)
        // 127 random bits: positive, and unique without a register.
        var serial = [UInt8](repeating: 0, count: 16)
        guard unsafe RAND_bytes(&serial, 16) == 1 else { throw failure() }
        serial[0] = serial[0] & 0x7F | 0x40
        guard let number = unsafe BN_bin2bn(serial, 16, nil) else { throw failure() }
        defer { unsafe BN_free(number) }
        let subject = unsafe X509_get_subject_name(made)
        guard unsafe BN_to_ASN1_INTEGER(number, X509_get_serialNumber(made)) != nil,
            unsafe X509_set_version(made, 2) == 1,
            unsafe ASN1_TIME_set(X509_getm_notBefore(made), time_t(from)) != nil,
            unsafe ASN1_TIME_set(X509_getm_notAfter(made), time_t(until)) != nil,
            unsafe X509_NAME_add_entry_by_txt(
                subject, "CN", MBSTRING_UTF8, fitting(commonName), -1, -1, 0) == 1,
            unsafe X509_set_issuer_name(made, subject) == 1,
            unsafe key.withUnsafePointer({ unsafe X509_set_pubkey(made, $0) }) == 1
        else { throw failure() }
        try unsafe add(NID_basic_constraints, "critical,CA:FALSE", to: made)
        try unsafe add(NID_key_usage, "critical,digitalSignature", to: made)
        try unsafe add(NID_ext_key_usage, "serverAuth", to: made)
        try unsafe add(NID_subject_key_identifier, "hash", to: made)
        try unsafe add(names, to: made)
        guard unsafe key.withUnsafePointer({ unsafe X509_sign(made, $0, EVP_sha256()) }) > 0 else { throw failure() }
        return certificate
    }

    func pem() throws(TLSError) -> [UInt8] {
        guard let memory = MemoryBIO(),
            unsafe withUnsafePointer({ unsafe PEM_write_bio_X509(memory.pointer, $0) }) == 1
        else { throw Self.failure() }
        return memory.contents
    }

    /// X.520 allows 64 characters in a common name. Only people read it.
    private static func fitting(_ commonName: String) -> String {
        commonName.isEmpty ? "sallyport" : String(String.UnicodeScalarView(commonName.unicodeScalars.prefix(64)))
    }

    private static func add(_ kind: Int32, _ value: String, to certificate: OpaquePointer) throws(TLSError) {
        var context = unsafe X509V3_CTX()
        unsafe X509V3_set_ctx(&context, certificate, certificate, nil, nil, 0)
        guard let made = unsafe X509V3_EXT_conf_nid(nil, &context, kind, value) else { throw failure() }
        defer { unsafe X509_EXTENSION_free(made) }
        guard unsafe X509_add_ext(certificate, made, -1) == 1 else { throw failure() }
    }

    private static func add(_ names: SubjectNames, to certificate: OpaquePointer) throws(TLSError) {
        guard !names.hostNames.isEmpty || !names.addresses.isEmpty else { return }
        guard let made = unsafe names.extension() else { throw failure() }
        defer { unsafe X509_EXTENSION_free(made) }
        guard unsafe X509_add_ext(certificate, made, -1) == 1 else { throw failure() }
    }

    private static func failure() -> TLSError {
        TLSError(.library, reason: "OpenSSL cannot make the default certificate: \(OpenSSLErrors.take())")
    }
}
