import COpenSSL
import Glibc

/// The two files of an identity, replaced as if they were one.
///
/// A new key is written to `KEY.next`, then the new certificate takes the place of the old one in one rename, and only
/// then the key moves to its place. Whoever reads takes of `KEY` and `KEY.next` the one that belongs to the certificate,
/// so that there is a matching pair at every moment, also when the machine loses power in between. What was there before
/// stays as `.previous`.
struct IdentityFiles {
    let certificateFile: String
    let keyFile: String
    let password: Secret?

    init(_ options: TLSIdentityOptions) {
        certificateFile = options.certificateFile
        keyFile = options.keyFile
        password = options.keyPassword
    }

    var nextKeyFile: String { "\(keyFile).next" }
    var previousCertificateFile: String { "\(certificateFile).previous" }
    var previousKeyFile: String { "\(keyFile).previous" }

    /// Certificates and the key that belongs to the first; without one, the key of `keyFile`, which does not match.
    func read() throws(TLSError) -> (chain: [Certificate], key: PrivateKey) {
        var attempt = 1
        while true {
            let chain = try Certificate.all(inPEM: BoundedFile(path: certificateFile).bytes, path: certificateFile)
            let found: Result<PrivateKey, TLSError>
            do throws(TLSError) { found = .success(try key(at: keyFile)) } catch { found = .failure(error) }
            if case .success(let key) = found, chain.first?.matches(key) == true { return (chain, key) }
            if unsafe access(nextKeyFile, F_OK) == 0 {
                let next = try key(at: nextKeyFile)
                if chain.first?.matches(next) == true { return (chain, next) }
            }
            // A replacement that has ended between the two reads leaves a pair behind.
            attempt += 1
            if attempt > 3 { return (chain, try found.get()) }
        }
    }

    /// Puts the pair in place.
    ///
    /// - Parameter chain: leaf first.
    func replace(chain: [Certificate], key: PrivateKey) throws(TLSError) {
        try refuseLinks()
        try settle()
        try keepPrevious()
        var certificates: [UInt8] = []
        for certificate in chain { certificates += try certificate.pem() }
        guard certificateFile != keyFile else {
            return try AtomicFile.write(certificates + key.pem(password: password).bytes, to: keyFile, mode: 0o600)
        }
        let present = try? self.key(at: keyFile)
        let stays = present.map { chain.first?.matches($0) == true } ?? false
        if unsafe access(keyFile, F_OK) != 0 {
            // No pair is there that could be torn apart, and a configuration whose key is missing cannot start.
            try write(key, to: keyFile)
        } else if !stays {
            try write(key, to: nextKeyFile)
        }
        try AtomicFile.write(certificates, to: certificateFile, mode: 0o600)
        // From here on it is done: should the rename fail, the next reader and the next replacement find the key.
        if unsafe access(nextKeyFile, F_OK) == 0 { unsafe rename(nextKeyFile, keyFile) }
    }

    /// The certificate's key, or the one that waits for a certificate in its place; nil when there is no file of one.
    func presentKey() throws(TLSError) -> PrivateKey? {
        if let pair = try? read() { return pair.key }
        return unsafe access(keyFile, F_OK) == 0 ? try key(at: keyFile) : nil
    }

    private func write(_ key: PrivateKey, to path: String) throws(TLSError) {
        try AtomicFile.write(key.pem(password: password).bytes, to: path, mode: 0o600)
    }

    /// Ends a replacement that was cut short, or forgets one that had not begun to count. Where that cannot be told, no key
    /// is deleted.
    func settle() throws(TLSError) {
        guard unsafe access(nextKeyFile, F_OK) == 0 else { return }
        let counts: Bool
        do throws(TLSError) {
            counts = try nextCounts()
        } catch {
            var error = error
            error.reason +=
                "; until it can be read nobody can tell whether \(nextKeyFile), from a replacement that was cut short, is "
                + "its key: mend it, or remove that file if you know that it is not needed"
            throw error
        }
        let code = counts ? unsafe rename(nextKeyFile, keyFile) : unsafe unlink(nextKeyFile)
        guard code == 0 || errno == ENOENT else {
            throw TLSError(.file, path: nextKeyFile, reason: "cannot be moved: \(SystemErrors.text(errno))")
        }
    }

    /// Whether the certificate that is there belongs to the next key already.
    private func nextCounts() throws(TLSError) -> Bool {
        guard unsafe access(certificateFile, F_OK) == 0 else { return false }
        let chain = try Certificate.all(inPEM: BoundedFile(path: certificateFile).bytes, path: certificateFile)
        do throws(TLSError) {
            return try chain.first?.matches(key(at: nextKeyFile)) == true
        } catch {
            // What holds no key is nobody's.
            if error.code == .contents { return false }
            throw error
        }
    }

    /// Keeps the pair that is there, if it is one. A key that is there and may not be read is not overwritten.
    private func keepPrevious() throws(TLSError) {
        do throws(TLSError) {
            let pair = try read()
            guard pair.chain.first?.matches(pair.key) == true else { return }
        } catch {
            switch error.code {
            case .permissions, .password: throw error
            default: return
            }
        }
        try AtomicFile.write(BoundedFile(path: keyFile).bytes, to: previousKeyFile, mode: 0o600)
        guard certificateFile != keyFile else { return }
        try AtomicFile.write(BoundedFile(path: certificateFile).bytes, to: previousCertificateFile, mode: 0o600)
    }

    private func key(at path: String) throws(TLSError) -> PrivateKey {
        let file = try BoundedFile(path: path)
        try file.refuseIfOpenToOthers(path: path)
        return try PrivateKey(pem: file.bytes, password: password, path: path)
    }

    /// A link belongs to whoever made it: a rename would replace it, and its target would go on being changed in vain.
    private func refuseLinks() throws(TLSError) {
        for path in [certificateFile, keyFile] {
            var status = stat()
            guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { continue }
            throw TLSError(
                .file, path: path,
                reason: "is a symbolic link, so something else looks after it (Kubernetes, certbot): replace it there")
        }
    }
}

/// Keys that wait for their certificate, in the data directory: that of the last request, and of the one before.
struct PendingKeys {
    private static let longestName = 200

    let folder: String
    let password: Secret?
    private let base: String

    init(dataDirectory: String, identity: TLSIdentityOptions) {
        folder = "\(dataDirectory)/tls"
        password = identity.keyPassword
        // A name may hold anything, a file's name not.
        var base = ""
        for byte in identity.name.lowercased().utf8.prefix(PendingKeys.longestName) {
            let isPlain = byte &- 0x30 < 10 || byte &- 0x61 < 26 || byte == 0x2D || byte == 0x5F
            base += isPlain ? String(UnicodeScalar(byte)) : "%\(byte < 16 ? "0" : "")\(String(byte, radix: 16))"
        }
        self.base = base
    }

    var file: String { "\(folder)/\(base).pending.key" }
    var formerFile: String { "\(folder)/\(base).pending.key.previous" }

    /// Those that can be read, the newest first.
    func keys() -> [(path: String, key: PrivateKey)] {
        [file, formerFile].compactMap { path in
            guard let bytes = try? BoundedFile(path: path).bytes,
                let key = try? PrivateKey(pem: bytes, password: password, path: path)
            else { return nil }
            return (path, key)
        }
    }

    /// Keeps a key; the one that waited until now stays for a certificate that is on its way.
    func add(_ key: PrivateKey) throws(TLSError) {
        try makeFolder()
        if unsafe rename(file, formerFile) != 0, errno != ENOENT {
            throw TLSError(.file, path: file, reason: "cannot be moved: \(SystemErrors.text(errno))")
        }
        try AtomicFile.write(key.pem(password: password).bytes, to: file, mode: 0o600)
    }

    /// Before the first start it is not there.
    func makeFolder() throws(TLSError) {
        guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw TLSError(.file, path: folder, reason: "cannot be made: \(SystemErrors.text(errno))")
        }
    }

    /// What has its certificate now waits no longer.
    func remove(_ key: PrivateKey) {
        for (path, waiting) in keys() where waiting.publicKey.pin == key.publicKey.pin { unsafe unlink(path) }
    }
}
