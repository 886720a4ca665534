import COpenSSL

extension CertificateBundle {
    private static let safeLimit: Int32 = 64
    private static let depthLimit = 4

    /// Everything in a PKCS#12 file. `PKCS12_parse` would give one key and take any number of rounds.
    mutating func readPKCS12(_ file: OpaquePointer, path: String, password: Secret?) throws(TLSError) {
        var work = KeyDerivation()
        let password = unsafe try opening(file, path: path, password: password, &work)
        guard let safes = unsafe PKCS12_unpack_authsafes(file) else { throw CertificateBundle.damagedPKCS12(path) }
        defer { unsafe sallyport_safes_free(safes) }
        let count = unsafe sallyport_safes_count(safes)
        guard count <= CertificateBundle.safeLimit else { throw CertificateBundle.damagedPKCS12(path) }
        for index in 0..<max(0, count) {
            guard let safe = unsafe sallyport_safes_at(safes, index) else { continue }
            let bags: OpaquePointer?
            if unsafe sallyport_safe_is_plain(safe) == 1 {
                unsafe bags = PKCS12_unpack_p7data(safe)
                guard unsafe bags != nil else { throw CertificateBundle.damagedPKCS12(path) }
            } else if let algorithm = unsafe sallyport_safe_encryption(safe) {
                try work.spend(unsafe sallyport_derivation_rounds(algorithm), path: path)
                ERR_clear_error()
                unsafe bags = unsafe password.withCharacters { unsafe PKCS12_unpack_p7encdata(safe, $0, $1) }
                guard unsafe bags != nil else { throw CertificateBundle.undecrypted(path, "what it holds") }
            } else {
                throw TLSError(
                    .contents, path: path,
                    reason: "is encrypted for a public key, not with a password: export it with a password")
            }
            guard let bags = unsafe bags else { continue }
            defer { unsafe sallyport_bags_free(bags) }
            unsafe try read(bags, depth: 0, path: path, password, &work)
        }
        guard !certificates.isEmpty || !keys.isEmpty else {
            throw TLSError(.contents, path: path, reason: "is a PKCS#12 file without certificates and keys")
        }
    }

    /// The password that the file's integrity code was made with; without a code, the one given.
    private func opening(
        _ file: OpaquePointer, path: String, password: Secret?, _ work: inout KeyDerivation
    ) throws(TLSError) -> PKCS12Password {
        let candidates: [PKCS12Password] = password.map { [PKCS12Password($0)] } ?? [.empty, .none]
        guard unsafe PKCS12_mac_present(file) == 1 else { return candidates[0] }
        var iterations: UnsafePointer<ASN1_INTEGER>?
        unsafe PKCS12_get0_mac(nil, nil, nil, &iterations, file)
        let rounds = unsafe sallyport_number(iterations)
        for candidate in candidates {
            try work.spend(rounds, path: path)
            ERR_clear_error()
            if unsafe candidate.withCharacters({ unsafe PKCS12_verify_mac(file, $0, $1) }) == 1 { return candidate }
        }
        let reason = OpenSSLErrors.takeLastReason()
        guard reason == 0 || reason == PKCS12_R_MAC_VERIFY_FAILURE else {
            throw TLSError(
                .contents, path: path,
                reason: "has an integrity code that OpenSSL cannot compute: have it exported with HMAC and SHA-256")
        }
        guard password != nil else {
            throw TLSError(.password, path: path, reason: "is protected by a password: it is needed")
        }
        throw TLSError(.password, path: path, reason: "the password does not open it")
    }

    private mutating func read(
        _ bags: OpaquePointer, depth: Int, path: String, _ password: PKCS12Password, _ work: inout KeyDerivation
    ) throws(TLSError) {
        guard depth < CertificateBundle.depthLimit else { throw CertificateBundle.damagedPKCS12(path) }
        for index in 0..<max(0, unsafe sallyport_bags_count(bags)) {
            guard let bag = unsafe sallyport_bags_at(bags, index) else { continue }
            switch unsafe PKCS12_SAFEBAG_get_nid(bag) {
            case NID_keyBag:
                guard let plain = unsafe PKCS12_SAFEBAG_get0_p8inf(bag), let key = unsafe EVP_PKCS82PKEY(plain) else {
                    throw TLSError(.contents, path: path, reason: "a key in it is damaged, or of an unknown kind")
                }
                unsafe try add(PrivateKey(takingOwnershipOf: key), path: path)
            case NID_pkcs8ShroudedKeyBag:
                guard let sealed = unsafe PKCS12_SAFEBAG_get0_pkcs8(bag) else {
                    throw CertificateBundle.damagedPKCS12(path)
                }
                unsafe try readEncryptedKey(sealed, path: path, passwords: [password.secret], &work)
            case NID_certBag:
                // A type of certificate that nobody uses any more is no reason to refuse the others.
                guard unsafe PKCS12_SAFEBAG_get_bag_nid(bag) == NID_x509Certificate else { continue }
                guard let certificate = unsafe PKCS12_SAFEBAG_get1_cert(bag) else {
                    throw TLSError(
                        .contents, path: path, reason: "certificate \(certificates.count + 1) in it is damaged")
                }
                unsafe try add(Certificate(takingOwnershipOf: certificate), path: path)
            case NID_safeContentsBag:
                guard let inner = unsafe PKCS12_SAFEBAG_get0_safes(bag) else { continue }
                unsafe try read(inner, depth: depth + 1, path: path, password, &work)
            default:
                continue
            }
        }
    }

    private static func damagedPKCS12(_ path: String) -> TLSError {
        TLSError(.contents, path: path, reason: "is a damaged PKCS#12 file")
    }
}

/// A password as PKCS#12 knows it, where an empty one is not the same as none.
private struct PKCS12Password {
    static let empty = PKCS12Password(Secret(bytes: []))
    static let none = PKCS12Password(nil)

    private let given: Secret?

    init(_ secret: Secret?) { given = secret }

    /// What a key under PKCS#8 is opened with.
    var secret: Secret { given ?? Secret(bytes: []) }

    func withCharacters<Outcome>(_ body: (UnsafePointer<CChar>?, Int32) -> Outcome) -> Outcome {
        guard let given else { return body(nil, 0) }
        // OpenSSL reads a zero behind it in places.
        return unsafe (given.bytes + [0]).withUnsafeBufferPointer { buffer in
            unsafe buffer.withMemoryRebound(to: CChar.self) {
                unsafe body($0.baseAddress, Int32(clamping: given.bytes.count))
            }
        }
    }
}
