import Glibc

/// A small file read whole, with what it allowed to whom while it was open.
struct BoundedFile {
    /// A file of certificates above this is not one.
    static let limit = 1 << 20

    let bytes: [UInt8]
    let access: FileAccess

    init(
        path: String, limit: Int = BoundedFile.limit, what: String = "certificate or key file"
    ) throws(TLSError) {
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
        access = FileAccess(status, descriptor: descriptor)
        var contents: [UInt8] = []
        contents.reserveCapacity(min(max(0, status.st_size), limit))
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
            guard contents.count <= limit else {
                throw TLSError(
                    .contents, path: path, reason: "is larger than \(limit >> 20) MiB, so it is no \(what)")
            }
        }
        bytes = contents
    }

    /// A key is for its owner, and for a group that is only the gateway's.
    func refuseIfOpenToOthers(path: String) throws(TLSError) {
        guard let problem = access.problem() else { return }
        throw TLSError(.permissions, path: path, reason: "the key \(problem)")
    }
}

/// The system's words for an error number.
enum SystemErrors {
    static func text(_ number: Int32) -> String {
        guard let words = unsafe strerror(number) else { return "error \(number)" }
        return unsafe String(cString: words)
    }
}
