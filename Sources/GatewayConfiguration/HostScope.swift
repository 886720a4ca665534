#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Who can reach an address, as far as its text tells.
package enum HostScope: Sendable, Equatable {
    /// This machine only.
    case loopback
    /// Every address of this machine: counts as public.
    case everyAddress
    /// Anything else, private networks included: they lower no rule.
    case beyond

    /// Of a host that is connected to. A name other than `localhost` may resolve to anything and counts as beyond.
    package init(host: String) {
        let name = host.lowercased()
        if name == "localhost" || name == "localhost." {
            self = .loopback
        } else if let bytes = HostScope.address(host) {
            self = HostScope.isLoopback(bytes) ? .loopback : .beyond
        } else {
            self = .beyond
        }
    }

    /// Of an address or interface name that is listened on.
    package init(bind: String) {
        if let bytes = HostScope.address(bind), HostScope.isUnspecified(bytes) {
            self = .everyAddress
        } else {
            // An interface may carry any address, `lo` as well: its name tells nothing.
            self = HostScope(host: bind)
        }
    }

    /// 0.0.0.0, :: and ::ffff:0.0.0.0, which the kernel takes for every address too.
    private static func isUnspecified(_ bytes: [UInt8]) -> Bool {
        bytes.allSatisfy { $0 == 0 }
            || bytes.count == 16 && bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
                && bytes[12...].allSatisfy { $0 == 0 }
    }

    private static func isLoopback(_ bytes: [UInt8]) -> Bool {
        if bytes.count == 4 { return bytes[0] == 127 }
        if bytes.dropLast().allSatisfy({ $0 == 0 }) { return bytes[15] == 1 }
        // ::ffff:127.0.0.0/104
        return bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF && bytes[12] == 127
    }

    /// The 4 or 16 bytes of a numeric address, nil for anything else.
    package static func address(_ text: String) -> [UInt8]? {
        guard !text.utf8.contains(0) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes[..<4]) }
        if inet_pton(AF_INET6, text, &bytes) == 1 { return bytes }
        return nil
    }
}
