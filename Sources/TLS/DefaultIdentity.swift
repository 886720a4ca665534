import COpenSSL
import Glibc

/// The self-signed identity that is there from the first start and used where nothing else is named.
package enum DefaultIdentity {
    /// 365 days, in seconds.
    static let lifetime: Int64 = 365 * 86_400
    /// It is renewed when so much or less is left.
    static let renewalMargin: Int64 = 30 * 86_400

    package static func certificateFile(dataDirectory: String) -> String { "\(dataDirectory)/tls/default.pem" }
    package static func keyFile(dataDirectory: String) -> String { "\(dataDirectory)/tls/default.key" }

    /// Loads the default identity, made or renewed when need be. A renewal keeps the key: it happens at 30 days left,
    /// and when the certificate does not name the host. An address that has come makes none, because people have noted
    /// the fingerprint of this one: `missingNames` tells what it does not name. Blocks on the disk.
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
            key = try PrivateKey.makeP256()
            try AtomicFile.write(key.pem().bytes, to: keyFile, mode: 0o600)
        }
        let certificate = try Certificate.selfSigned(
            key: key, commonName: commonName, names: wanted, from: now, until: now + lifetime)
        try AtomicFile.write(certificate.pem(), to: certificateFile, mode: 0o600)
        return try TLSIdentity(
            name: "default", chain: [certificate], key: key, path: certificateFile, keyPath: keyFile, now: now)
    }

    /// The host names and addresses that the identity's certificate does not name: clients that check names cannot use
    /// them. Removing `default.pem` has a certificate made that names them all.
    package static func missingNames(
        in identity: TLSIdentity, hostNames: [String], addresses: [String]
    ) -> [String] {
        SubjectNames(hostNames: hostNames, addresses: addresses).missing(in: identity.alternativeNames)
    }

    /// The identity on disk, nil when its certificate is to be made anew: missing, damaged, expired, of another key.
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
            case .contents, .mismatch, .expired, .notYetValid: return nil
            default: throw error
            }
        }
    }
}

/// What a certificate is to be for, without doubles.
struct SubjectNames {
    var hostNames: [String] = []
    var addresses: [IPAddressText] = []

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

    func missing(in names: [String]) -> [String] {
        let names = Set(names.map { $0.lowercased() })
        return (hostNames + addresses.map(\.text)).filter { !names.contains($0) }
    }
}
