import Glibc
import NIOCore

/// Where a connection comes from: for the log, and as one text for what counts as one client.
struct ClientAddress: Sendable, CustomStringConvertible {
    let description: String
    /// An IPv4 address; of IPv6 the network of 64 bits, since whoever has one address of it has them all.
    let client: String

    init(_ address: SocketAddress?) {
        self.init(address?.ipAddress ?? "unknown")
    }

    init(_ text: String) {
        description = text
        var bytes = [UInt8](repeating: 0, count: 16)
        // A zone (`%eth0`) is no part of the address.
        guard inet_pton(AF_INET6, String(description.prefix { $0 != "%" }), &bytes) == 1 else {
            client = description
            return
        }
        // IPv4 as a listener for both families sees it (::ffff:0:0/96): its last four bytes are the client.
        let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        client = bytes[isMapped ? 12..<16 : 0..<8].map { String($0) }.joined(separator: isMapped ? "." : ",")
    }
}
