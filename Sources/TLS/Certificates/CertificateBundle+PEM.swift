import COpenSSL

extension CertificateBundle {
    private static let blockLimit = 200
    private static let readKinds: Set<String> = [
        "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE", "PKCS7", "PKCS #7 SIGNED DATA", "PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY",
    ]

    /// Certificates and keys of a text file; other blocks, such as `DH PARAMETERS`, are left out.
    mutating func readPEM(_ bytes: [UInt8], path: String, password: Secret?) throws(TLSError) {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let memory = try MemoryBIO(reading: bytes.starts(with: mark) ? Array(bytes.dropFirst(3)) : bytes)
        var kinds: Set<String> = []
        var work = KeyDerivation()
        var count = 0
        while let block = PEMBlock(next: memory) {
            count += 1
            guard count <= CertificateBundle.blockLimit else {
                throw TLSError(
                    .contents, path: path, reason: "holds more than \(CertificateBundle.blockLimit) PEM blocks")
            }
            kinds.insert(block.kind)
            try read(block, number: count, path: path, password: password, &work)
        }
        guard OpenSSLErrors.takeLastReason() == PEM_R_NO_START_LINE else {
            throw TLSError(.contents, path: path, reason: "PEM block \(count + 1) in it is damaged")
        }
        guard kinds.isDisjoint(with: CertificateBundle.readKinds) else { return }
        if kinds.contains("CERTIFICATE REQUEST") || kinds.contains("NEW CERTIFICATE REQUEST") {
            throw TLSError(
                .contents, path: path,
                reason: "holds a certificate request: send it to the authority, and import the certificate that comes "
                    + "back")
        }
        throw TLSError(
            .contents, path: path,
            reason: "holds no certificate and no key: PEM (-----BEGIN CERTIFICATE-----), DER, PKCS#12 and PKCS#7 are "
                + "read")
    }

    private mutating func read(
        _ block: PEMBlock, number: Int, path: String, password: Secret?, _ work: inout KeyDerivation
    ) throws(TLSError) {
        switch block.kind {
        case "CERTIFICATE", "X509 CERTIFICATE":
            guard let certificate = Certificate(der: block.bytes) else {
                throw TLSError(.contents, path: path, reason: "certificate \(certificates.count + 1) in it is damaged")
            }
            try add(certificate, path: path)
        case "TRUSTED CERTIFICATE":
            // The certificate, and behind it what OpenSSL trusts it for.
            guard let parsed = unsafe CertificateBundle.parsed(block.bytes, d2i_X509_AUX) else {
                throw TLSError(.contents, path: path, reason: "certificate \(certificates.count + 1) in it is damaged")
            }
            unsafe try add(Certificate(takingOwnershipOf: parsed), path: path)
        case "PKCS7", "PKCS #7 SIGNED DATA":
            guard let parsed = unsafe CertificateBundle.parsed(block.bytes, d2i_PKCS7) else {
                throw TLSError(.contents, path: path, reason: "PEM block \(number) in it (PKCS#7) is damaged")
            }
            defer { unsafe PKCS7_free(parsed) }
            unsafe try readPKCS7(parsed, path: path)
        case "ENCRYPTED PRIVATE KEY":
            guard let parsed = unsafe CertificateBundle.parsed(block.bytes, d2i_X509_SIG) else {
                throw TLSError(.contents, path: path, reason: "the private key in it is damaged")
            }
            defer { unsafe X509_SIG_free(parsed) }
            unsafe try readEncryptedKey(parsed, path: path, passwords: [password], &work)
        case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
            try add(PrivateKey(pem: block.pem(), password: password, path: path), path: path)
        default:
            break
        }
    }
}

/// One block of a PEM file, decoded but, where it is encrypted in the traditional way, not opened.
private struct PEMBlock {
    /// What stands between `-----BEGIN ` and `-----`.
    let kind: String
    private let header: String
    let bytes: [UInt8]

    /// nil at the end, and where the next is damaged: OpenSSL's queue tells.
    init?(next memory: MemoryBIO) {
        var name: UnsafeMutablePointer<CChar>?
        var header: UnsafeMutablePointer<CChar>?
        var contents: UnsafeMutablePointer<UInt8>?
        var count = 0
        guard unsafe PEM_read_bio(memory.pointer, &name, &header, &contents, &count) == 1 else { return nil }
        defer {
            unsafe CRYPTO_free(name, nil, 0)
            unsafe CRYPTO_free(header, nil, 0)
            unsafe CRYPTO_clear_free(contents, max(0, count), nil, 0)
        }
        kind = unsafe name.map { unsafe String(cString: $0) } ?? ""
        self.header = unsafe header.map { unsafe String(cString: $0) } ?? ""
        bytes = unsafe Array(UnsafeBufferPointer(start: contents, count: max(0, count)))
    }

    /// The block as a file of its own.
    func pem() throws(TLSError) -> [UInt8] {
        guard let memory = MemoryBIO(),
            unsafe PEM_write_bio(memory.pointer, kind, header, bytes, bytes.count) > 0
        else { throw TLSError(.library, reason: "OpenSSL: \(OpenSSLErrors.take())") }
        return memory.contents
    }
}
