import Crypto
import FoundationEssentials
package import Tags

/// One entry of the log as it is stored, read back or exported. Its words are text, so that what a newer version or a
/// hand from outside has put there can be shown.
package struct AuditEntry: Sendable, Equatable {
    /// Counts from one, without a gap.
    package var sequence: Int64
    package var time: Timestamp
    package var principal: String
    package var kind: String
    package var address: String
    package var agent: String
    package var action: String
    package var object: String
    package var old: String?
    package var new: String?
    package var outcome: String
    package var reason: String
    package var count: Int64
    /// SHA-256 over all of the above and the hash of the entry before.
    package var hash: [UInt8]

    init(_ event: AuditEvent, sequence: Int64, after previous: [UInt8]) {
        self.sequence = sequence
        time = event.time
        principal = event.principal
        kind = event.kind.rawValue
        address = event.address
        agent = event.agent
        action = event.action.rawValue
        object = event.object
        old = event.old
        new = event.new
        outcome = event.outcome.rawValue
        reason = event.reason
        count = Int64(event.count)
        hash = []
        hash = computedHash(after: previous)
    }

    init(
        sequence: Int64, time: Timestamp, principal: String, kind: String, address: String, agent: String,
        action: String, object: String, old: String?, new: String?, outcome: String, reason: String, count: Int64,
        hash: [UInt8]
    ) {
        self.sequence = sequence
        self.time = time
        self.principal = principal
        self.kind = kind
        self.address = address
        self.agent = agent
        self.action = action
        self.object = object
        self.old = old
        self.new = new
        self.outcome = outcome
        self.reason = reason
        self.count = count
        self.hash = hash
    }

    /// What the hash of this entry must be. Every text has its length in front and optional ones say whether they are
    /// there, so that no two different entries give the same bytes.
    func computedHash(after previous: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256)
        bytes.append(contentsOf: "sallyport-audit-entry-1".utf8)
        AuditBytes.append(previous, to: &bytes)
        AuditBytes.append(sequence, to: &bytes)
        AuditBytes.append(time.microseconds, to: &bytes)
        for text in [principal, kind, address, agent, action, object] { AuditBytes.append(text, to: &bytes) }
        AuditBytes.append(old, to: &bytes)
        AuditBytes.append(new, to: &bytes)
        AuditBytes.append(outcome, to: &bytes)
        AuditBytes.append(reason, to: &bytes)
        AuditBytes.append(count, to: &bytes)
        return Array(SHA256.hash(data: bytes))
    }
}

/// The canonical bytes of what is hashed or signed: numbers as eight bytes, the highest first; texts and byte strings
/// with their length.
enum AuditBytes {
    static func append(_ number: Int64, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    static func append(_ text: String, to bytes: inout [UInt8]) {
        append(Int64(text.utf8.count), to: &bytes)
        bytes.append(contentsOf: text.utf8)
    }

    static func append(_ text: String?, to bytes: inout [UInt8]) {
        bytes.append(text == nil ? 0 : 1)
        if let text { append(text, to: &bytes) }
    }

    static func append(_ part: [UInt8], to bytes: inout [UInt8]) {
        append(Int64(part.count), to: &bytes)
        bytes.append(contentsOf: part)
    }

    /// What comes before the first entry of a chain.
    static func genesis(of chain: [UInt8]) -> [UInt8] {
        var bytes = Array("sallyport-audit-chain-1".utf8)
        append(chain, to: &bytes)
        return Array(SHA256.hash(data: bytes))
    }
}

extension AuditEntry: Codable {
    private enum CodingKeys: String, CodingKey {
        case sequence, time, principal, kind, address, agent, action, object, old, new, outcome, reason, count, hash
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func bad(_ key: CodingKeys) -> DecodingError {
            DecodingError.dataCorruptedError(forKey: key, in: values, debugDescription: "not in its form")
        }
        guard let time = AuditTime.parse(try values.decode(String.self, forKey: .time)) else { throw bad(.time) }
        guard let hash = Hexadecimal.bytes(try values.decode(String.self, forKey: .hash)) else { throw bad(.hash) }
        self.init(
            sequence: try values.decode(Int64.self, forKey: .sequence), time: time,
            principal: try values.decode(String.self, forKey: .principal),
            kind: try values.decode(String.self, forKey: .kind),
            address: try values.decode(String.self, forKey: .address),
            agent: try values.decode(String.self, forKey: .agent),
            action: try values.decode(String.self, forKey: .action),
            object: try values.decode(String.self, forKey: .object),
            old: try values.decodeIfPresent(String.self, forKey: .old),
            new: try values.decodeIfPresent(String.self, forKey: .new),
            outcome: try values.decode(String.self, forKey: .outcome),
            reason: try values.decode(String.self, forKey: .reason),
            count: try values.decode(Int64.self, forKey: .count), hash: hash)
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(sequence, forKey: .sequence)
        try values.encode(AuditTime.text(time), forKey: .time)
        try values.encode(principal, forKey: .principal)
        try values.encode(kind, forKey: .kind)
        try values.encode(address, forKey: .address)
        try values.encode(agent, forKey: .agent)
        try values.encode(action, forKey: .action)
        try values.encode(object, forKey: .object)
        try values.encodeIfPresent(old, forKey: .old)
        try values.encodeIfPresent(new, forKey: .new)
        try values.encode(outcome, forKey: .outcome)
        try values.encode(reason, forKey: .reason)
        try values.encode(count, forKey: .count)
        try values.encode(Hexadecimal.text(hash), forKey: .hash)
    }
}
