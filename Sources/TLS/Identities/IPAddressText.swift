import Glibc

/// An IPv4 or IPv6 address in its canonical text, without a zone.
struct IPAddressText: Equatable {
    let text: String
    /// Four or sixteen bytes in network order.
    let bytes: [UInt8]

    /// nil when the text is no address.
    init?(_ text: String) {
        var version4 = in_addr()
        var version6 = in6_addr()
        if unsafe inet_pton(AF_INET, text, &version4) == 1 {
            self.init(networkOrder: unsafe withUnsafeBytes(of: version4) { unsafe Array($0) })
        } else if unsafe inet_pton(AF_INET6, text, &version6) == 1 {
            self.init(networkOrder: unsafe withUnsafeBytes(of: version6) { unsafe Array($0) })
        } else {
            return nil
        }
    }

    init?(networkOrder bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let written = unsafe inet_ntop(
            bytes.count == 4 ? AF_INET : AF_INET6, bytes, &buffer, socklen_t(buffer.count))
        guard unsafe written != nil else { return nil }
        self.bytes = bytes
        text = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
