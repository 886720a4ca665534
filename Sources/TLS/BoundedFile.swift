import Glibc

/// A small file read whole, with the mode it had while it was open.
struct BoundedFile {
    /// A file of certificates above this is not one.
    static let limit = 1 << 20

    let bytes: [UInt8]
    /// Permission bits.
    let mode: mode_t

    init(path: String) throws(TLSError) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw TLSError(.file, path: path, reason: "cannot be opened: \(SystemErrors.text(errno))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw TLSError(.file, path: path, reason: "cannot be examined: \(SystemErrors.text(errno))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw TLSError(.file, path: path, reason: "is not a regular file")
        }
        mode = status.st_mode & 0o7777
        var contents: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in
                unsafe read(descriptor, buffer.baseAddress, buffer.count)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else {
                throw TLSError(.file, path: path, reason: "cannot be read: \(SystemErrors.text(errno))")
            }
            guard count > 0 else { break }
            contents.append(contentsOf: chunk[..<count])
            guard contents.count <= Self.limit else {
                throw TLSError(
                    .contents, path: path, reason: "is larger than 1 MiB, so it is no certificate or key file")
            }
        }
        bytes = contents
    }

    /// A key is for its owner, and for its group where that was wanted.
    func refuseIfOpenToOthers(path: String) throws(TLSError) {
        guard mode & 0o007 == 0 else {
            throw TLSError(
                .permissions, path: path,
                reason: "the key is open to everybody on this machine (mode 0\(String(mode, radix: 8))): "
                    + "chmod 600 it, and replace it if others had access")
        }
    }
}

/// The system's words for an error number.
enum SystemErrors {
    static func text(_ number: Int32) -> String {
        guard let words = unsafe strerror(number) else { return "error \(number)" }
        return unsafe String(cString: words)
    }
}
