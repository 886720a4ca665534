import COpenSSL

/// The keys that are made here.
package enum KeyKind: String, Sendable, Codable, CaseIterable {
    case p256
    case p384
    case rsa3072
}

extension PrivateKey {
    static func make(_ kind: KeyKind) throws(TLSError) -> PrivateKey {
        let made =
            switch kind {
            case .p256: unsafe sallyport_make_p256()
            case .p384: unsafe sallyport_make_p384()
            case .rsa3072: unsafe sallyport_make_rsa(3072)
            }
        guard let made = unsafe made else {
            throw TLSError(.library, reason: "OpenSSL cannot make a key: \(OpenSSLErrors.take())")
        }
        return unsafe PrivateKey(takingOwnershipOf: made)
    }

    /// PKCS#8, not encrypted.
    convenience init?(der: [UInt8]) {
        let parsed = unsafe der.withUnsafeBufferPointer { buffer -> OpaquePointer? in
            var cursor = buffer.baseAddress
            return unsafe d2i_AutoPrivateKey(nil, &cursor, buffer.count)
        }
        ERR_clear_error()
        guard let parsed = unsafe parsed else { return nil }
        unsafe self.init(takingOwnershipOf: parsed)
    }

    /// PKCS#8 in DER, not encrypted.
    func der() throws(TLSError) -> Secret {
        guard let memory = MemoryBIO(),
            unsafe withUnsafePointer({ unsafe i2d_PKCS8PrivateKey_bio(memory.pointer, $0, nil, nil, 0, nil, nil) }) == 1
        else { throw TLSError(.library, reason: "OpenSSL cannot write the key: \(OpenSSLErrors.take())") }
        return Secret(bytes: memory.contents)
    }

    /// PKCS#8 in PEM, encrypted with AES-256 where there is a password.
    func pem(password: Secret?) throws(TLSError) -> Secret {
        guard let password else { return try pem() }
        guard password.bytes.count <= TLSIdentityOptions.longestKeyPassword else {
            throw TLSError(
                .password,
                reason: "the password of the key has more than \(TLSIdentityOptions.longestKeyPassword) bytes")
        }
        guard let plain = unsafe withUnsafePointer({ unsafe EVP_PKEY2PKCS8($0) }) else {
            throw TLSError(.library, reason: "OpenSSL cannot write the key: \(OpenSSLErrors.take())")
        }
        defer { unsafe PKCS8_PRIV_KEY_INFO_free(plain) }
        let encrypted = unsafe password.bytes.withUnsafeBytes { bytes in
            unsafe PKCS8_encrypt(
                -1, EVP_aes_256_cbc(), bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count), nil,
                0, KeyDerivation.ownRounds, plain)
        }
        guard let encrypted = unsafe encrypted else {
            throw TLSError(.library, reason: "OpenSSL cannot encrypt the key: \(OpenSSLErrors.take())")
        }
        defer { unsafe X509_SIG_free(encrypted) }
        guard let memory = MemoryBIO(), unsafe PEM_write_bio_PKCS8(memory.pointer, encrypted) == 1 else {
            throw TLSError(.library, reason: "OpenSSL cannot write the key: \(OpenSSLErrors.take())")
        }
        return Secret(bytes: memory.contents)
    }

    var publicKey: PublicKey { unsafe withUnsafePointer { unsafe PublicKey($0) } }

    /// A key that has been damaged, or made to be weak, is none to go on with.
    var isConsistent: Bool {
        defer { ERR_clear_error() }
        return unsafe withUnsafePointer { key in
            guard let context = unsafe EVP_PKEY_CTX_new(key, nil) else { return false }
            defer { unsafe EVP_PKEY_CTX_free(context) }
            return unsafe EVP_PKEY_pairwise_check(context) == 1
        }
    }
}

/// How long a file may make us work on its password. Whoever made it chose the number of rounds, and a number that
/// would take days costs them nothing.
struct KeyDerivation {
    /// Of keys that we encrypt.
    static let ownRounds: Int32 = 100_000
    /// Of one key or container: the most that products write is 1,000,000; scrypt is counted as N × r × p.
    static let mostRounds: Int64 = 4_000_000

    /// What one file may take altogether, each container and each password that is tried.
    private var left: Int64 = 8_000_000

    mutating func spend(_ rounds: Int64, path: String) throws(TLSError) {
        guard rounds >= 0 else {
            throw TLSError(
                .contents, path: path,
                reason: "is encrypted in a way that OpenSSL does not "
                    + "know\(KeyDerivation.remedy)")
        }
        guard rounds <= KeyDerivation.mostRounds, rounds <= left else {
            throw TLSError(
                .contents, path: path,
                reason: "wants more rounds for its password than are reasonable "
                    + "(\(rounds == .max ? "more than can be counted" : "\(rounds)"); "
                    + "\(KeyDerivation.mostRounds) are the limit): have it made anew with fewer")
        }
        left -= rounds
    }

    static let remedy = ": convert it with: openssl pkcs12 -legacy -in FILE -out FILE.pem"
}
