import NIOCore

/// Which networks clients may come from, and which proxies are believed.
struct NetworkRules: Sendable {
    /// What a trusted proxy says of its client cannot be read.
    struct MalformedForwarding: Error {}

    /// More hops than anybody has; a longer list is no list of proxies.
    static let longestChain = 16

    let allowed: [IPNetwork]
    let proxies: [IPNetwork]

    func isProxy(_ address: ClientAddress) -> Bool {
        guard !proxies.isEmpty, let address = address.address else { return false }
        return proxies.contains { $0.contains(address) }
    }

    /// Whether a client may come from there. Without a list everybody may; with one an unknown address may not.
    func allows(_ client: ClientAddress) -> Bool {
        guard !allowed.isEmpty else { return true }
        guard let address = client.address else { return false }
        return allowed.contains { $0.contains(address) }
    }

    /// Whether a connection is taken at all: of a trusted proxy each request is looked at.
    func admits(_ peer: ClientAddress) -> Bool { allows(peer) || isProxy(peer) }

    /// The client for whom a trusted proxy asks: the rightmost address of `X-Forwarded-For` that is no trusted proxy
    /// itself. What stands to its left was said by the client and is not looked at. Without the header the proxy asks
    /// for itself.
    func client(
        of proxy: ClientAddress, forwardedFor fields: [String]
    ) throws(MalformedForwarding) -> ClientAddress {
        guard !fields.isEmpty else { return proxy }
        var last: ClientAddress?
        var hops = 0
        for field in fields.reversed() {
            for part in field.split(separator: ",", omittingEmptySubsequences: false).reversed() {
                hops += 1
                guard hops <= NetworkRules.longestChain, let address = NetworkRules.address(part) else {
                    throw MalformedForwarding()
                }
                let client = ClientAddress(address)
                guard isProxy(client) else { return client }
                last = client
            }
        }
        return last ?? proxy
    }

    /// An address, as proxies write it: bare, an IPv6 one in brackets as well, and perhaps with a port.
    private static func address(_ part: Substring) -> IPAddress? {
        var text = part.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        var port: Substring?
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.first == ":" else { return nil }
            if !rest.isEmpty { port = rest.dropFirst() }
            text = text[text.index(after: text.startIndex)..<end]
            guard text.contains(":") else { return nil }
        } else if let colon = text.firstIndex(of: ":"), !text[text.index(after: colon)...].contains(":") {
            port = text[text.index(after: colon)...]
            text = text[..<colon]
        }
        if let port {
            guard (1...5).contains(port.utf8.count), port.utf8.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
        }
        return IPAddress(String(text))
    }
}
