/// The form of a `Host` field: a name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.
enum HostField {
    static func isWellFormed(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { isWellFormed($0) }
    }

    private static func isWellFormed(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !bytes.isEmpty, bytes.count <= 300 else { return false }
        var position = 0
        if bytes[0] == 0x5B {
            guard let end = bytes.firstIndex(of: 0x5D), end > 2 else { return false }
            guard bytes[1..<end].allSatisfy({ isHex($0) || $0 == 0x3A || $0 == 0x2E }) else { return false }
            position = end + 1
        } else {
            while position < bytes.count, isNameByte(bytes[position]) { position += 1 }
            guard position > 0 else { return false }
        }
        if position == bytes.count { return true }
        let port = bytes[(position + 1)...]
        guard bytes[position] == 0x3A, (1...5).contains(port.count), port.allSatisfy({ $0 &- 0x30 < 10 }) else {
            return false
        }
        return port.reduce(0) { $0 * 10 + Int($1 - 0x30) } <= 65535
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 6
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x2D || byte == 0x2E || byte == 0x5F || byte == 0x7E
    }
}
