import TLS

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file read whole, with a bound. Blocking: callers are off the cooperative pool.
struct FileContents {
    var bytes: [UInt8]
    /// Who may read and replace it.
    var access: FileAccess

    init(path: String, limit: Int) throws(FileProblem) {
        guard !path.utf8.contains(0) else { throw .unreadable("the path holds a NUL byte") }
        // Without O_NONBLOCK a named pipe would hold the start for ever.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw errno == ENOENT ? .missing : .unreadable(FileProblem.text(errno))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(FileProblem.text(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
        guard status.st_size <= limit else { throw .tooLarge(limit: limit) }
        access = FileAccess(status, descriptor: descriptor)
        bytes = []
        bytes.reserveCapacity(Int(status.st_size))
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .unreadable(FileProblem.text(errno)) }
            if count == 0 { return }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw .tooLarge(limit: limit) }
        }
    }

    /// Whether it holds the beginning of a PEM block.
    var looksLikePEM: Bool { holds("-----BEGIN ") }

    /// Whether it may be one or several revocation lists, in PEM or DER.
    var looksLikeRevocationLists: Bool { bytes.first == 0x30 || holds("-----BEGIN X509 CRL-----") }

    private func holds(_ text: String) -> Bool {
        let mark = Array(text.utf8)
        guard bytes.count >= mark.count else { return false }
        return (0...(bytes.count - mark.count)).contains { start in
            bytes[start] == 0x2D && bytes[start..<(start + mark.count)].elementsEqual(mark)
        }
    }

    /// The text without a byte order mark; nil with the index of the first bad byte when it is not UTF-8.
    func text() -> Result<String, InvalidUTF8> {
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        if let text = String(validating: bytes[start...], as: UTF8.self) { return .success(text) }
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var line = 1
        var column = 1
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            column += 1
            if scalar == "\n" {
                line += 1
                column = 1
            }
        }
        return .failure(InvalidUTF8(line: line, column: column))
    }

    struct InvalidUTF8: Error, Equatable {
        var line: Int
        var column: Int
    }
}

/// Why a file could not be read.
enum FileProblem: Error, Equatable, CustomStringConvertible {
    case missing
    case notAFile
    case tooLarge(limit: Int)
    case unreadable(String)

    var description: String {
        switch self {
        case .missing: "is not there"
        case .notAFile: "is not a regular file"
        case .tooLarge(let limit): "is larger than \(Quantity.text(bytes: limit))"
        case .unreadable(let reason): "cannot be read: \(reason)"
        }
    }

    static func text(_ code: Int32) -> String {
        switch code {
        case EACCES: "permission denied; it must be readable by the user that runs the gateway"
        case EISDIR: "it is a directory"
        case ENOTDIR: "a part of its path is not a directory"
        default: String(cString: strerror(code))
        }
    }
}
