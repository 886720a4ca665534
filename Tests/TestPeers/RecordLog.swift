import FoundationEssentials
import Glibc
import Synchronization

/// The file of a recorder: a line is on the disk before its publisher hears of it.
final class RecordLog: Sendable {
    /// Where a line's status stands, to be filled in once the reply is out.
    struct StatusPlace: Sendable {
        fileprivate let offset: Int
    }

    private static let statusHead = Array("{\"status\":".utf8)
    private static let noStatus = Array("  0".utf8)

    let path: String
    private let descriptor: Int32
    /// Where the file ends.
    private let end: Mutex<Int>

    /// Goes on with a file that is there. Half a line at its end was never acknowledged, and goes.
    init(path: String) throws {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw TestPeerError("\(path): errno \(errno)") }
        var length = 0
        if let last = try Data(contentsOf: URL(filePath: path)).lastIndex(of: UInt8(ascii: "\n")) { length = last + 1 }
        ftruncate(descriptor, length)
        end = Mutex(length)
    }

    deinit { close(descriptor) }

    /// Appends a line for each, and gives them to the disk together. After an error none of them is there.
    func append(_ records: [Recorded]) throws {
        guard !records.isEmpty else { return }
        var bytes: [UInt8] = []
        for record in records { bytes += try line(record) }
        try append(bytes) { _ in }
    }

    /// Appends one line, with status 0.
    func appendAwaitingStatus(_ record: Recorded) throws -> StatusPlace {
        // Three columns, so that it can be written over: JSON allows for spaces there.
        let bytes = Self.statusHead + Self.noStatus + [UInt8(ascii: ",")] + (try line(record)).dropFirst()
        return try append(bytes) { StatusPlace(offset: $0 + Self.statusHead.count) }
    }

    /// Not on the disk at once: it says what the recorder has done, and nobody depends on it.
    func mark(_ status: Int, at place: StatusPlace) {
        let digits = Array(String(status).utf8)
        let columns = Array(repeating: UInt8(ascii: " "), count: max(0, 3 - digits.count)) + digits
        _ = pwrite(descriptor, columns, 3, place.offset)
    }

    private func line(_ record: Recorded) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(record)) + [UInt8(ascii: "\n")]
    }

    private func append<Place>(_ bytes: [UInt8], _ place: (Int) -> Place) throws -> Place {
        try end.withLock { end in
            var written = 0
            while written < bytes.count {
                let count = bytes.withUnsafeBytes {
                    pwrite(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written, end + written)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw failure(end) }
                written += count
            }
            guard fdatasync(descriptor) == 0 else { throw failure(end) }
            let start = end
            end += bytes.count
            return place(start)
        }
    }

    private func failure(_ end: Int) -> TestPeerError {
        let code = errno
        ftruncate(descriptor, end)
        return TestPeerError("\(path): errno \(code)")
    }
}
