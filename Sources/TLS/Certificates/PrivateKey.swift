import COpenSSL

/// A private key; owns its `EVP_PKEY`.
@safe final class PrivateKey {
    private let pointer: OpaquePointer

    init(takingOwnershipOf pointer: OpaquePointer) {
        unsafe self.pointer = pointer
    }

    deinit {
        unsafe EVP_PKEY_free(pointer)
    }

    func withUnsafePointer<R, E: Error>(_ body: (OpaquePointer) throws(E) -> R) throws(E) -> R {
        unsafe try body(pointer)
    }

    /// The first key of a PEM file, opened with the password when it is encrypted.
    convenience init(pem bytes: [UInt8], password: Secret?, path: String) throws(TLSError) {
        ERR_clear_error()
        let memory = try MemoryBIO(reading: bytes)
        var asked = PasswordRequest(password: password?.bytes)
        let parsed = unsafe withUnsafeMutablePointer(to: &asked) { asked in
            unsafe PEM_read_bio_PrivateKey(memory.pointer, nil, givePassword, asked)
        }
        guard let parsed = unsafe parsed else {
            let reason = OpenSSLErrors.takeLastReason()
            if asked.wasAsked {
                let words =
                    password == nil
                    ? "the key is encrypted: give its password (key-password)" : "the password does not open the key"
                throw TLSError(.password, path: path, reason: words)
            }
            let words =
                reason == PEM_R_NO_START_LINE
                ? "holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)" : "the private key in it is damaged"
            throw TLSError(.contents, path: path, reason: words)
        }
        unsafe self.init(takingOwnershipOf: parsed)
    }

    /// PKCS#8 in PEM, not encrypted.
    func pem() throws(TLSError) -> Secret {
        guard let memory = MemoryBIO(),
            unsafe PEM_write_bio_PKCS8PrivateKey(memory.pointer, pointer, nil, nil, 0, nil, nil) == 1
        else { throw TLSError(.library, reason: "OpenSSL cannot write the key: \(OpenSSLErrors.take())") }
        return Secret(bytes: memory.contents)
    }
}

/// What the PEM reader's question for a password is answered with.
private struct PasswordRequest {
    var password: [UInt8]?
    var wasAsked = false
}

private let givePassword:
    @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 = {
        buffer, size, _, context in
        guard let buffer = unsafe buffer, let context = unsafe context else { return -1 }
        let request = unsafe context.assumingMemoryBound(to: PasswordRequest.self)
        unsafe request.pointee.wasAsked = true
        guard let password = unsafe request.pointee.password, password.count <= Int(size) else { return -1 }
        for (index, byte) in password.enumerated() {
            unsafe buffer[index] = CChar(bitPattern: byte)
        }
        return Int32(password.count)
    }
