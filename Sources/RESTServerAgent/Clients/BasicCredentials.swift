/// User and password out of an `Authorization` header.
struct BasicCredentials: Equatable {
    var user: String
    var password: String

    enum Failure: Error, Equatable {
        case missing
        case malformed
        /// Refused wherever it comes from, and the log says so.
        case emptyPassword(user: String)
    }

    static func parse(_ headers: [String]) throws(Failure) -> BasicCredentials {
        guard let header = headers.first else { throw .missing }
        guard headers.count == 1 else { throw .malformed }
        let parts = header.split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 2, isNamed(parts[0], "basic"), parts[1].utf8.count <= 4096,
            let bytes = base64(parts[1].utf8), let text = String(validating: bytes, as: UTF8.self),
            let colon = text.utf8.firstIndex(of: 0x3A)
        else { throw .malformed }
        let credentials = BasicCredentials(
            user: String(text[..<colon]), password: String(text[text.utf8.index(after: colon)...]))
        guard !credentials.password.isEmpty else { throw .emptyPassword(user: credentials.user) }
        return credentials
    }

    /// Strict base64: the standard alphabet, padded, no white space.
    static func base64(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        var padding = 0
        for byte in text {
            let value: UInt32
            switch byte {
            case 0x41...0x5A: value = UInt32(byte) - 0x41
            case 0x61...0x7A: value = UInt32(byte) - 0x61 + 26
            case 0x30...0x39: value = UInt32(byte) - 0x30 + 52
            case 0x2B: value = 62
            case 0x2F: value = 63
            case 0x3D:
                padding += 1
                value = 0
            default: return nil
            }
            if padding > 0 && byte != 0x3D { return nil }
            bits = bits << 6 | value
            count += 1
            if count % 4 == 0 {
                output.append(UInt8(truncatingIfNeeded: bits >> 16))
                output.append(UInt8(truncatingIfNeeded: bits >> 8))
                output.append(UInt8(truncatingIfNeeded: bits))
            }
        }
        guard padding <= 2 else { return nil }
        output.removeLast(padding)
        return output
    }
}
