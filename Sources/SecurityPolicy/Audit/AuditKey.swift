import Crypto
import FoundationEssentials
import Glibc

/// The key that signs heads and checkpoints: Ed25519, made once, in `audit.key` of the data directory (0600).
struct AuditKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    /// Hexadecimal, 64 digits: what an operator notes elsewhere.
    var publicKey: String { Hexadecimal.text(key.publicKey.rawRepresentation) }

    /// Reads the key, or makes one where there is none. Blocks on the file system.
    static func open(dataDirectory: String) throws(AuditError) -> (key: AuditKey, isNew: Bool) {
        let path = dataDirectory + "/audit.key"
        if let key = try read(path) { return (key, false) }
        let made = Curve25519.Signing.PrivateKey()
        let text = Hexadecimal.text(made.rawRepresentation) + "\n"
        try AuditFile.write(Array(text.utf8), to: path)
        return (AuditKey(key: made), true)
    }

    /// The key that is there; nil when none is.
    static func read(_ path: String) throws(AuditError) -> AuditKey? {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        if descriptor < 0 {
            if errno == ENOENT { return nil }
            throw AuditFile.failure(path)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw AuditFile.failure(path) }
        guard status.st_mode & 0o077 == 0 else {
            throw .database(path: path, reason: "the signing key is open to others; run: chmod 600 \(path)")
        }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw AuditFile.failure(path) }
        let text = String(decoding: bytes[..<count].prefix { $0 != 0x0A }, as: UTF8.self)
        guard let raw = Hexadecimal.bytes(text), let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: raw)
        else {
            throw .database(
                path: path,
                reason: "is not a signing key; move it away and a new one is made (what the old one signed can still "
                    + "be verified with its public key)")
        }
        return AuditKey(key: key)
    }

    func signature(of message: [UInt8]) throws -> [UInt8] { Array(try key.signature(for: message)) }

    static func isValid(_ signature: [UInt8], of message: [UInt8], publicKey: String) -> Bool {
        guard let raw = Hexadecimal.bytes(publicKey),
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: raw)
        else { return false }
        return key.isValidSignature(signature, for: message)
    }
}

/// Files of the audit log that are there whole or not at all, for the owner alone.
enum AuditFile {
    static func write(_ bytes: [UInt8], to path: String) throws(AuditError) {
        let file = try AuditFileWriter(path: path)
        try file.append(bytes)
        try file.finish()
    }

    static func failure(_ path: String, _ code: Int32 = errno) -> AuditError {
        let reason = String(cString: strerror(code))
        let isFull = code == ENOSPC || code == EDQUOT
        return isFull ? .full(path: path, reason: reason) : .database(path: path, reason: reason)
    }
}

/// Writes a file beside its place and puts it there when it is complete and durable.
final class AuditFileWriter {
    private let path: String
    private let temporary: String
    private var descriptor: Int32

    init(path: String) throws(AuditError) {
        self.path = path
        temporary = path + ".new"
        // Left behind by a crash; the data directory's lock keeps a second writer out.
        unlink(temporary)
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw AuditFile.failure(path) }
    }

    deinit {
        if descriptor >= 0 {
            close(descriptor)
            unlink(temporary)
        }
    }

    func append(_ bytes: [UInt8]) throws(AuditError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw AuditFile.failure(path) }
            rest = rest.dropFirst(count)
        }
    }

    func finish() throws(AuditError) {
        guard fsync(descriptor) == 0 else { throw AuditFile.failure(path) }
        guard rename(temporary, path) == 0 else { throw AuditFile.failure(path) }
        close(descriptor)
        descriptor = -1
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let directory = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw AuditFile.failure(path) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw AuditFile.failure(path) }
    }
}
