import COpenSSL

/// A request for a certificate (PKCS#10), for the authority of the plant.
package struct SigningRequest: Sendable, Equatable {
    package let pem: [UInt8]
    /// Of its key, base64 of SHA-256.
    package let pin: String
    package let key: String
    package let names: [String]

    /// - Parameters:
    ///   - subject: the most specific part first, as RFC 4514 writes it.
    ///   - names: host names and addresses, for the subject alternative names.
    init(
        key: PrivateKey, subject: DistinguishedName, names: SubjectNames, purposes: Set<IdentityPurpose>
    ) throws(TLSError) {
        guard let request = unsafe X509_REQ_new() else { throw SigningRequest.failure() }
        defer { unsafe X509_REQ_free(request) }
        guard unsafe X509_REQ_set_version(request, 0) == 1,
            unsafe key.withUnsafePointer({ unsafe X509_REQ_set_pubkey(request, $0) }) == 1
        else { throw SigningRequest.failure() }
        unsafe try subject.write(to: X509_REQ_get_subject_name(request))
        guard let extensions = unsafe sallyport_extensions_new() else { throw SigningRequest.failure() }
        defer { unsafe sallyport_extensions_free(extensions) }
        let usage = [IdentityPurpose.server: "serverAuth", .client: "clientAuth"]
        let purposes = IdentityPurpose.allCases.filter { purposes.contains($0) }.compactMap { usage[$0] }
        let made = unsafe [
            X509V3_EXT_conf_nid(nil, nil, NID_basic_constraints, "critical,CA:FALSE"),
            X509V3_EXT_conf_nid(nil, nil, NID_key_usage, "critical,digitalSignature"),
            X509V3_EXT_conf_nid(nil, nil, NID_ext_key_usage, purposes.joined(separator: ",")),
            names.extension(),
        ]
        // Those behind one that could not be made are taken over all the same, to be freed with the stack.
        let isComplete = unsafe made.reduce(true) { isComplete, part in
            guard let part = unsafe part else { return false }
            return unsafe sallyport_extensions_add(extensions, part) == 1 && isComplete
        }
        guard isComplete else { throw SigningRequest.failure() }
        let digest = key.publicKey.text == "P-384" ? unsafe EVP_sha384() : unsafe EVP_sha256()
        guard unsafe X509_REQ_add_extensions(request, extensions) == 1,
            unsafe key.withUnsafePointer({ unsafe X509_REQ_sign(request, $0, digest) }) > 0,
            let memory = MemoryBIO(), unsafe PEM_write_bio_X509_REQ(memory.pointer, request) == 1
        else { throw SigningRequest.failure() }
        pem = memory.contents
        pin = key.publicKey.pin
        self.key = key.publicKey.text
        self.names = names.all
    }

    private static func failure() -> TLSError {
        TLSError(.library, reason: "OpenSSL cannot make the request: \(OpenSSLErrors.take())")
    }
}

extension SubjectNames {
    var all: [String] { hostNames + addresses.map(\.text) }

    /// The subject alternative names; the caller frees it. nil when out of memory. There is at least one name.
    func `extension`() -> OpaquePointer? {
        guard let list = unsafe sallyport_names_new() else { return nil }
        defer { unsafe GENERAL_NAMES_free(list) }
        for name in hostNames {
            let bytes = Array(name.utf8)
            guard unsafe sallyport_names_add(list, GEN_DNS, bytes, Int32(bytes.count)) == 1 else { return nil }
        }
        for address in addresses {
            guard unsafe sallyport_names_add(list, GEN_IPADD, address.bytes, Int32(address.bytes.count)) == 1 else {
                return nil
            }
        }
        return unsafe X509V3_EXT_i2d(NID_subject_alt_name, 0, UnsafeMutableRawPointer(list))
    }
}

extension DistinguishedName {
    /// Adds the parts to a name of OpenSSL's, which has the most specific part last.
    fileprivate func write(to name: OpaquePointer?) throws(TLSError) {
        for part in values.reversed() {
            var isFirst = true
            for (type, value) in part {
                let kind = unsafe OBJ_txt2nid(type)
                guard kind != NID_undef else {
                    throw TLSError(
                        .contents,
                        reason: "the subject has an unknown part \(type): CN, O, OU, C, L and "
                            + "ST are")
                }
                guard
                    unsafe X509_NAME_add_entry_by_NID(
                        name, kind, MBSTRING_UTF8, value, Int32(clamping: value.count), -1, isFirst ? 0 : -1) == 1
                else {
                    throw TLSError(
                        .contents, reason: "the subject's part \(type) cannot be so: \(OpenSSLErrors.take())")
                }
                isFirst = false
            }
        }
    }
}
