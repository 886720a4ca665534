import Glibc

/// What this machine is called and reached by, for the default certificate.
package struct MachineNames: Sendable, Equatable {
    /// `localhost`, the host name, and its first label when it has several.
    package var hostNames: [String]
    /// Of all interfaces that are up, loopback included; IPv6 without those of link-local scope.
    package var addresses: [String]

    package init(hostNames: [String], addresses: [String]) {
        self.hostNames = hostNames
        self.addresses = addresses
    }

    /// Asks the kernel only, never DNS.
    package static func current() -> MachineNames {
        MachineNames(hostNames: currentHostNames(), addresses: currentAddresses())
    }

    private static func currentHostNames() -> [String] {
        var names = ["localhost"]
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&buffer, buffer.count - 1) == 0 else { return names }
        let name = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        for candidate in [name, String(name.prefix { $0 != "." })] where !candidate.isEmpty {
            if !names.contains(candidate) { names.append(candidate) }
        }
        return names
    }

    private static func currentAddresses() -> [String] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&first) == 0 else { return ["127.0.0.1", "::1"] }
        defer { unsafe freeifaddrs(first) }
        var found: [String] = []
        var next = unsafe first
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            guard unsafe entry.pointee.ifa_flags & UInt32(IFF_UP) != 0,
                let address = unsafe entry.pointee.ifa_addr, let text = unsafe text(of: address)
            else { continue }
            if !found.contains(text) { found.append(text) }
        }
        return found
    }

    private static func text(of address: UnsafeMutablePointer<sockaddr>) -> String? {
        let raw = UnsafeRawPointer(address)
        switch unsafe Int32(address.pointee.sa_family) {
        case AF_INET:
            let inner = unsafe raw.loadUnaligned(as: sockaddr_in.self).sin_addr
            return unsafe IPAddressText(networkOrder: withUnsafeBytes(of: inner) { unsafe Array($0) })?.text
        case AF_INET6:
            let inner = unsafe raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr
            let bytes = unsafe withUnsafeBytes(of: inner) { unsafe Array($0) }
            if bytes[0] == 0xFE, bytes[1] & 0xC0 == 0x80 { return nil }
            return IPAddressText(networkOrder: bytes)?.text
        default:
            return nil
        }
    }
}
