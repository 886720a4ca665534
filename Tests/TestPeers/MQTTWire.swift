/// What is not MQTT, or not what the two sides agreed on.
struct MQTTFault: Error {
    /// For DISCONNECT.
    let code: UInt8
    /// The client went beyond what it was told; anything else may be a line that corrupts.
    var isViolation = false

    static let malformed = MQTTFault(code: 0x81)
    static let protocolError = MQTTFault(code: 0x82)
}

/// A whole control packet.
struct MQTTFrame {
    enum Kind: UInt8 {
        case connect = 1
        case connectAcknowledgement, publish, publishAcknowledgement, publishReceived, publishRelease, publishComplete
        case subscribe, subscribeAcknowledgement, unsubscribe, unsubscribeAcknowledgement, ping, pong, disconnect
        case authenticate
    }

    let kind: Kind
    let flags: UInt8
    let body: [UInt8]
}

/// Puts packets together from what arrives.
struct MQTTFramer {
    static let limit = 64 << 20

    /// What the client was told, in bytes, all of the packet.
    var maximumPacketSize: Int?
    private var bytes: [UInt8] = []

    mutating func append(_ arrival: [UInt8]) { bytes += arrival }

    /// The packets that are complete, until one that is not allowed: the fault is for after the others.
    mutating func take(atMost count: Int = .max) -> (frames: [MQTTFrame], fault: MQTTFault?) {
        var frames: [MQTTFrame] = []
        var start = 0
        defer { bytes.removeSubrange(..<start) }
        do throws(MQTTFault) {
            while frames.count < count, let length = try header(at: start) {
                let begin = start + length.header
                guard bytes.count - begin >= length.body else { break }
                guard let kind = MQTTFrame.Kind(rawValue: bytes[start] >> 4) else { throw MQTTFault.malformed }
                frames.append(
                    MQTTFrame(
                        kind: kind, flags: bytes[start] & 0x0F, body: Array(bytes[begin..<begin + length.body])))
                start = begin + length.body
            }
        } catch {
            return (frames, error)
        }
        return (frames, nil)
    }

    /// Nil while it is not complete.
    private func header(at start: Int) throws(MQTTFault) -> (header: Int, body: Int)? {
        var body = 0
        for index in 0..<4 {
            guard start + 1 + index < bytes.count else { return nil }
            let byte = bytes[start + 1 + index]
            body |= Int(byte & 0x7F) << (7 * index)
            guard byte & 0x80 == 0 else { continue }
            let header = 2 + index
            if let maximumPacketSize, header + body > maximumPacketSize {
                throw MQTTFault(code: 0x95, isViolation: true)
            }
            guard header + body <= Self.limit else { throw MQTTFault(code: 0x95) }
            return (header, body)
        }
        throw MQTTFault.malformed
    }
}

/// Reads fields one after the other.
struct MQTTCursor {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func byte() throws(MQTTFault) -> UInt8 {
        guard position < bytes.count else { throw MQTTFault.malformed }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func word() throws(MQTTFault) -> UInt16 { UInt16(try byte()) << 8 | UInt16(try byte()) }

    mutating func variableInteger() throws(MQTTFault) -> Int {
        var value = 0
        for index in 0..<4 {
            let byte = try byte()
            value |= Int(byte & 0x7F) << (7 * index)
            if byte & 0x80 == 0 { return value }
        }
        throw MQTTFault.malformed
    }

    mutating func take(_ count: Int) throws(MQTTFault) -> [UInt8] {
        guard count <= bytes.count - position else { throw MQTTFault.malformed }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func binary() throws(MQTTFault) -> [UInt8] { try take(Int(try word())) }

    mutating func text() throws(MQTTFault) -> String {
        guard let text = String(validating: try binary(), as: UTF8.self) else { throw MQTTFault.malformed }
        return text
    }

    mutating func rest() -> [UInt8] {
        defer { position = bytes.count }
        return Array(bytes[position...])
    }

    mutating func properties() throws(MQTTFault) -> MQTTProperties {
        try MQTTProperties(try take(try variableInteger()))
    }
}

/// Of MQTT 5, those that matter to a recorder; the others are read and forgotten.
struct MQTTProperties {
    var user: [(name: String, value: String)] = []
    var topicAlias: Int?

    init() {}

    fileprivate init(_ bytes: [UInt8]) throws(MQTTFault) {
        var cursor = MQTTCursor(bytes)
        while !cursor.isAtEnd {
            switch try cursor.variableInteger() {
            case 0x26: user.append((try cursor.text(), try cursor.text()))
            case 0x23: topicAlias = Int(try cursor.word())
            case 0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A: _ = try cursor.byte()
            case 0x13, 0x21, 0x22: _ = try cursor.word()
            case 0x02, 0x11, 0x18, 0x27: _ = try cursor.take(4)
            case 0x0B: _ = try cursor.variableInteger()
            case 0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F: _ = try cursor.text()
            case 0x09, 0x16: _ = try cursor.binary()
            default: throw MQTTFault.malformed
            }
        }
    }
}
