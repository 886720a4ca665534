/// What a look at a whole log, or at a file of it, found.
package struct AuditVerification: Sendable, Equatable, Codable {
    package struct Problem: Sendable, Equatable, Codable {
        package enum Kind: String, Sendable, Codable {
            /// An entry, or the hash before it, is not what it was.
            case changed
            /// Entries are not there although later ones are.
            case removed
            /// The end is missing.
            case truncated
            /// The chain fits together, but is not the one that was signed.
            case rewritten
            /// A head or checkpoint is not signed, or with another key.
            case signature
            /// An exported file is not the one of its checkpoint.
            case file
        }

        package var kind: Kind
        /// The entry that it is about; 0 when none is.
        package var sequence: Int64
        /// Of that entry, where it is known.
        package var time: String?
        package var text: String
    }

    /// Where it was found.
    package var source: String
    package var chain: String
    package var entries: Int64 = 0
    package var first: Int64 = 0
    package var last: Int64 = 0
    package var lastTime: String?
    /// Signed heads and checkpoints that were held against it.
    package var heads = 0
    package var checkpoints = 0
    /// Keys that signed something in it.
    package var publicKeys: [String] = []
    /// The first of them, at most `problemLimit`.
    package var problems: [Problem] = []
    package var problemCount = 0
    package var notes: [String] = []

    package static let problemLimit = 100

    package var isIntact: Bool { problemCount == 0 }
}

/// Follows a chain entry by entry. It only looks at what it is given: reading is somebody else's.
struct AuditVerifier {
    private(set) var result: AuditVerification
    private let trustedKeys: [String]
    private var expected: Int64 = 1
    /// nil where the entry before is not there.
    private var previous: [UInt8]?
    private var heads: [Int64: [AuditHead]] = [:]
    private let chain: [UInt8]

    /// - Parameter trustedKeys: public keys that may have signed; none: whichever did.
    init(source: String, chain: [UInt8], trustedKeys: [String]) {
        result = AuditVerification(source: source, chain: Hexadecimal.text(chain))
        self.chain = chain
        self.trustedKeys = trustedKeys
        previous = AuditBytes.genesis(of: chain)
    }

    /// Where the chain begins when it does not at its first entry.
    mutating func begin(at sequence: Int64, after hash: [UInt8]) {
        expected = sequence
        previous = hash
        result.first = sequence
        result.last = max(0, sequence &- 1)
    }

    mutating func note(_ text: String) { result.notes.append(text) }

    mutating func report(
        _ kind: AuditVerification.Problem.Kind, _ sequence: Int64, _ time: String?, _ text: String
    ) {
        result.problemCount += 1
        guard result.problems.count < AuditVerification.problemLimit else { return }
        result.problems.append(.init(kind: kind, sequence: sequence, time: time, text: text))
    }

    mutating func take(_ checkpoint: AuditCheckpoint) {
        result.checkpoints += 1
        noteKey(checkpoint.publicKey)
        let range = "the checkpoint of entries \(checkpoint.first) to \(checkpoint.last)"
        if !checkpoint.isSigned {
            report(.signature, checkpoint.last, checkpoint.time, "\(range) does not match its signature")
        } else if !isTrusted(checkpoint.publicKey) {
            report(
                .signature, checkpoint.last, checkpoint.time,
                "\(range) is signed by another key, \(checkpoint.publicKey)")
        }
        if checkpoint.first != expected {
            report(
                .removed, expected, checkpoint.time,
                "entries \(expected) to \(checkpoint.first &- 1) have no checkpoint: \(range) comes next")
        }
        begin(at: checkpoint.last &+ 1, after: Hexadecimal.bytes(checkpoint.lastHash) ?? [])
    }

    /// A head that is held against the entry of its number when that comes. `origin` says where it is from.
    mutating func expect(_ head: AuditHead, from origin: String) {
        result.heads += 1
        noteKey(head.publicKey)
        if !head.isSigned {
            report(.signature, head.sequence, head.time, "\(origin) of \(head.time) does not match its signature")
        } else if !isTrusted(head.publicKey) {
            report(
                .signature, head.sequence, head.time,
                "\(origin) of \(head.time) is signed by another key, \(head.publicKey)")
        }
        guard head.chain == result.chain else {
            report(
                .rewritten, head.sequence, head.time,
                "\(origin) of \(head.time) is of another log (chain \(head.chain)): this one has taken its place")
            return
        }
        heads[head.sequence, default: []].append(head)
    }

    mutating func take(_ entry: AuditEntry) {
        let time = AuditTime.text(entry.time)
        if result.entries == 0 { result.first = entry.sequence }
        if entry.sequence > expected {
            let what =
                entry.sequence - 1 == expected
                ? "entry \(expected) is" : "entries \(expected) to \(entry.sequence - 1) are"
            report(.removed, expected, time, "\(what) missing: \(entry.sequence) of \(time) comes next")
            previous = nil
        } else if entry.sequence < expected {
            report(.changed, entry.sequence, time, "entry \(entry.sequence) of \(time) comes where \(expected) should")
            previous = nil
        }
        if let previous, entry.computedHash(after: previous) != entry.hash {
            report(
                .changed, entry.sequence, time,
                "entry \(entry.sequence) of \(time) does not match its hash: it was changed, or the hash of "
                    + "the one before")
        }
        previous = entry.hash
        expected = entry.sequence == .max ? .max : entry.sequence + 1
        result.entries += 1
        result.last = entry.sequence
        result.lastTime = time
        compare(entry.sequence, hash: entry.hash)
    }

    /// Holds the heads of that number against the entry's hash.
    mutating func compare(_ sequence: Int64, hash: [UInt8]) {
        for head in heads.removeValue(forKey: sequence) ?? [] where head.hash != Hexadecimal.text(hash) {
            report(
                .rewritten, sequence, head.time,
                "the head that was signed at \(head.time) has another hash for entry \(sequence): entries up to it were "
                    + "written anew")
        }
    }

    /// The hash of the entry that came last; nil before the first, or where it is not known.
    var lastHash: [UInt8]? { previous }

    /// Heads whose entries are not in front of us but before.
    var headsBefore: [AuditHead] { heads.values.flatMap { $0 }.filter { $0.sequence < result.first } }

    mutating func finish() -> AuditVerification {
        // Heads of an empty log say nothing.
        if let genesis = heads.removeValue(forKey: 0) {
            for head in genesis where head.hash != Hexadecimal.text(AuditBytes.genesis(of: chain)) {
                report(.rewritten, 0, head.time, "the head of the empty log has another beginning")
            }
        }
        for head in heads.values.flatMap({ $0 }).sorted(by: { $0.sequence < $1.sequence }) {
            if head.sequence > result.last {
                report(
                    .truncated, result.last, result.lastTime,
                    "the end is missing: the head that was signed at \(head.time) has \(head.sequence) entries, here "
                        + "\(result.last) is the last")
            } else if head.sequence < result.first {
                note("the head of \(head.time) is of entry \(head.sequence), which was exported; its file is not there")
            } else {
                report(.removed, head.sequence, head.time, "entry \(head.sequence), whose head was signed, is missing")
            }
        }
        return result
    }

    private func isTrusted(_ key: String) -> Bool { trustedKeys.isEmpty || trustedKeys.contains(key) }

    private mutating func noteKey(_ key: String) {
        if !result.publicKeys.contains(key), result.publicKeys.count < 16 { result.publicKeys.append(key) }
    }
}
