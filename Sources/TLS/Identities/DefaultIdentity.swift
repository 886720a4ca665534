import COpenSSL
import Glibc

/// The self-signed identity that is there from the first start and used where nothing else is named.
package enum DefaultIdentity {
    /// 365 days, in seconds.
    static let lifetime: Int64 = 365 * 86_400
    /// It is renewed when so much or less is left.
    static let renewalMargin: Int64 = 30 * 86_400

    package static func options(dataDirectory: String) -> TLSIdentityOptions {
        TLSIdentityOptions(
            name: "default", certificateFile: certificateFile(dataDirectory: dataDirectory),
            keyFile: keyFile(dataDirectory: dataDirectory))
    }

    /// Whether it is time to make it anew: 30 days or less are left, or the clock went back behind its beginning. One that
    /// was imported is never due.
    package static func isDue(_ identity: TLSIdentity, now: Int64) -> Bool {
        isMadeHere(identity) && (identity.validUntil - now <= renewalMargin || identity.validFrom > now)
    }

    /// Whether it is the self-signed one, as far as can be seen, and not one that was imported in its place.
    package static func isMadeHere(_ identity: TLSIdentity) -> Bool {
        identity.certificates.first.flatMap(Certificate.init(der:))?.isMadeHere ?? false
    }

    package static func certificateFile(dataDirectory: String) -> String { "\(dataDirectory)/tls/default.pem" }
    package static func keyFile(dataDirectory: String) -> String { "\(dataDirectory)/tls/default.key" }

    /// Loads the default identity, made or renewed when need be. One that was imported in its place is never made anew:
    /// it is loaded like any other. A renewal keeps the key: it happens at 30 days left, and when the certificate does
    /// not name the host. An address that has come makes none, because people have noted the fingerprint of this one:
    /// `missingNames` tells what it does not name. Blocks on the disk.
    ///
    /// - Parameters:
    ///   - directory: the data directory, which exists; the files lie in its `tls/`.
    ///   - addresses: IPv4 and IPv6 in text; a zone (`%eth0`) is dropped.
    ///   - now: seconds since 1970; nil asks the clock.
    package static func ensure(
        directory: String, commonName: String, hostNames: [String], addresses: [String], now: Int64? = nil
    ) throws(TLSError) -> TLSIdentity {
        let now = now ?? CertificateTime.now
        let folder = "\(directory)/tls"
        let certificateFile = certificateFile(dataDirectory: directory)
        let keyFile = keyFile(dataDirectory: directory)
        let wanted = SubjectNames(hostNames: hostNames, addresses: addresses)
        guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw TLSError(.file, path: folder, reason: "cannot be made: \(SystemErrors.text(errno))")
        }
        try IdentityFiles(options(dataDirectory: directory)).settle()
        if let certificate = try present(certificateFile), !certificate.isMadeHere {
            return try imported(options(dataDirectory: directory), now: now)
        }
        let key: PrivateKey
        if unsafe access(keyFile, F_OK) == 0 {
            let file = try BoundedFile(path: keyFile)
            try file.refuseIfOpenToOthers(path: keyFile)
            key = try PrivateKey(pem: file.bytes, password: nil, path: keyFile)
            if let current = try current(certificateFile, keyFile: keyFile, key: key, now: now),
                current.validUntil - now > renewalMargin, wanted.hostsAreCovered(by: current.alternativeNames)
            {
                // Earlier versions left it open to others.
                guard unsafe chmod(certificateFile, 0o600) == 0 else {
                    throw TLSError(.file, path: certificateFile, reason: "chmod 0600: \(SystemErrors.text(errno))")
                }
                return current
            }
        } else {
            key = try PrivateKey.make(.p256)
            try AtomicFile.write(key.pem().bytes, to: keyFile, mode: 0o600)
        }
        let certificate = try Certificate.selfSigned(
            key: key, commonName: commonName, names: wanted, from: now, until: now + lifetime)
        try AtomicFile.write(certificate.pem(), to: certificateFile, mode: 0o600)
        return try TLSIdentity(
            name: "default", chain: [certificate], key: key, path: certificateFile, keyPath: keyFile, now: now)
    }

    /// Makes the self-signed certificate anew now, with the same key unless another is wanted, so that a pin survives.
    /// What was there stays as `.previous`. Blocks on the disk.
    ///
    /// - Throws: where one was imported, which only who issued it can renew.
    package static func renew(
        directory: String, commonName: String, machine: MachineNames, newKey: KeyKind? = nil, now: Int64? = nil
    ) throws(TLSError) -> TLSIdentity {
        let now = now ?? CertificateTime.now
        let options = options(dataDirectory: directory)
        guard try present(options.certificateFile)?.isMadeHere ?? true else {
            throw TLSError(
                .contents, path: options.certificateFile,
                reason: "was imported, so it cannot be made anew here: ask who issued it for another (sallyport "
                    + "certificate request) and import that")
        }
        let files = IdentityFiles(options)
        let present = newKey == nil ? try files.presentKey() : nil
        let key: PrivateKey
        if let present { key = present } else { key = try PrivateKey.make(newKey ?? .p256) }
        let certificate = try Certificate.selfSigned(
            key: key, commonName: commonName,
            names: SubjectNames(hostNames: machine.hostNames, addresses: machine.addresses), from: now,
            until: now + lifetime)
        let identity = try TLSIdentity(
            name: options.name, chain: [certificate], key: key, path: options.certificateFile,
            keyPath: options.keyFile, now: now)
        guard unsafe mkdir("\(directory)/tls", 0o700) == 0 || errno == EEXIST else {
            throw TLSError(.file, path: "\(directory)/tls", reason: "cannot be made: \(SystemErrors.text(errno))")
        }
        try files.replace(chain: [certificate], key: key)
        return identity
    }

    /// Holds one that was imported against what a start would; ours is mended by a start.
    package static func check(dataDirectory: String) throws(TLSError) {
        let options = options(dataDirectory: dataDirectory)
        guard let certificate = try present(options.certificateFile), !certificate.isMadeHere else { return }
        _ = try imported(options, now: CertificateTime.now)
    }

    /// The certificate that is there, nil when there is none. One that is damaged may have been imported: to put ours in
    /// its place would lock out every client that knows the other.
    private static func present(_ certificateFile: String) throws(TLSError) -> Certificate? {
        guard unsafe access(certificateFile, F_OK) == 0 else { return nil }
        do throws(TLSError) {
            return try Certificate.all(inPEM: BoundedFile(path: certificateFile).bytes, path: certificateFile).first
        } catch {
            var error = error
            error.reason +=
                "; import the certificate that belongs there again, or remove the file to have the self-signed one made "
                + "anew with the same key"
            throw error
        }
    }

    private static func imported(_ options: TLSIdentityOptions, now: Int64) throws(TLSError) -> TLSIdentity {
        do throws(TLSError) {
            return try TLSIdentity.load(options, now: now)
        } catch {
            var error = error
            error.reason +=
                "; it was imported in the place of the self-signed one, which comes back when you remove it"
            throw error
        }
    }

    /// The host names and addresses that the identity's certificate does not name: clients that check names cannot use
    /// them. `sallyport certificate renew` makes one that names them all. Of one that was imported in its place nothing is
    /// missing: whoever asked for it knows which names clients use.
    package static func missingNames(
        in identity: TLSIdentity, hostNames: [String], addresses: [String]
    ) -> [String] {
        guard isMadeHere(identity) else { return [] }
        return SubjectNames(hostNames: hostNames, addresses: addresses).missing(in: identity.alternativeNames)
    }

    /// The identity on disk, nil when its certificate is to be made anew: missing, expired, of another key.
    private static func current(
        _ certificateFile: String, keyFile: String, key: PrivateKey, now: Int64
    ) throws(TLSError) -> TLSIdentity? {
        guard unsafe access(certificateFile, F_OK) == 0 else { return nil }
        do throws(TLSError) {
            let chain = try Certificate.all(
                inPEM: BoundedFile(path: certificateFile).bytes, path: certificateFile)
            return try TLSIdentity(
                name: "default", chain: chain, key: key, path: certificateFile, keyPath: keyFile, now: now)
        } catch {
            switch error.code {
            case .mismatch, .expired, .notYetValid: return nil
            default: throw error
            }
        }
    }
}

/// What a certificate is to be for, without doubles.
struct SubjectNames {
    var hostNames: [String] = []
    var addresses: [IPAddressText] = []

    init(_ hostNames: [String], _ addresses: [IPAddressText]) {
        self.hostNames = hostNames
        self.addresses = addresses
    }

    init(hostNames: [String], addresses: [String]) {
        for name in hostNames {
            let name = name.lowercased()
            // What no certificate can hold is left out: clients could not ask for it either.
            guard !name.isEmpty, name.utf8.count <= 253, name.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
                !self.hostNames.contains(name)
            else { continue }
            self.hostNames.append(name)
        }
        for text in addresses {
            let bare = text.prefix { $0 != "%" }
            guard let address = IPAddressText(String(bare)), !self.addresses.contains(address) else { continue }
            self.addresses.append(address)
        }
    }

    func hostsAreCovered(by names: [String]) -> Bool {
        let names = Set(names.map { $0.lowercased() })
        return hostNames.allSatisfy(names.contains)
    }

    /// A name `*.plant.example` stands for any one label in the place of its star.
    func missing(in names: [String]) -> [String] {
        let names = Set(names.map { $0.lowercased() })
        let hosts = hostNames.filter { host in
            guard !names.contains(host) else { return false }
            guard let dot = host.firstIndex(of: ".") else { return true }
            return !names.contains("*\(host[dot...])")
        }
        return hosts + addresses.map(\.text).filter { !names.contains($0) }
    }

    var withoutLoopback: SubjectNames {
        var names = self
        names.hostNames.removeAll { $0 == "localhost" }
        names.addresses.removeAll { $0.text == "::1" || $0.text.hasPrefix("127.") }
        return names
    }
}
