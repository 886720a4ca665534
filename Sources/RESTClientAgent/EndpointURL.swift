/// Where an endpoint takes messages: `https://host/path?query`, or `http://` on loopback.
package struct EndpointURL: Sendable, Equatable, CustomStringConvertible {
    /// A name or an address, without brackets.
    package let host: String
    package let port: UInt16
    package let usesTLS: Bool
    /// Path and query as they are sent; begins with a slash.
    package let target: String

    package init(host: String, port: UInt16, usesTLS: Bool, target: String = "/") {
        self.host = host
        self.port = port
        self.usesTLS = usesTLS
        self.target = target
    }

    /// For people: without the query, which may hold a key.
    package var description: String {
        let path = target.prefix { $0 != "?" }
        return "\(origin)\(path)\(path.utf8.count < target.utf8.count ? "?…" : "")"
    }

    /// For libcurl.
    package var absolute: String { origin + target }

    private var origin: String {
        let name = host.utf8.contains(0x3A) ? "[\(host)]" : host
        let isUsual = port == EndpointURL.usualPort(usesTLS: usesTLS)
        return "\(usesTLS ? "https" : "http")://\(name)\(isUsual ? "" : ":\(port)")"
    }

    private static func usualPort(usesTLS: Bool) -> UInt16 { usesTLS ? 443 : 80 }

    /// Everything is checked here, so that libcurl cannot understand the text in another way than the rules did.
    package init(parsing text: String) throws(EndpointURLError) {
        guard text.utf8.count <= EndpointURL.longest else { throw EndpointURLError.tooLong }
        let bytes = Array(text.utf8)
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x5C }) else { throw EndpointURLError.character }
        let (scheme, rest) = try EndpointURL.scheme(bytes)
        switch scheme {
        case "https": usesTLS = true
        case "http": usesTLS = false
        default: throw EndpointURLError.scheme(scheme)
        }
        let end = rest.firstIndex { $0 == 0x2F || $0 == 0x3F || $0 == 0x23 } ?? rest.endIndex
        let (authority, path) = (rest[..<end], rest[end...])
        guard !authority.contains(0x40) else { throw EndpointURLError.credentialsInside }
        guard !path.contains(0x23) else { throw EndpointURLError.fragment }
        let (name, portText) = try EndpointURL.split(authority)
        host = name
        if let portText {
            guard portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(portText), number > 0
            else { throw EndpointURLError.port(portText) }
            port = number
        } else {
            port = EndpointURL.usualPort(usesTLS: usesTLS)
        }
        let slash = path.first == 0x2F ? "" : "/"
        target = slash + String(decoding: path, as: UTF8.self)
    }

    private static let longest = 4096

    private static func scheme(_ bytes: [UInt8]) throws(EndpointURLError) -> (String, ArraySlice<UInt8>) {
        guard let colon = bytes.firstIndex(of: 0x3A), bytes[(colon + 1)...].starts(with: [0x2F, 0x2F]) else {
            throw EndpointURLError.noScheme
        }
        return (String(decoding: bytes[..<colon], as: UTF8.self).lowercased(), bytes[(colon + 3)...])
    }

    private static func split(_ authority: ArraySlice<UInt8>) throws(EndpointURLError) -> (String, String?) {
        let name: ArraySlice<UInt8>
        var rest: ArraySlice<UInt8>
        if authority.first == 0x5B {
            guard let close = authority.firstIndex(of: 0x5D) else { throw EndpointURLError.noHost }
            name = authority[(authority.startIndex + 1)..<close]
            rest = authority[(close + 1)...]
            guard name.contains(0x3A), name.allSatisfy({ isHexDigit($0) || $0 == 0x3A || $0 == 0x2E }) else {
                throw EndpointURLError.host(String(decoding: name, as: UTF8.self))
            }
        } else {
            let end = authority.firstIndex(of: 0x3A) ?? authority.endIndex
            name = authority[..<end]
            rest = authority[end...]
            guard name.allSatisfy(isOfName) else {
                throw EndpointURLError.host(String(decoding: name, as: UTF8.self))
            }
        }
        guard !name.isEmpty else { throw EndpointURLError.noHost }
        let host = String(decoding: name, as: UTF8.self)
        guard let colon = rest.first else { return (host, nil) }
        if colon == 0x3A { rest.removeFirst() }
        let port = String(decoding: rest, as: UTF8.self)
        guard colon == 0x3A, !port.isEmpty else { throw EndpointURLError.port(port) }
        return (host, port)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            || byte == 0x2D || byte == 0x2E || byte == 0x5F
    }
}

/// Why an endpoint's URL is refused.
package enum EndpointURLError: Error, Equatable, CustomStringConvertible {
    case noScheme
    case scheme(String)
    case noHost
    case host(String)
    case port(String)
    case credentialsInside
    case fragment
    case character
    case tooLong

    package var description: String {
        switch self {
        case .noScheme:
            "an endpoint's URL begins with https:// (or http:// on loopback), as https://historian.example/ingest"
        case .scheme(let scheme): "\(scheme):// is not known; use https:// (or http:// on loopback)"
        case .noHost: "the URL names no host"
        case .host(let host): "\"\(host)\" is not the name of a host; an IPv6 address stands in brackets"
        case .port(let text): "\"\(text)\" is not a port; 1 to 65535 are"
        case .credentialsInside:
            "user and password do not belong into the URL; use username: and password:, or token:"
        case .fragment: "a # does not belong into the URL: what follows it is never sent; write %23 for the character"
        case .character:
            "spaces, backslashes, control characters and letters beyond ASCII do not belong into a URL; "
                + "write them as %XX, and a host name as xn--…"
        case .tooLong: "the URL has more than 4096 bytes"
        }
    }
}
