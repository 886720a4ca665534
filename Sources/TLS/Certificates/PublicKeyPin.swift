import COpenSSL

/// The text of a pin: base64 of the SHA-256 of a public key (SPKI, DER), as `curl --pinnedpubkey` and HPKP have it.
package enum PublicKeyPin {
    private static let size = 32

    /// The 32 bytes; nil when the text is not exactly the base64 of 32 bytes.
    package static func bytes(of pin: String) -> [UInt8]? {
        let encoded = Array(pin.utf8)
        guard encoded.count == 44 else { return nil }
        var decoded = [UInt8](repeating: 0, count: 33)
        guard unsafe EVP_DecodeBlock(&decoded, encoded, 44) == 33 else {
            ERR_clear_error()
            return nil
        }
        let bytes = Array(decoded.prefix(size))
        // OpenSSL's reader takes more than base64 allows.
        return text(bytes) == pin ? bytes : nil
    }

    package static func text(_ bytes: [UInt8]) -> String {
        var encoded = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
        let count = unsafe EVP_EncodeBlock(&encoded, bytes, Int32(clamping: bytes.count))
        return String(decoding: encoded.prefix(Int(max(0, count))), as: UTF8.self)
    }
}
