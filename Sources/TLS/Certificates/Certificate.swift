import COpenSSL
import Glibc

/// One X.509 certificate; owns its `X509`.
@safe final class Certificate {
    private let pointer: OpaquePointer

    /// Takes over the caller's reference.
    init(takingOwnershipOf pointer: OpaquePointer) {
        unsafe self.pointer = pointer
    }

    /// Takes a reference of its own; nil when there are too many.
    convenience init?(sharing pointer: OpaquePointer) {
        guard unsafe X509_up_ref(pointer) == 1 else { return nil }
        unsafe self.init(takingOwnershipOf: pointer)
    }

    convenience init?(der: [UInt8]) {
        let parsed = unsafe der.withUnsafeBufferPointer { buffer -> OpaquePointer? in
            var cursor = buffer.baseAddress
            return unsafe d2i_X509(nil, &cursor, buffer.count)
        }
        guard let parsed = unsafe parsed else {
            ERR_clear_error()
            return nil
        }
        unsafe self.init(takingOwnershipOf: parsed)
    }

    deinit {
        unsafe X509_free(pointer)
    }

    func withUnsafePointer<R, E: Error>(_ body: (OpaquePointer) throws(E) -> R) throws(E) -> R {
        unsafe try body(pointer)
    }

    /// Every certificate of a PEM file, in its order; at least one.
    static func all(inPEM bytes: [UInt8], path: String) throws(TLSError) -> [Certificate] {
        ERR_clear_error()
        let memory = try MemoryBIO(reading: bytes)
        var found: [Certificate] = []
        while let next = unsafe PEM_read_bio_X509(memory.pointer, nil, noPassword, nil) {
            unsafe found.append(Certificate(takingOwnershipOf: next))
        }
        let reason = OpenSSLErrors.takeLastReason()
        guard reason == PEM_R_NO_START_LINE else {
            throw TLSError(.contents, path: path, reason: "certificate \(found.count + 1) in it is damaged")
        }
        guard !found.isEmpty else {
            throw TLSError(
                .contents, path: path, reason: "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
        }
        return found
    }

    var der: [UInt8] {
        let count = unsafe i2d_X509(pointer, nil)
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, written in
            var cursor = buffer.baseAddress
            written = unsafe Int(max(0, i2d_X509(pointer, &cursor)))
        }
    }

    var subject: String { unsafe Self.text(of: X509_get_subject_name(pointer)) }
    var issuer: String { unsafe Self.text(of: X509_get_issuer_name(pointer)) }
    var isSelfIssued: Bool {
        unsafe X509_NAME_cmp(X509_get_subject_name(pointer), X509_get_issuer_name(pointer)) == 0
    }

    /// Seconds since 1970.
    var validFrom: Int64 { unsafe CertificateTime.seconds(X509_get0_notBefore(pointer)) }
    /// Seconds since 1970.
    var validUntil: Int64 { unsafe CertificateTime.seconds(X509_get0_notAfter(pointer)) }

    /// SHA-256 of the DER form: `AB:CD:…`.
    var fingerprint: String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard unsafe X509_digest(pointer, EVP_sha256(), &digest, &count) == 1 else { return "" }
        let digits = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        for (index, byte) in digest[..<Int(count)].enumerated() {
            if index > 0 { text.append(UInt8(ascii: ":")) }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// DNS names and addresses of the subject alternative names; other kinds are left out.
    var alternativeNames: [String] {
        guard let found = unsafe X509_get_ext_d2i(pointer, NID_subject_alt_name, nil, nil) else {
            ERR_clear_error()
            return []
        }
        let names = OpaquePointer(found)
        defer { unsafe GENERAL_NAMES_free(names) }
        var texts: [String] = []
        for index in 0..<max(0, unsafe sallyport_names_count(names)) {
            var kind: Int32 = 0
            guard let value = unsafe GENERAL_NAME_get0_value(sallyport_names_at(names, index), &kind),
                kind == GEN_DNS || kind == GEN_IPADD
            else { continue }
            let string = unsafe value.assumingMemoryBound(to: ASN1_STRING.self)
            let bytes = unsafe Array(
                UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string))))
            if kind == GEN_IPADD {
                if let address = IPAddressText(networkOrder: bytes) { texts.append(address.text) }
            } else {
                texts.append(String(decoding: bytes.map { (0x21...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self))
            }
        }
        return texts
    }

    /// The subject alternative names of the four kinds that mean something to us; what is not printable is left out.
    var namesByKind: Set<AlternativeName> {
        guard let found = unsafe X509_get_ext_d2i(pointer, NID_subject_alt_name, nil, nil) else {
            ERR_clear_error()
            return []
        }
        let names = OpaquePointer(found)
        defer { unsafe GENERAL_NAMES_free(names) }
        var all: Set<AlternativeName> = []
        for index in 0..<max(0, unsafe sallyport_names_count(names)) {
            var kind: Int32 = 0
            guard let value = unsafe GENERAL_NAME_get0_value(sallyport_names_at(names, index), &kind),
                [GEN_DNS, GEN_IPADD, GEN_EMAIL, GEN_URI].contains(kind)
            else { continue }
            let string = unsafe value.assumingMemoryBound(to: ASN1_STRING.self)
            let bytes = unsafe Array(
                UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string))))
            if kind == GEN_IPADD {
                if let address = IPAddressText(networkOrder: bytes) { all.insert(.address(address.text)) }
                continue
            }
            guard !bytes.isEmpty, bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else { continue }
            let text = String(decoding: bytes, as: UTF8.self)
            switch kind {
            case GEN_DNS: all.insert(.host(text.lowercased()))
            case GEN_EMAIL: all.insert(.email(text))
            default: all.insert(.uri(text))
            }
        }
        return all
    }

    /// The subject whole, as RFC 4514 writes it.
    var distinguishedName: String {
        guard let memory = MemoryBIO(),
            unsafe X509_NAME_print_ex(
                memory.pointer, X509_get_subject_name(pointer), 0, sallyport_rfc4514_format()) >= 0
        else { return "" }
        return String(decoding: memory.contents, as: UTF8.self)
    }

    /// Whether it says of itself that it may issue others.
    var isAuthority: Bool { unsafe X509_check_ca(pointer) == 1 }

    /// How hard its key is to break, in bits; 112 is the least that is let in.
    var securityBits: Int32 {
        guard let key = unsafe X509_get0_pubkey(pointer) else { return 0 }
        return unsafe EVP_PKEY_get_security_bits(key)
    }

    /// SHA-256 of its public key (SPKI, DER), 32 bytes: what a pin holds.
    var publicKeyDigest: [UInt8] {
        let key = unsafe X509_get_X509_PUBKEY(pointer)
        let count = unsafe i2d_X509_PUBKEY(key, nil)
        guard count > 0 else { return [] }
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, written in
            var cursor = buffer.baseAddress
            written = unsafe Int(max(0, i2d_X509_PUBKEY(key, &cursor)))
        }
        return Digest.sha256(bytes)
    }

    func matches(_ key: PrivateKey) -> Bool {
        defer { ERR_clear_error() }
        return unsafe key.withUnsafePointer { key in unsafe X509_check_private_key(pointer, key) == 1 }
    }

    private static func text(of name: OpaquePointer?) -> String {
        guard let name = unsafe name, let memory = MemoryBIO() else { return "" }
        guard unsafe X509_NAME_print_ex(memory.pointer, name, 0, sallyport_name_format()) >= 0 else { return "" }
        // Whoever made the certificate chose the letters: none may move the cursor or turn the line around.
        let letters: [Unicode.Scalar] = String(decoding: memory.contents.prefix(512), as: UTF8.self).unicodeScalars.map
        { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: "?"
            default: scalar
            }
        }
        return String(String.UnicodeScalarView(letters))
    }
}

/// PEM readers are never to ask the terminal: without a password there is none.
let noPassword: @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 = {
    _, _, _, _ in -1
}
