/// Why a listener cannot serve, for people.
package enum RESTServerAgentError: Error, Equatable, CustomStringConvertible {
    case portInUse(address: String, port: UInt16)
    case addressNotAvailable(String)
    case noSuchAddressOrInterface(String)
    case noPermission(address: String, port: UInt16)
    case cannotListen(address: String, port: UInt16, reason: String)
    case tls(String)

    package var description: String {
        switch self {
        case .portInUse(let address, let port):
            "port \(port) on \(address) is in use by another process; stop it or set another port for the agent"
        case .addressNotAvailable(let address):
            "this machine does not have the address \(address); set the agent's bind to one of its own"
        case .noSuchAddressOrInterface(let bind):
            "bind: \(bind) is neither an IP address nor a network interface of this machine that has an address"
        case .noPermission(let address, let port):
            "no permission to listen on \(address) port \(port); ports below 1024 need CAP_NET_BIND_SERVICE"
        case .cannotListen(let address, let port, let reason): "cannot listen on \(address) port \(port): \(reason)"
        case .tls(let reason): "the TLS set-up of the agent cannot be used: \(reason)"
        }
    }
}
