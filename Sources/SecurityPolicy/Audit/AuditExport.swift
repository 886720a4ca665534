import Crypto
import FoundationEssentials
import Glibc

/// Files of entries: a first line that says where the chain stands, one line of JSON an entry, and a last line with the
/// signed head of what was written.
package enum AuditExport {
    struct Start: Codable {
        var log = "sallyport-audit"
        var version = 1
        var chain: String
        /// Number of the first entry in the file.
        var first: Int64
        /// The hash of the entry before it.
        var previous: String
    }

    struct End: Codable {
        var head: AuditHead
    }

    /// Longer than any line that is written.
    static let lineLimit = 1 << 16
    static let folder = "audit-exported"

    /// - Parameter chain: hexadecimal, where the file of another chain has the name without it.
    static func fileName(_ range: ClosedRange<Int64>, of chain: String? = nil) -> String {
        func padded(_ number: Int64) -> String {
            String(repeating: "0", count: max(0, 12 - String(number).utf8.count)) + String(number)
        }
        let numbers = "audit-\(padded(range.lowerBound))-\(padded(range.upperBound))"
        return chain.map { "\(numbers)-\($0).jsonl" } ?? "\(numbers).jsonl"
    }

    /// The chain that an exported file is of; nil when it does not say. Blocks.
    static func chain(path: String) -> String? {
        guard let opening = try? AuditLines(path: path).next() else { return nil }
        return try? JSONDecoder().decode(Start.self, from: Data(opening)).chain
    }

    /// One line with its end.
    package static func line(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var bytes = Array(try encoder.encode(value))
        bytes.append(0x0A)
        return bytes
    }

    /// Checks an exported file: its chain, and that its last line is the signed head of it. Blocks.
    package static func verify(
        path: String, trustedKeys: [String] = [], heads: [AuditHead] = []
    ) throws(AuditError) -> AuditVerification {
        let lines = try AuditLines(path: path)
        guard let opening = try lines.next(), let start = try? JSONDecoder().decode(Start.self, from: Data(opening)),
            start.log == "sallyport-audit", let chain = Hexadecimal.bytes(start.chain),
            let previous = Hexadecimal.bytes(start.previous)
        else { throw .database(path: path, reason: "is no exported audit log: its first line does not say so") }
        guard start.version == 1 else {
            throw .database(path: path, reason: "is of a newer version of Sallyport (\(start.version))")
        }
        var verifier = AuditVerifier(source: path, chain: chain, trustedKeys: trustedKeys)
        verifier.begin(at: start.first, after: previous)
        for head in heads { verifier.expect(head, from: "the head given") }
        if start.first == 1, previous != AuditBytes.genesis(of: chain) {
            verifier.report(.changed, 1, nil, "the beginning is not that of its chain")
        }
        var end: End?
        while let line = try lines.next() {
            if end != nil {
                verifier.report(.changed, 0, nil, "something comes after the last line")
                break
            }
            if let entry = try? JSONDecoder().decode(AuditEntry.self, from: Data(line)) {
                verifier.take(entry)
            } else if let last = try? JSONDecoder().decode(End.self, from: Data(line)) {
                end = last
            } else {
                verifier.report(.changed, verifier.result.last &+ 1, nil, "line \(lines.count) is no entry")
            }
        }
        if let end {
            verifier.expect(end.head, from: "the head of the file")
            if end.head.sequence != verifier.result.last {
                verifier.report(
                    .truncated, verifier.result.last, verifier.result.lastTime,
                    "its last line speaks of entry \(end.head.sequence), the last in it is \(verifier.result.last)")
            } else if !verifier.ends(with: end.head) {
                verifier.report(
                    .rewritten, end.head.sequence, verifier.result.lastTime,
                    "the signed head in its last line has another hash: entries were written anew")
            }
        } else {
            verifier.report(
                .truncated, verifier.result.last, verifier.result.lastTime,
                "the end is missing: no signed head closes it")
        }
        return verifier.finish()
    }

    /// SHA-256 of a file, hexadecimal. Blocks.
    static func digest(path: String) throws(AuditError) -> String {
        let file = try AuditLines(path: path)
        var hash = SHA256()
        while let chunk = try file.chunk() { hash.update(data: chunk) }
        return Hexadecimal.text(hash.finalize())
    }

    /// The hash of one entry of a file; nil when it is not in it. Blocks.
    static func hash(of sequence: Int64, path: String) throws(AuditError) -> [UInt8]? {
        let lines = try AuditLines(path: path)
        while let line = try lines.next() {
            if let entry = try? JSONDecoder().decode(AuditEntry.self, from: Data(line)), entry.sequence == sequence {
                return entry.hash
            }
        }
        return nil
    }
}

extension AuditVerifier {
    /// Whether the last entry has the hash that a head names; that head is then answered.
    fileprivate mutating func ends(with head: AuditHead) -> Bool {
        guard let hash = lastHash else { return head.sequence == 0 }
        let before = result.problemCount
        compare(head.sequence, hash: hash)
        return result.problemCount == before
    }
}

/// A file read a bounded line at a time.
final class AuditLines {
    private let path: String
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var start = 0
    private(set) var count = 0

    init(path: String) throws(AuditError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw AuditFile.failure(path) }
    }

    deinit { close(descriptor) }

    /// The next line without its end; nil after the last.
    func next() throws(AuditError) -> ArraySlice<UInt8>? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0A) {
                defer { start = end + 1 }
                count += 1
                return buffer[start..<end]
            }
            guard buffer.count - start <= AuditExport.lineLimit else {
                throw .database(path: path, reason: "line \(count + 1) is longer than any entry")
            }
            buffer.removeSubrange(..<start)
            start = 0
            searched = buffer.count
            guard let more = try chunk() else {
                guard !buffer.isEmpty else { return nil }
                defer { buffer = [] }
                count += 1
                return buffer[...]
            }
            buffer += more
        }
    }

    func chunk() throws(AuditError) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw AuditFile.failure(path) }
        return count == 0 ? nil : Array(bytes[..<count])
    }
}
