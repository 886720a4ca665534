import Glibc
import Synchronization

/// The directory that holds what outlasts the process: users, certificates, the control socket. Made 0700; one process
/// at a time, by a lock that the kernel releases however the process ends.
package final class DataDirectory: Sendable {
    package let path: String
    private let lock: Int32

    /// Makes the directory when it is missing and takes its lock. Blocks on the file system.
    package init(path: String) throws(GatewayError) {
        self.path = path
        try DataDirectory.make(path)
        let lockPath = path + "/lock"
        lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else {
            throw GatewayError(.dataDirectory, "\(lockPath) cannot be opened: \(DataDirectory.lastError())")
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let owner = DataDirectory.readOwner(lock)
            close(lock)
            throw GatewayError(
                .inUse,
                "the data directory \(path) is in use by another sallyport\(owner.map { " (process \($0))" } ?? ""); "
                    + "stop it first, or give this one a data-directory of its own")
        }
        ftruncate(lock, 0)
        let text = "\(getpid())\n"
        _ = text.withCString { pwrite(lock, $0, text.utf8.count, 0) }
    }

    deinit {
        close(lock)
    }

    package var controlSocket: String { DataDirectory.controlSocket(in: path) }
    package var certificates: String { path + "/tls" }

    /// What tells this machine from others: systemd's machine id, empty where there is none.
    package var machine: String {
        let descriptor = open("/etc/machine-id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes[..<max(0, count)].prefix { $0 != 0x0A }, as: UTF8.self)
    }

    package static func controlSocket(in path: String) -> String { path + "/control.sock" }

    /// Makes the directory and what is missing above it, and sees that it is ours alone.
    private static func make(_ path: String) throws(GatewayError) {
        var partial = ""
        for segment in path.split(separator: "/") {
            partial += "/" + segment
            if mkdir(partial, 0o700) != 0, errno != EEXIST {
                throw GatewayError(.dataDirectory, "the data directory \(partial) cannot be made: \(lastError())")
            }
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw GatewayError(.dataDirectory, "the data directory \(path) is not a directory")
        }
        guard status.st_uid == geteuid() else {
            throw GatewayError(
                .dataDirectory,
                "the data directory \(path) belongs to user \(status.st_uid); sallyport runs as \(geteuid())")
        }
        // Not changed here: the path may be a mistake, and /tmp or /var/lib must not be closed to everybody by it.
        guard status.st_mode & 0o077 == 0 else {
            throw GatewayError(
                .dataDirectory,
                "others may look into the data directory \(path); if it is sallyport's alone, run: chmod 700 \(path)")
        }
    }

    private static func readOwner(_ descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: bytes[..<count].prefix { $0 != 0x0A }, as: UTF8.self))
    }

    static func lastError() -> String { String(cString: strerror(errno)) }
}

extension DataDirectory {
    /// Eight random bytes in hexadecimal, made once for this installation. Blocks on the file system.
    func installationID() throws(GatewayError) -> String {
        let file = path + "/installation"
        let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw GatewayError(.dataDirectory, "\(file) cannot be opened: \(DataDirectory.lastError())")
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16)
        if pread(descriptor, &bytes, 16, 0) == 16 { return String(decoding: bytes, as: UTF8.self) }
        let digits = Array("0123456789abcdef".utf8)
        bytes = (0..<16).map { _ in digits[Int.random(in: 0..<16)] }
        guard pwrite(descriptor, bytes, 16, 0) == 16, fsync(descriptor) == 0 else {
            throw GatewayError(.dataDirectory, "\(file) cannot be written: \(DataDirectory.lastError())")
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
