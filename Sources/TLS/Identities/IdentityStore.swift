import COpenSSL

/// One identity as an operator works on it: asks for a certificate, imports it, looks at it. Blocks on the disk.
package struct IdentityStore: Sendable {
    /// Bytes of a chain as it is sent; libraries of clients give up at 64 to 100 KiB.
    static let chainLimit = 65_536

    package let options: TLSIdentityOptions
    let dataDirectory: String
    /// What it is shown for; empty when no agent uses it.
    let purposes: Set<IdentityPurpose>
    /// What this machine is called and reached by.
    let names: SubjectNames
    /// Of these, what clients of the listeners ask for.
    let askedNames: SubjectNames

    /// - Parameter binds: of the listeners that show it: addresses or names of interfaces.
    package init(
        _ options: TLSIdentityOptions, dataDirectory: String, purposes: Set<IdentityPurpose>, machine: MachineNames,
        binds: [String] = []
    ) {
        self.options = options
        self.dataDirectory = dataDirectory
        self.purposes = purposes
        names = SubjectNames(hostNames: machine.hostNames, addresses: machine.addresses)
        let bound = SubjectNames(hostNames: [], addresses: binds)
        let hasWildcard = bound.addresses.contains { $0.bytes.allSatisfy { $0 == 0 } }
        var asked = names
        if !binds.isEmpty, bound.addresses.count == Set(binds).count, !hasWildcard {
            // Nobody from elsewhere comes to loopback, whatever this machine is called.
            asked = bound.withoutLoopback.addresses.isEmpty ? bound : SubjectNames(names.hostNames, bound.addresses)
        }
        askedNames = asked
    }

    var files: IdentityFiles { IdentityFiles(options) }
    var pending: PendingKeys { PendingKeys(dataDirectory: dataDirectory, identity: options) }

    /// What a request came to.
    package struct Request: Sendable, Equatable {
        package let request: SigningRequest
        /// Where its key waits for the certificate; nil: it is the identity's own.
        package let pendingKeyFile: String?
    }

    /// Makes a request for a certificate, with the identity's own key, or with a new one that waits beside it.
    ///
    /// - Parameters:
    ///   - subject: `CN=press-shop,O=Plant`.
    ///   - names: host names and addresses; empty: the machine's.
    ///   - newKey: nil: the identity's own, where it has one.
    package func request(subject: String, names: [String] = [], newKey: KeyKind? = nil) throws(TLSError) -> Request {
        let distinguished: DistinguishedName
        do throws(DistinguishedName.Failure) {
            distinguished = try DistinguishedName(parsing: subject)
        } catch {
            throw TLSError(.contents, reason: "the subject \(subject) is none: \(error)")
        }
        guard !distinguished.isEmpty, !distinguished.hasEncodedValue else {
            throw TLSError(.contents, reason: "the subject \(subject) is none: give it as \"CN=press-shop,O=Plant\"")
        }
        var wanted = self.names
        if !names.isEmpty { wanted = try IdentityStore.parsed(names) }
        guard !wanted.all.isEmpty else {
            throw TLSError(.contents, reason: "the request has no name: give one with --name")
        }
        let purposes = purposes.isEmpty ? [.server] : purposes
        let own = newKey == nil ? try files.presentKey() : nil
        if let own {
            guard own.publicKey.isUsable else {
                throw TLSError(
                    .weakKey, path: options.keyFile,
                    reason: "\(own.publicKey.text) is no key for TLS: ask with another (--new-key p256)")
            }
            return Request(
                request: try SigningRequest(key: own, subject: distinguished, names: wanted, purposes: purposes),
                pendingKeyFile: nil)
        }
        // Without a key of its own, a key that waits already is as good as another.
        let waiting = newKey == nil ? pending.keys().first?.key : nil
        let key: PrivateKey
        if let waiting { key = waiting } else { key = try PrivateKey.make(newKey ?? .p256) }
        let request = try SigningRequest(key: key, subject: distinguished, names: wanted, purposes: purposes)
        if waiting == nil { try pending.add(key) }
        return Request(request: request, pendingKeyFile: pending.file)
    }

    private static func parsed(_ names: [String]) throws(TLSError) -> SubjectNames {
        guard names.count <= 100 else { throw TLSError(.contents, reason: "more than 100 names are too many") }
        var hosts: [String] = []
        var addresses: [String] = []
        for name in names {
            let bare = name.hasPrefix("*.") ? String(name.dropFirst(2)) : name
            switch AlternativeName(parsing: bare) {
            case .address(let text) where bare == name: addresses.append(text)
            case .host where isHostName(bare) && name.utf8.count <= 253: hosts.append(name)
            default:
                throw TLSError(.host, reason: "\"\(name)\" is no host name and no address")
            }
        }
        return SubjectNames(hostNames: hosts, addresses: addresses)
    }

    /// No label is empty, and the last one is no number: `10.0.0.999` is an address with a slip in it.
    private static func isHostName(_ name: String) -> Bool {
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy { !$0.isEmpty } && labels.last?.utf8.allSatisfy { (0x30...0x39).contains($0) } == false
    }

    /// The certificates of the identity, DER, leaf first. It need not be valid, nor have its key.
    package func certificates() throws(TLSError) -> [[UInt8]] {
        try Certificate.all(inPEM: BoundedFile(path: options.certificateFile).bytes, path: options.certificateFile)
            .map(\.der)
    }
}
