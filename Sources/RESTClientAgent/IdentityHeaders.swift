import Outbox

/// A message's identity as headers.
enum IdentityHeaders {
    static func fields(_ identity: DeliveryIdentity) -> [(name: String, value: String)] {
        var fields = identity.fields.map { (name: $0.name, value: encoded($0.text)) }
        fields.append(("Idempotency-Key", encoded(identity.idempotencyKey)))
        return fields
    }

    /// HTTP's headers are ASCII: other bytes, and the percent sign itself, become `%XX`.
    static func encoded(_ text: String) -> String {
        guard !text.utf8.allSatisfy(isPlain) else { return text }
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if isPlain(byte) {
                bytes.append(byte)
            } else {
                bytes += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool { byte >= 0x20 && byte < 0x7F && byte != 0x25 }
}
