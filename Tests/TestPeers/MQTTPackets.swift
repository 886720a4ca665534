/// CONNECT, as far as a recorder cares.
struct MQTTConnect {
    struct Will {
        let topic: String
        let payload: [UInt8]
        let qos: UInt8
        let retain: Bool
        let user: [(name: String, value: String)]
    }

    /// 4 is 3.1.1.
    let level: UInt8
    let clientID: String
    /// Seconds; 0 for never.
    let keepAlive: Int
    let will: Will?

    init(_ frame: MQTTFrame) throws(MQTTFault) {
        guard frame.kind == .connect, frame.flags == 0 else { throw .protocolError }
        var cursor = MQTTCursor(frame.body)
        guard try cursor.text() == "MQTT" else { throw MQTTFault(code: 0x84) }
        level = try cursor.byte()
        guard level == 4 || level == 5 else { throw MQTTFault(code: 0x84) }
        let flags = try cursor.byte()
        keepAlive = Int(try cursor.word())
        if level == 5 { _ = try cursor.properties() }
        clientID = try cursor.text()
        if flags & 0x04 != 0 {
            let properties = level == 5 ? try cursor.properties() : MQTTProperties()
            will = Will(
                topic: try cursor.text(), payload: try cursor.binary(), qos: flags >> 3 & 3, retain: flags & 0x20 != 0,
                user: properties.user)
        } else {
            will = nil
        }
        if flags & 0x80 != 0 { _ = try cursor.text() }
        if flags & 0x40 != 0 { _ = try cursor.binary() }
        guard flags & 0x01 == 0, cursor.isAtEnd else { throw .malformed }
    }
}

struct MQTTPublish {
    /// Empty with an alias.
    let topic: String
    let qos: UInt8
    let retain: Bool
    let dup: Bool
    /// 0 for QoS 0.
    let identifier: UInt16
    let properties: MQTTProperties
    let payload: [UInt8]

    init(_ frame: MQTTFrame, level: UInt8) throws(MQTTFault) {
        var cursor = MQTTCursor(frame.body)
        qos = frame.flags >> 1 & 3
        retain = frame.flags & 1 != 0
        dup = frame.flags & 8 != 0
        topic = try cursor.text()
        identifier = qos > 0 ? try cursor.word() : 0
        properties = level == 5 ? try cursor.properties() : MQTTProperties()
        payload = cursor.rest()
        guard qos < 3, !topic.contains(where: { $0 == "#" || $0 == "+" || $0 == "\0" }) else { throw .malformed }
        guard qos == 0 || identifier != 0, !topic.isEmpty || properties.topicAlias != nil else { throw .protocolError }
    }
}

/// Packets that a recorder sends, as bytes.
enum MQTTReply {
    static let pong: [UInt8] = [0xD0, 0]

    static func packet(_ first: UInt8, _ body: [UInt8]) -> [UInt8] {
        [first] + variableInteger(body.count) + body
    }

    /// Without a code where there is nothing to say, and for 3.1.1.
    static func acknowledgement(_ first: UInt8, _ identifier: UInt16, code: UInt8 = 0) -> [UInt8] {
        packet(first, word(Int(identifier)) + (code == 0 ? [] : [code]))
    }

    static func disconnect(_ code: UInt8) -> [UInt8] { packet(0xE0, [code]) }

    static func connectAcknowledgement(_ connect: MQTTConnect, _ behaviour: MQTTRecorder.Behaviour) -> [UInt8] {
        let code = behaviour.connackCode
        guard connect.level == 5 else { return packet(0x20, [0, oldCode(code)]) }
        var properties: [UInt8] = []
        if code == 0 {
            if let value = behaviour.receiveMaximum { properties += [0x21] + word(value) }
            if behaviour.maximumQoS < 2 { properties += [0x24, behaviour.maximumQoS] }
            if !behaviour.retainAvailable { properties += [0x25, 0] }
            if let value = behaviour.maximumPacketSize { properties += [0x27] + word(value >> 16) + word(value) }
            if behaviour.topicAliasMaximum > 0 { properties += [0x22] + word(behaviour.topicAliasMaximum) }
            if connect.clientID.isEmpty {
                let name = Array("recorder-\(UInt32.random(in: 0...UInt32.max))".utf8)
                properties += [0x12] + word(name.count) + name
            }
        }
        return packet(0x20, [0, code] + variableInteger(properties.count) + properties)
    }

    /// The head of a PUBLISH at QoS 0, so long in all; its payload is for the caller.
    static func publishHead(topic: String, level: UInt8, size: Int) -> (head: [UInt8], payload: Int) {
        let name = Array(topic.utf8)
        let variable = word(name.count) + name + (level == 5 ? [0] : [])
        // Four bytes of length hold no more.
        let body = min(268_435_455, max(variable.count, size - 5))
        return ([0x30] + variableInteger(body) + variable, body - variable.count)
    }

    static func subscribeAcknowledgement(_ frame: MQTTFrame, level: UInt8) throws(MQTTFault) -> [UInt8] {
        var cursor = MQTTCursor(frame.body)
        let identifier = try cursor.word()
        if level == 5 { _ = try cursor.properties() }
        var codes: [UInt8] = []
        while !cursor.isAtEnd {
            _ = try cursor.text()
            codes.append(frame.kind == .subscribe ? try cursor.byte() & 3 : 0)
        }
        if frame.kind == .unsubscribe {
            return packet(0xB0, word(Int(identifier)) + (level == 5 ? [0] + codes : []))
        }
        return packet(0x90, word(Int(identifier)) + (level == 5 ? [0] : []) + codes)
    }

    private static func word(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)] }

    private static func variableInteger(_ value: Int) -> [UInt8] {
        var (rest, bytes) = (value, [UInt8]())
        repeat {
            bytes.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }

    /// 3.1.1 has five reasons.
    private static func oldCode(_ code: UInt8) -> UInt8 {
        switch code {
        case 0...5: code
        case 0x84: 1
        case 0x85: 2
        case 0x86, 0x8C: 4
        case 0x87, 0x8A: 5
        default: 3
        }
    }
}
