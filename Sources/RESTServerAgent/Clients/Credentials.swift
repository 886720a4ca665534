/// What an `Authorization` header carries.
enum Credentials: Equatable {
    case basic(BasicCredentials)
    /// An API token.
    case token(String)

    /// Bytes; ours are far shorter.
    private static let longestToken = 512

    static func parse(_ headers: [String]) throws(BasicCredentials.Failure) -> Credentials {
        guard let header = headers.first else { throw .missing }
        guard headers.count == 1 else { throw .malformed }
        let parts = header.split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 2, isNamed(parts[0], "bearer") else { return .basic(try .parse(headers)) }
        guard parts[1].utf8.count <= longestToken, isToken(parts[1].utf8) else { throw .malformed }
        return .token(String(parts[1]))
    }

    /// RFC 6750's `b64token`.
    private static func isToken(_ text: Substring.UTF8View) -> Bool {
        let end = text.firstIndex { !isTokenByte($0) } ?? text.endIndex
        return end > text.startIndex && text[end...].allSatisfy { $0 == 0x3D }
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26
            || byte == 0x2D || byte == 0x2E || byte == 0x5F || byte == 0x7E || byte == 0x2B || byte == 0x2F
    }
}
