import COpenSSL
import Glibc

/// What a certificate says of itself, for people and for checks.
extension Certificate {
    /// Upper-case hexadecimal; RFC 5280 allows 20 bytes, and no more than 32 are shown.
    var serialNumber: String {
        guard let number = unsafe withUnsafePointer({ unsafe ASN1_INTEGER_to_BN(X509_get0_serialNumber($0), nil) })
        else { return "" }
        defer { unsafe BN_free(number) }
        guard let text = unsafe BN_bn2hex(number) else { return "" }
        defer { unsafe CRYPTO_free(text, nil, 0) }
        return String(unsafe String(cString: text).prefix(64))
    }

    var publicKey: PublicKey {
        unsafe withUnsafePointer { unsafe PublicKey(X509_get0_pubkey($0)) }
    }

    /// `ecdsa-with-SHA256`
    var signatureAlgorithm: String {
        let kind = unsafe withUnsafePointer { unsafe X509_get_signature_nid($0) }
        guard let name = unsafe OBJ_nid2ln(kind) else { return "unknown" }
        return unsafe String(cString: name)
    }

    /// How hard the signature is to forge, in bits; 0 when its algorithm is not known.
    var signatureBits: Int32 {
        var bits: Int32 = 0
        let known = unsafe withUnsafePointer { unsafe X509_get_signature_info($0, nil, nil, &bits, nil) }
        ERR_clear_error()
        return known == 1 ? bits : 0
    }

    /// A client or server that holds to RFC 5280 cannot take it: an extension is damaged, or critical and unknown.
    var hasUnusableExtension: Bool {
        let flags = unsafe withUnsafePointer { unsafe X509_get_extension_flags($0) }
        ERR_clear_error()
        return flags & UInt32(EXFLAG_INVALID | EXFLAG_CRITICAL) != 0
    }

    /// Whether its key may sign in a TLS handshake.
    var maySign: Bool {
        unsafe withUnsafePointer { unsafe X509_get_key_usage($0) } & UInt32(KU_DIGITAL_SIGNATURE) != 0
    }

    func serves(_ purpose: IdentityPurpose) -> Bool {
        let usage = unsafe withUnsafePointer { unsafe X509_get_extended_key_usage($0) }
        let bit =
            switch purpose {
            case .server: XKU_SSL_SERVER
            case .client: XKU_SSL_CLIENT
            }
        return usage & UInt32(bit | XKU_ANYEKU) != 0
    }

    /// Whether it signed itself: the names alone prove nothing.
    var isSelfSigned: Bool { isSelfIssued && isSigned(by: self) }

    /// Whether the other is its issuer, by name, by key and as an authority.
    func isIssued(by issuer: Certificate) -> Bool {
        defer { ERR_clear_error() }
        let code = unsafe withUnsafePointer { subject in
            unsafe issuer.withUnsafePointer { issuer in unsafe X509_check_issued(issuer, subject) }
        }
        return code == X509_V_OK && issuer.isAuthority && isSigned(by: issuer)
    }

    private func isSigned(by issuer: Certificate) -> Bool {
        defer { ERR_clear_error() }
        return unsafe withUnsafePointer { subject in
            unsafe issuer.withUnsafePointer { issuer in
                guard let key = unsafe X509_get0_pubkey(issuer) else { return false }
                return unsafe X509_verify(subject, key) == 1
            }
        }
    }

    /// Whether it is of the kind that `selfSigned` makes, so that it may be made anew without losing what somebody else
    /// has given: every property that a start does not choose is looked at.
    var isMadeHere: Bool {
        guard validUntil - validFrom == DefaultIdentity.lifetime, !isAuthority else { return false }
        let isAlike = unsafe withUnsafePointer { certificate in
            guard unsafe X509_NAME_entry_count(X509_get_subject_name(certificate)) == 1,
                unsafe X509_get_key_usage(certificate) == UInt32(KU_DIGITAL_SIGNATURE),
                unsafe X509_get_extended_key_usage(certificate) == UInt32(XKU_SSL_SERVER),
                unsafe X509_get0_serialNumber(certificate).map({ unsafe $0.pointee.length }) == 16
            else { return false }
            let kinds = unsafe (0..<max(0, X509_get_ext_count(certificate))).map { index in
                unsafe OBJ_obj2nid(X509_EXTENSION_get_object(X509_get_ext(certificate, index)))
            }
            let made = [
                NID_basic_constraints, NID_key_usage, NID_ext_key_usage, NID_subject_key_identifier,
                NID_subject_alt_name,
            ]
            return kinds == made || kinds == made.dropLast()
        }
        ERR_clear_error()
        return isAlike && isSelfSigned
    }
}

/// What a public key is, without the key.
struct PublicKey {
    /// `P-256`, `RSA 2048 bits`.
    let text: String
    /// Whether our listeners and clients can use it: RSA of 2048 to 8192 bits, P-256, P-384 and P-521.
    let isUsable: Bool
    /// `pin-sha256` as configurations have it: base64 of the SHA-256 of the SPKI.
    let pin: String

    /// Borrows the key.
    init(_ key: OpaquePointer?) {
        guard let key = unsafe key else {
            (text, isUsable, pin) = ("unknown", false, "")
            return
        }
        defer { ERR_clear_error() }
        let bits = unsafe EVP_PKEY_get_bits(key)
        if unsafe EVP_PKEY_is_a(key, "RSA") == 1 {
            text = "RSA \(bits) bits"
            isUsable = (2048...8192).contains(bits)
        } else if unsafe EVP_PKEY_is_a(key, "EC") == 1 {
            var name = [CChar](repeating: 0, count: 64)
            let known = unsafe EVP_PKEY_get_group_name(key, &name, name.count, nil)
            let curve =
                known == 1
                ? String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) : "unnamed"
            let common = ["prime256v1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"][curve]
            text = common ?? "EC on the curve \(curve)"
            isUsable = common != nil
        } else {
            text = unsafe EVP_PKEY_get0_type_name(key).map { unsafe String(cString: $0) } ?? "unknown"
            isUsable = false
        }
        pin = unsafe PublicKey.pin(of: key)
    }

    private static func pin(of key: OpaquePointer) -> String {
        let count = unsafe i2d_PUBKEY(key, nil)
        guard count > 0 else { return "" }
        let encoded = unsafe [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, written in
            var cursor = buffer.baseAddress
            written = unsafe Int(max(0, i2d_PUBKEY(key, &cursor)))
        }
        var digest = [UInt8](repeating: 0, count: 32)
        guard unsafe EVP_Digest(encoded, encoded.count, &digest, nil, EVP_sha256(), nil) == 1 else { return "" }
        // 44 characters and a zero.
        var text = [UInt8](repeating: 0, count: 45)
        let written = unsafe EVP_EncodeBlock(&text, digest, 32)
        return String(decoding: text.prefix(Int(written)), as: UTF8.self)
    }
}

/// What an identity is shown for.
package enum IdentityPurpose: String, Sendable, Hashable, CaseIterable {
    /// By a listener.
    case server
    /// By a client of ours.
    case client
}
