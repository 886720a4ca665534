import Tags

/// A signed statement of how far the chain went at a time: who keeps one elsewhere notices a log that was cut or written
/// anew. Byte strings are hexadecimal.
package struct AuditHead: Sendable, Equatable, Codable {
    /// Which log: made anew with every database.
    package var chain: String
    package var sequence: Int64
    package var hash: String
    package var time: String
    package var publicKey: String
    package var signature: String

    init(chain: [UInt8], sequence: Int64, hash: [UInt8], time: Timestamp, key: AuditKey) throws {
        self.init(
            chain: Hexadecimal.text(chain), sequence: sequence, hash: Hexadecimal.text(hash),
            time: AuditTime.text(time), publicKey: key.publicKey, signature: "")
        signature = Hexadecimal.text(try key.signature(of: message))
    }

    init(chain: String, sequence: Int64, hash: String, time: String, publicKey: String, signature: String) {
        self.chain = chain
        self.sequence = sequence
        self.hash = hash
        self.time = time
        self.publicKey = publicKey
        self.signature = signature
    }

    private var message: [UInt8] {
        var bytes = Array("sallyport-audit-head-1".utf8)
        AuditBytes.append(chain, to: &bytes)
        AuditBytes.append(sequence, to: &bytes)
        AuditBytes.append(hash, to: &bytes)
        AuditBytes.append(time, to: &bytes)
        return bytes
    }

    /// Whether its own public key made the signature; whether that key is the right one is another question.
    var isSigned: Bool {
        Hexadecimal.bytes(signature).map { AuditKey.isValid($0, of: message, publicKey: publicKey) } ?? false
    }
}

/// What stands in the database for entries that were exported. Byte strings are hexadecimal.
package struct AuditCheckpoint: Sendable, Equatable, Codable {
    package var chain: String
    package var first: Int64
    package var last: Int64
    package var lastHash: String
    package var count: Int64
    package var time: String
    /// Name of the file within `audit-exported/`.
    package var file: String
    package var fileHash: String
    package var publicKey: String
    package var signature: String

    /// Signs it anew.
    mutating func sign(with key: AuditKey) throws {
        publicKey = key.publicKey
        signature = Hexadecimal.text(try key.signature(of: message))
    }

    private var message: [UInt8] {
        var bytes = Array("sallyport-audit-checkpoint-1".utf8)
        AuditBytes.append(chain, to: &bytes)
        for number in [first, last, count] { AuditBytes.append(number, to: &bytes) }
        for text in [lastHash, time, file, fileHash] { AuditBytes.append(text, to: &bytes) }
        return bytes
    }

    var isSigned: Bool {
        Hexadecimal.bytes(signature).map { AuditKey.isValid($0, of: message, publicKey: publicKey) } ?? false
    }
}
