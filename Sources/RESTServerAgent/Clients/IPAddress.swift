import Glibc
import NIOCore

/// A numeric address. IPv4 as a listener for both families sees it (::ffff:10.0.0.1) is the IPv4 address.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// 4 or 16 bytes in network order.
    package let bytes: [UInt8]

    /// Four or sixteen bytes; nil for another count.
    init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = IPAddress.isMapped(bytes) ? Array(bytes[12...]) : bytes
    }

    /// nil for anything but one whole address; a zone (`%eth0`) is none of it.
    package init?(_ text: String) {
        guard let bytes = IPAddress.bytes(of: text) else { return nil }
        self.init(bytes: bytes)
    }

    /// Of a connection's other end.
    init?(_ address: SocketAddress?) {
        guard let text = address?.ipAddress else { return nil }
        self.init(String(text.prefix { $0 != "%" }))
    }

    package var description: String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &buffer, socklen_t(buffer.count)) != nil else {
            return ""
        }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The bytes as the text has them, 4 or 16.
    static func bytes(of text: String) -> [UInt8]? {
        // `inet_pton` takes a C string: it would not see what stands behind a NUL.
        guard text.utf8.count <= 45, !text.utf8.contains(0) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes[..<4]) }
        return inet_pton(AF_INET6, text, &bytes) == 1 ? bytes : nil
    }

    /// ::ffff:0:0/96
    static func isMapped(_ bytes: [UInt8]) -> Bool {
        bytes.count == 16 && bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
    }
}
