package import NIOCore
package import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// Where the addresses of devices that are configured by name come from.
///
/// SwiftNIO looks names up one after the other on each event loop: one name whose server is silent would delay every
/// device of that loop for as long as the system tries. Here a few threads of our own wait for them.
package struct ModbusNames: Sendable {
    let threads: NIOThreadPool
    let find: @Sendable (_ host: String, _ port: Int) throws -> [SocketAddress]

    /// - Parameter find: blocks, on one of the threads.
    package init(
        threads: NIOThreadPool, find: @escaping @Sendable (_ host: String, _ port: Int) throws -> [SocketAddress]
    ) {
        self.threads = threads
        self.find = find
    }

    /// The system's names, on eight threads that all devices share.
    package static let system: ModbusNames = {
        let threads = NIOThreadPool(numberOfThreads: 8)
        threads.start()
        return ModbusNames(threads: threads, find: systemAddresses)
    }()

    private static func systemAddresses(of host: String, port: Int) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, "\(port)", &hints, &list)
        guard code == 0 else { throw ModbusNameError(host: host, reason: String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next?.pointee {
            if let bytes = UnsafeRawPointer(entry.ai_addr) {
                switch entry.ai_family {
                case AF_INET: addresses.append(SocketAddress(bytes.load(as: sockaddr_in.self), host: host))
                case AF_INET6: addresses.append(SocketAddress(bytes.load(as: sockaddr_in6.self), host: host))
                default: break
                }
            }
            next = entry.ai_next
        }
        return addresses
    }
}

/// A name that the system did not find.
struct ModbusNameError: Error, CustomStringConvertible {
    let host: String
    let reason: String

    var description: String { "the name \(host) was not found: \(reason)" }
}

/// Gives a connection attempt the addresses that are being looked up.
struct ModbusNameResolver: Resolver, Sendable {
    let addresses: EventLoopFuture<[SocketAddress]>

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        addresses.map { $0.filter { $0.protocol == .inet } }
    }

    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        addresses.map { $0.filter { $0.protocol == .inet6 } }
    }

    func cancelQueries() {}
}
