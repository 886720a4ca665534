import NIOCore

/// Where a client is: for the log, and as one text for what counts as one client.
struct ClientAddress: Sendable, CustomStringConvertible {
    let description: String
    /// An IPv4 address; of IPv6 the network of 64 bits, since whoever has one address of it has them all.
    let client: String
    /// nil where the connection has none.
    let address: IPAddress?

    init(_ address: SocketAddress?) {
        self.init(address?.ipAddress ?? "unknown")
    }

    init(_ text: String) {
        description = text
        // A zone (`%eth0`) is no part of the address.
        address = IPAddress(String(text.prefix { $0 != "%" }))
        client = ClientAddress.client(address) ?? text
    }

    init(_ address: IPAddress) {
        self.address = address
        description = address.description
        client = ClientAddress.client(address) ?? description
    }

    private static func client(_ address: IPAddress?) -> String? {
        guard let bytes = address?.bytes else { return nil }
        let isIPv4 = bytes.count == 4
        return bytes.prefix(isIPv4 ? 4 : 8).map { String($0) }.joined(separator: isIPv4 ? "." : ",")
    }
}
