import Glibc

/// A file beside the database, `outbox.token`, that knows which database was used last: one that comes out of a backup does
/// not fit it.
struct OutboxToken {
    private let path: String

    init(beside database: String) {
        path = (database.hasSuffix(".sqlite") ? String(database.dropLast(7)) : database) + ".token"
    }

    /// Whether a database with this token is the one that was used last. Where there is no file nobody can tell.
    func fits(_ token: String) -> Bool {
        let known = read()
        return known.isEmpty || known.contains(Substring(token))
    }

    private func read() -> [Substring] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return [] }
        defer { Glibc.close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = unsafe pread(file, &bytes, bytes.count, 0)
        return String(decoding: bytes[..<max(0, count)], as: UTF8.self).split(separator: "\n").map { $0 }
    }

    func write(_ tokens: [String]) throws {
        let bytes = Array(tokens.filter { !$0.isEmpty }.map { $0 + "\n" }.joined().utf8)
        let next = path + ".next"
        let file = unsafe open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failure() }
        let isWritten = unsafe Glibc.write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0
        Glibc.close(file)
        guard isWritten, unsafe rename(next, path) == 0 else { throw failure() }
    }

    private func failure() -> OutboxError {
        OutboxError(.unavailable, "\(path) cannot be written: \(unsafe String(cString: strerror(errno)))")
    }
}
