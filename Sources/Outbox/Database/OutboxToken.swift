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
        return known.isEmpty || known.contains(token)
    }

    /// What is to be written before a database goes from its token to another one: both while nobody knows which one it has,
    /// so that a crash is no restored backup. Of a database that does not fit, its token is left out: it never will.
    func both(_ token: String, and next: String) -> [String] {
        [fits(token) ? token : read().first ?? "", next]
    }

    private func read() -> [String] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return [] }
        defer { Glibc.close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = unsafe pread(file, &bytes, bytes.count, 0)
        return String(decoding: bytes[..<max(0, count)], as: UTF8.self).split(separator: "\n").map(String.init)
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
