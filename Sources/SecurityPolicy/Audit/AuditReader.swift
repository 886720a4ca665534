import Crypto
import Dispatch
import FoundationEssentials
import GRDB
import Glibc
package import Tags

/// Reads `audit.sqlite` without writing to it, beside the gateway that writes it or without one.
package struct AuditReader: Sendable {
    package let path: String
    private let dataDirectory: String
    /// What is said when there is no file.
    private let absence: String

    /// Of a data directory.
    package init(dataDirectory: String) {
        self.dataDirectory = dataDirectory
        path = dataDirectory + "/audit.sqlite"
        absence = "there is no audit log yet; a gateway makes it when it starts"
    }

    /// Of a database wherever it lies; exported files are looked for beside it.
    package init(database path: String) {
        self.path = path
        dataDirectory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        absence = "there is no such file"
    }

    /// The public key of the data directory, hexadecimal; nil when there is none.
    package func publicKey() throws(AuditError) -> String? {
        try AuditKey.read(dataDirectory + "/audit.key")?.publicKey
    }

    // MARK: Reading

    /// The newest entries that match, oldest first. Blocks.
    package func entries(_ filter: AuditFilter) throws(AuditError) -> [AuditEntry] {
        try reading { db in
            var found: [AuditEntry] = []
            let rows = try Row.fetchCursor(
                db, sql: "SELECT \(AuditRow.entryColumns) FROM entries ORDER BY sequence DESC")
            while found.count < filter.limit, let row = try rows.next() {
                let entry = AuditRow.entry(row)
                if filter.matches(entry) { found.append(entry) }
            }
            return found.reversed()
        }
    }

    /// The entries after one, in order, at most so many. Blocks.
    package func entries(after sequence: Int64, limit: Int) throws(AuditError) -> [AuditEntry] {
        try reading { db in
            try Row.fetchAll(
                db, sql: "SELECT \(AuditRow.entryColumns) FROM entries WHERE sequence > ? ORDER BY sequence LIMIT ?",
                arguments: [sequence, limit]
            ).map(AuditRow.entry)
        }
    }

    /// What chain it is, hexadecimal, and the number of the last entry. Blocks.
    package func position() throws(AuditError) -> (chain: String, last: Int64) {
        try reading { db in
            (
                Hexadecimal.text(try AuditRow.chain(db)),
                try Int64.fetchOne(db, sql: "SELECT max(sequence) FROM entries") ?? 0
            )
        }
    }

    /// Gives the lines of an export of the entries between two times to `take`, with a head signed for it. Blocks.
    ///
    /// - Returns: the numbers of the entries, nil when there are none.
    package func export(
        since: Timestamp? = nil, until: Timestamp? = nil, _ take: ([UInt8]) throws -> Void
    ) throws(AuditError) -> ClosedRange<Int64>? {
        guard let key = try AuditKey.read(dataDirectory + "/audit.key") else {
            throw .database(path: dataDirectory + "/audit.key", reason: "there is no signing key")
        }
        return try reading { db in
            let range = try Row.fetchOne(
                db, sql: "SELECT min(sequence), max(sequence) FROM entries WHERE time >= ? AND time <= ?",
                arguments: [since?.microseconds ?? .min, until?.microseconds ?? .max])
            guard let range, let first = AuditRow.integer(range, 0), let last = AuditRow.integer(range, 1) else {
                return nil
            }
            try AuditReader.write(db, first...last, key: key, take)
            return first...last
        }
    }

    /// The file of a segment, made in the data directory, with the checkpoint that will stand for it. Blocks.
    func exportSegment(_ range: ClosedRange<Int64>, key: AuditKey) throws(AuditError) -> AuditCheckpoint {
        let folder = dataDirectory + "/" + AuditExport.folder
        if mkdir(folder, 0o700) != 0, errno != EEXIST { throw AuditFile.failure(folder) }
        let name = try fileName(range, in: folder)
        let file = try AuditFileWriter(path: folder + "/" + name)
        var digest = SHA256()
        let end = try reading { db in
            var chunk: [UInt8] = []
            let end = try AuditReader.write(db, range, key: key) { line in
                digest.update(data: line)
                chunk += line
                if chunk.count > 1 << 18 {
                    try file.append(chunk)
                    chunk = []
                }
            }
            try file.append(chunk)
            return end
        }
        try file.finish()
        var checkpoint = AuditCheckpoint(
            chain: end.head.chain, first: range.lowerBound, last: end.head.sequence, lastHash: end.head.hash,
            count: end.count, time: end.head.time, file: name, fileHash: Hexadecimal.text(digest.finalize()),
            publicKey: "", signature: "")
        do {
            try checkpoint.sign(with: key)
        } catch {
            throw .database(path: path, reason: "the checkpoint cannot be signed: \(error)")
        }
        return checkpoint
    }

    /// A name that takes the place of no file but one of the same chain, left by an export that did not come to its end:
    /// the entries of a log that was replaced have the same numbers.
    private func fileName(_ range: ClosedRange<Int64>, in folder: String) throws(AuditError) -> String {
        let name = AuditExport.fileName(range)
        guard access(folder + "/" + name, F_OK) == 0 else { return name }
        let chain = try position().chain
        return AuditExport.chain(path: folder + "/" + name) == chain ? name : AuditExport.fileName(range, of: chain)
    }

    @discardableResult
    private static func write(
        _ db: Database, _ range: ClosedRange<Int64>, key: AuditKey, _ take: ([UInt8]) throws -> Void
    ) throws -> (head: AuditHead, count: Int64) {
        let chain = try AuditRow.chain(db)
        try take(
            AuditExport.line(
                AuditExport.Start(
                    chain: Hexadecimal.text(chain), first: range.lowerBound,
                    previous: Hexadecimal.text(try hash(db, before: range.lowerBound, chain: chain)))))
        var last: (sequence: Int64, hash: [UInt8]) = (range.lowerBound &- 1, [])
        var count: Int64 = 0
        let rows = try Row.fetchCursor(
            db, sql: "SELECT \(AuditRow.entryColumns) FROM entries WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
            arguments: [range.lowerBound, range.upperBound])
        while let row = try rows.next() {
            let entry = AuditRow.entry(row)
            try take(AuditExport.line(entry))
            last = (entry.sequence, entry.hash)
            count += 1
        }
        let head = try AuditHead(chain: chain, sequence: last.sequence, hash: last.hash, time: .now, key: key)
        try take(AuditExport.line(AuditExport.End(head: head)))
        return (head, count)
    }

    private static func hash(_ db: Database, before sequence: Int64, chain: [UInt8]) throws -> [UInt8] {
        if let row = try Row.fetchOne(
            db, sql: "SELECT hash FROM entries WHERE sequence < ? ORDER BY sequence DESC LIMIT 1",
            arguments: [sequence])
        {
            return AuditRow.bytes(row, 0)
        }
        if let row = try Row.fetchOne(
            db, sql: "SELECT last_hash FROM checkpoints WHERE last < ? ORDER BY last DESC LIMIT 1",
            arguments: [sequence])
        {
            return Hexadecimal.bytes(AuditRow.text(row, 0) ?? "") ?? []
        }
        return AuditBytes.genesis(of: chain)
    }

    // MARK: Verifying

    /// Follows the whole chain, and holds it against its signed heads, its checkpoints with their files, and the heads
    /// given. Blocks, and takes its time: tens of thousands of entries a second.
    ///
    /// - Parameter trustedKeys: public keys that may have signed; none: the one of the data directory, where there is one.
    package func verify(
        heads: [AuditHead] = [], trustedKeys: [String] = []
    ) throws(AuditError) -> AuditVerification {
        var keys = trustedKeys
        if keys.isEmpty, let own = try publicKey() { keys = [own] }
        var (verifier, checkpoints) = try reading { db in
            var verifier = AuditVerifier(source: path, chain: try AuditRow.chain(db), trustedKeys: keys)
            if keys.isEmpty { verifier.note("there is no audit.key: whoever signed is believed") }
            return try AuditReader.follow(db, &verifier, heads)
        }
        for checkpoint in checkpoints { try check(checkpoint, &verifier) }
        for head in verifier.headsBefore {
            guard let checkpoint = checkpoints.first(where: { $0.first <= head.sequence && head.sequence <= $0.last })
            else { continue }
            let file = self.file(checkpoint)
            if head.sequence == checkpoint.last {
                verifier.compare(head.sequence, hash: Hexadecimal.bytes(checkpoint.lastHash) ?? [])
            } else if access(file, F_OK) == 0, let hash = try AuditExport.hash(of: head.sequence, path: file) {
                verifier.compare(head.sequence, hash: hash)
            }
        }
        return verifier.finish()
    }

    private static func follow(
        _ db: Database, _ verifier: inout AuditVerifier, _ heads: [AuditHead]
    ) throws -> (AuditVerifier, [AuditCheckpoint]) {
        let chain = try AuditRow.chain(db)
        let checkpoints = try Row.fetchAll(
            db,
            sql: """
                SELECT first, last, last_hash, count, time, file, file_hash, public_key, signature FROM checkpoints
                ORDER BY last
                """
        ).map { AuditRow.checkpoint($0, chain: chain) }
        for checkpoint in checkpoints { verifier.take(checkpoint) }
        let own = try Row.fetchCursor(db, sql: "SELECT sequence, hash, time, public_key, signature FROM heads")
        while let row = try own.next() { verifier.expect(AuditRow.head(row, chain: chain), from: "the head") }
        for head in heads { verifier.expect(head, from: "the head given") }
        let rows = try Row.fetchCursor(db, sql: "SELECT \(AuditRow.entryColumns) FROM entries ORDER BY sequence")
        while let row = try rows.next() { verifier.take(AuditRow.entry(row)) }
        return (verifier, checkpoints)
    }

    private func file(_ checkpoint: AuditCheckpoint) -> String {
        // The name comes from the database, which others may have written to.
        let name = checkpoint.file.split(separator: "/").last.map(String.init) ?? ""
        return "\(dataDirectory)/\(AuditExport.folder)/\(name)"
    }

    private func check(_ checkpoint: AuditCheckpoint, _ verifier: inout AuditVerifier) throws(AuditError) {
        let file = file(checkpoint)
        guard access(file, F_OK) == 0 else {
            return verifier.note(
                "entries \(checkpoint.first) to \(checkpoint.last) are in \(checkpoint.file), which is not here")
        }
        guard try AuditExport.digest(path: file) == checkpoint.fileHash else {
            let found = try? AuditExport.verify(path: file)
            let place = found?.problems.first.map { ": \($0.text)" } ?? ""
            return verifier.report(
                .file, found?.problems.first?.sequence ?? checkpoint.first, found?.problems.first?.time,
                "the exported file \(checkpoint.file) is not the one that was written\(place)")
        }
    }

    // MARK: The connection

    /// One look at one state of the database.
    private func reading<Value>(_ body: (Database) throws -> Value) throws(AuditError) -> Value {
        guard access(path, F_OK) == 0 else {
            throw .database(path: path, reason: absence)
        }
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            let version = try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
            guard version <= AuditDatabase.schemaVersion else { throw AuditError.newer(path: path, version: version) }
            return try queue.read(body)
        } catch let error as AuditError {
            throw error
        } catch {
            throw AuditError(error, path: path)
        }
    }
}

extension AuditError {
    static func newer(path: String, version: Int) -> AuditError {
        .database(
            path: path,
            reason: "it was written by a newer version of Sallyport (schema \(version), this one knows "
                + "\(AuditDatabase.schemaVersion)): run that version, or move the file away")
    }

    init(_ error: any Error, path: String) {
        guard let error = error as? DatabaseError else {
            self = .database(path: path, reason: "\(error)")
            return
        }
        let reason = error.message ?? "SQLite code \(error.resultCode.rawValue)"
        let isFull = error.resultCode == .SQLITE_FULL
        self = isFull ? .full(path: path, reason: reason) : .database(path: path, reason: reason)
    }
}

/// Runs what blocks on a thread that may block.
package func offAuditPool<Value: Sendable>(
    _ body: @escaping @Sendable () throws(AuditError) -> Value
) async throws(AuditError) -> Value {
    let result = await withCheckedContinuation { (done: CheckedContinuation<Result<Value, AuditError>, Never>) in
        DispatchQueue.global().async {
            done.resume(returning: Result { () throws(AuditError) in try body() })
        }
    }
    return try result.get()
}
