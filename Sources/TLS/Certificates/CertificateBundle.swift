import COpenSSL

/// What files from an authority hold: certificates and keys, whatever the files are called and in whatever order.
///
/// It reads PEM, DER, PKCS#7 and PKCS#12, and opens what a password protects. Whatever a file holds, it ends in bounded
/// time with a bundle or an error.
package struct CertificateBundle: Sendable, Equatable {
    /// Of all files of one import together: the certificates of a whole plant take less.
    package static let byteLimit = BoundedFile.limit
    static let certificateLimit = 100
    static let keyLimit = 16

    /// DER, in the order found, each once.
    package private(set) var certificates: [[UInt8]] = []
    /// PKCS#8 in DER, not encrypted.
    package private(set) var keys: [Secret] = []
    /// Of all files read.
    private var byteCount = 0

    package init() {}

    /// What another process has read; checked again by whoever uses it.
    package init(certificates: [[UInt8]], keys: [Secret]) {
        self.certificates = certificates
        self.keys = keys
    }

    /// Reads a file into the bundle. It blocks on the disk.
    ///
    /// - Parameters:
    ///   - path: as the operator named it.
    ///   - password: of the file, nil for none.
    /// - Throws: with code `password` where the file needs one, or another one.
    package mutating func read(path: String, password: Secret? = nil) throws(TLSError) {
        try read(BoundedFile(path: path).bytes, path: path, password: password)
    }

    /// - Parameter path: for messages.
    package mutating func read(_ bytes: [UInt8], path: String, password: Secret? = nil) throws(TLSError) {
        var copy = self
        guard bytes.count <= CertificateBundle.byteLimit else {
            throw TLSError(.contents, path: path, reason: "is larger than 1 MiB, so it is no certificate or key file")
        }
        copy.byteCount += bytes.count
        guard copy.byteCount <= CertificateBundle.byteLimit else {
            throw TLSError(.contents, path: path, reason: "is, with the files before it, larger than 1 MiB")
        }
        guard !bytes.isEmpty else { throw TLSError(.contents, path: path, reason: "is empty") }
        ERR_clear_error()
        defer { ERR_clear_error() }
        if bytes.first == 0x30 {
            try copy.readDER(bytes, path: path, password: password)
        } else {
            try copy.readPEM(bytes, path: path, password: password)
        }
        self = copy
    }

    mutating func add(_ certificate: Certificate, path: String) throws(TLSError) {
        let der = certificate.der
        guard !certificates.contains(der) else { return }
        guard certificates.count < CertificateBundle.certificateLimit else {
            throw TLSError(
                .contents, path: path,
                reason: "holds more than \(CertificateBundle.certificateLimit) certificates: leave those of the chain")
        }
        certificates.append(der)
    }

    mutating func add(_ key: PrivateKey, path: String) throws(TLSError) {
        let key = try key.der()
        guard !keys.contains(key) else { return }
        guard keys.count < CertificateBundle.keyLimit else {
            throw TLSError(
                .contents, path: path,
                reason: "holds more than \(CertificateBundle.keyLimit) keys: leave the certificate's")
        }
        keys.append(key)
    }

    /// One structure; what it is shows only when it is read.
    private mutating func readDER(_ bytes: [UInt8], path: String, password: Secret?) throws(TLSError) {
        if let certificate = Certificate(der: bytes) { return try add(certificate, path: path) }
        if let file = unsafe CertificateBundle.parsed(bytes, d2i_PKCS12) {
            defer { unsafe PKCS12_free(file) }
            return unsafe try readPKCS12(file, path: path, password: password)
        }
        if let file = unsafe CertificateBundle.parsed(bytes, d2i_PKCS7) {
            defer { unsafe PKCS7_free(file) }
            return unsafe try readPKCS7(file, path: path)
        }
        if let sealed = unsafe CertificateBundle.parsed(bytes, d2i_X509_SIG) {
            defer { unsafe X509_SIG_free(sealed) }
            var work = KeyDerivation()
            return unsafe try readEncryptedKey(sealed, path: path, passwords: [password], &work)
        }
        if let key = PrivateKey(der: bytes) { return try add(key, path: path) }
        throw TLSError(
            .contents, path: path,
            reason: "is damaged, or no certificate, key, PKCS#12 (.p12, .pfx) or PKCS#7 (.p7b) file")
    }

    /// The bytes as such a structure, which the caller frees; nil when they are something else.
    static func parsed<Structure>(
        _ bytes: [UInt8],
        _ parse: (UnsafeMutablePointer<Structure?>?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, Int) -> Structure?
    ) -> Structure? {
        let parsed = unsafe bytes.withUnsafeBufferPointer { buffer in
            var cursor = buffer.baseAddress
            return unsafe parse(nil, &cursor, buffer.count)
        }
        ERR_clear_error()
        return parsed
    }

    mutating func readPKCS7(_ file: UnsafeMutablePointer<PKCS7>, path: String) throws(TLSError) {
        let lent = unsafe sallyport_signed_certificates(file)
        let count = unsafe sallyport_certificates_count(lent)
        guard count > 0 else {
            throw TLSError(.contents, path: path, reason: "is a PKCS#7 file without certificates")
        }
        for index in 0..<count {
            guard let certificate = unsafe sallyport_certificates_at(lent, index), unsafe X509_up_ref(certificate) == 1
            else { continue }
            unsafe try add(Certificate(takingOwnershipOf: certificate), path: path)
        }
    }

    /// A PKCS#8 key under a password.
    ///
    /// - Parameter passwords: tried in turn; nil is none.
    mutating func readEncryptedKey(
        _ sealed: OpaquePointer, path: String, passwords: [Secret?], _ work: inout KeyDerivation
    ) throws(TLSError) {
        var algorithm: UnsafePointer<X509_ALGOR>?
        unsafe X509_SIG_get0(sealed, &algorithm, nil)
        let rounds = unsafe sallyport_derivation_rounds(algorithm)
        for password in passwords {
            guard let password else { continue }
            try work.spend(rounds, path: path)
            ERR_clear_error()
            let opened = unsafe password.bytes.withUnsafeBytes { bytes in
                unsafe PKCS8_decrypt(
                    sealed, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(clamping: bytes.count))
            }
            guard let opened = unsafe opened else { continue }
            defer { unsafe PKCS8_PRIV_KEY_INFO_free(opened) }
            guard let key = unsafe EVP_PKCS82PKEY(opened) else {
                throw TLSError(.contents, path: path, reason: "the private key in it is damaged, or of an unknown kind")
            }
            return unsafe try add(PrivateKey(takingOwnershipOf: key), path: path)
        }
        guard passwords.contains(where: { $0 != nil }) else {
            throw TLSError(.password, path: path, reason: "the key is encrypted: its password is needed")
        }
        throw CertificateBundle.undecrypted(path, "the key")
    }

    /// Why something could not be opened although there was a password, from OpenSSL's queue.
    static func undecrypted(_ path: String, _ what: String) -> TLSError {
        var isUnsupported = false
        while true {
            let code = ERR_get_error()
            guard code != 0 else { break }
            let reason = ERR_GET_REASON(code)
            if reason == ERR_R_UNSUPPORTED
                || reason == EVP_R_UNSUPPORTED_ALGORITHM
                    && ERR_GET_LIB(code) == ERR_LIB_EVP
            {
                isUnsupported = true
            }
        }
        guard isUnsupported else {
            return TLSError(.password, path: path, reason: "the password does not open \(what)")
        }
        return TLSError(
            .contents, path: path,
            reason: "\(what) is encrypted with an old algorithm (RC2, DES) that OpenSSL has only in its legacy "
                + "provider\(KeyDerivation.remedy)")
    }
}
