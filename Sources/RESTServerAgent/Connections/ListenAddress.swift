import NIOCore

/// What `bind` stands for.
enum ListenAddress {
    /// The IP addresses to listen on: `bind` itself, or those of the interface of that name. No name is looked up.
    static func resolve(_ bind: String) throws(RESTServerAgentError) -> [String] {
        if (try? SocketAddress(ipAddress: bind, port: 0)) != nil { return [bind] }
        let devices: [NIONetworkDevice]
        do {
            devices = try System.enumerateDevices()
        } catch {
            throw .cannotListen(address: bind, port: 0, reason: "\(error)")
        }
        var addresses: [String] = []
        for device in devices where device.name == bind {
            guard let address = device.address?.ipAddress, !addresses.contains(address) else { continue }
            // An address of the link alone needs its scope to be listened on.
            let isLinkLocal = address.lowercased().hasPrefix("fe80")
            addresses.append(isLinkLocal && !address.contains("%") ? "\(address)%\(bind)" : address)
        }
        guard !addresses.isEmpty else { throw .noSuchAddressOrInterface(bind) }
        return addresses
    }
}
