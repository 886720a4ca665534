import Glibc

/// How far entries were forwarded to one place: a small file in the data directory that outlasts the process.
package struct AuditPosition: Sendable, Equatable {
    /// Of the log that it counts in, hexadecimal.
    package var chain: String
    package var sequence: Int64

    package init(chain: String, sequence: Int64) {
        self.chain = chain
        self.sequence = sequence
    }

    /// Blocks. nil where nothing was forwarded yet, or where the file says nothing useful: then all is sent again.
    package static func read(_ name: String, dataDirectory: String) throws(AuditError) -> AuditPosition? {
        let path = file(name, dataDirectory)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        if descriptor < 0 {
            if errno == ENOENT { return nil }
            throw AuditFile.failure(path)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw AuditFile.failure(path) }
        let words = String(decoding: bytes[..<count].prefix { $0 != 0x0A }, as: UTF8.self).split(separator: " ")
        guard words.count == 2, let sequence = Int64(words[1]), (0..<Int64.max / 2).contains(sequence) else {
            return nil
        }
        return AuditPosition(chain: String(words[0]), sequence: sequence)
    }

    /// Durable when it returns. Blocks.
    package func write(_ name: String, dataDirectory: String) throws(AuditError) {
        try AuditFile.write(Array("\(chain) \(sequence)\n".utf8), to: AuditPosition.file(name, dataDirectory))
    }

    private static func file(_ name: String, _ dataDirectory: String) -> String {
        "\(dataDirectory)/audit-forwarded-\(name)"
    }
}
