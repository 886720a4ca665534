package import TLS

/// A header of our own configuration that goes with every request. Its value may be a key, so it never describes itself.
package struct EndpointHeader: Sendable, Equatable {
    package let name: String
    package let value: Secret

    package init(name: String, value: Secret, hasCredentials: Bool) throws(EndpointHeaderError) {
        let bytes = Array(name.utf8)
        guard !bytes.isEmpty, bytes.count <= 256, bytes.allSatisfy(EndpointHeader.isOfToken) else {
            throw EndpointHeaderError.name
        }
        let lowered = name.lowercased()
        if lowered.hasPrefix("sallyport-") || lowered == "idempotency-key" { throw EndpointHeaderError.identity }
        if lowered == "content-type" { throw EndpointHeaderError.mediaType }
        if EndpointHeader.ofTheProtocol.contains(lowered) { throw EndpointHeaderError.ofTheProtocol }
        if lowered == "authorization", hasCredentials { throw EndpointHeaderError.authorization }
        self.name = name
        self.value = value
        guard let first = value.bytes.first, let last = value.bytes.last, value.bytes.count <= 8192,
            value.bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 == 0x09 }), first > 0x20, last > 0x20
        else { throw EndpointHeaderError.value }
    }

    /// Whether a header of this name usually carries a secret, which must not stand in the configuration itself.
    package static func isSecret(_ name: String) -> Bool {
        let lowered = name.lowercased()
        if lowered == "authorization" || lowered == "cookie" { return true }
        let parts = lowered.split { $0 == "-" || $0 == "_" }
        return parts.contains { ["key", "apikey", "token", "secret", "password", "auth"].contains($0) }
    }

    /// `type/subtype`, perhaps with parameters.
    package static func isMediaType(_ text: String) -> Bool {
        guard text.utf8.count <= 256, text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }), text.utf8.last != 0x20 else {
            return false
        }
        let kind = text.prefix { $0 != ";" && $0 != " " }.split(separator: "/", omittingEmptySubsequences: false)
        return kind.count == 2 && kind.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(isOfToken) }
    }

    /// What HTTP itself is about: libcurl sets them, or they would change what a request is.
    private static let ofTheProtocol: Set<String> = [
        "host", "content-length", "transfer-encoding", "connection", "expect", "te", "trailer", "upgrade", "keep-alive",
        "proxy-connection", "proxy-authorization", "accept-encoding", "content-encoding", "http2-settings",
    ]

    /// RFC 9110, §5.6.2.
    private static func isOfToken(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}

/// Why a header is refused.
package enum EndpointHeaderError: Error, Equatable, CustomStringConvertible {
    case name
    case value
    case identity
    case mediaType
    case ofTheProtocol
    case authorization

    package var description: String {
        switch self {
        case .name: "the name of a header is letters, digits and - without spaces, as X-Site"
        case .value:
            "the value of a header is 1 to 8192 characters of ASCII without control characters or spaces around it"
        case .identity: "this header tells which message it is and is always sent; remove it here"
        case .mediaType: "the type of what is sent is set by media-type:"
        case .ofTheProtocol: "this header belongs to HTTP itself and cannot be set"
        case .authorization: "Authorization is made from username: and password:, or from token:; remove one of the two"
        }
    }
}
