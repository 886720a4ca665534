import Glibc
import Synchronization

/// Why a peer of the tests could not be had.
package struct TestPeerError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// A TCP port of 127.0.0.1 that is free, and that nobody else gets by chance.
///
/// It lies below the kernel's own range for outgoing connections (32768 and up here): a port of that range may become the
/// source of anybody's connection before the peer binds it, and a client that calls a port on which nobody listens
/// may even be connected to itself. Each is given once in a process, beginning at a place that differs between
/// processes, so that runs side by side seldom ask for the same one.
package func freePort() throws -> Int {
    for _ in 0..<PortRange.size {
        let next = PortRange.taken.add(1, ordering: .relaxed).newValue
        let port = PortRange.first + (PortRange.start + next) % PortRange.size
        if canBind(port) { return port }
    }
    throw TestPeerError("no free port on 127.0.0.1 from \(PortRange.first) on")
}

private enum PortRange {
    static let first = 20_000
    static let size = 12_000
    static let start = Int.random(in: 0..<size)
    static let taken = Atomic(0)
}

private func canBind(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            bind(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
