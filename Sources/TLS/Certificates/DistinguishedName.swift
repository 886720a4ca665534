/// A certificate's subject as RFC 4514 writes it, the most specific part first: `CN=scada,O=Plant`.
///
/// Two are equal when they have the same parts in the same order: attribute types without case, values byte for byte.
package struct DistinguishedName: Sendable, Hashable, CustomStringConvertible {
    /// Why a text is no subject, for people.
    package struct Failure: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    private struct Attribute: Hashable {
        /// In upper case.
        var type: String
        /// Without escapes.
        var value: [UInt8]
        /// `#` and the hexadecimal digits of a value of an unknown type.
        var isEncoded: Bool
    }

    private let parts: [[Attribute]]

    package var isEmpty: Bool { parts.isEmpty }

    /// Attribute types with their values, the most specific part first; a part has one or several.
    var values: [[(type: String, value: [UInt8])]] { parts.map { $0.map { ($0.type, $0.value) } } }
    /// Whether a value is given as bytes in hexadecimal, of an attribute that nobody knows.
    var hasEncodedValue: Bool { parts.contains { $0.contains(where: \.isEncoded) } }

    /// Spaces around `,`, `+` and `=` do not count.
    package init(parsing text: String) throws(Failure) {
        var parser = Parser(bytes: Array(text.utf8))
        parts = try parser.parts()
    }

    /// The canonical text.
    package var description: String {
        parts.map { $0.map(DistinguishedName.text).joined(separator: "+") }.joined(separator: ",")
    }

    private static func text(_ attribute: Attribute) -> String {
        let value = String(decoding: attribute.value, as: UTF8.self)
        if attribute.isEncoded { return "\(attribute.type)=\(value)" }
        var escaped = ""
        let scalars = Array(value.unicodeScalars)
        for (index, scalar) in scalars.enumerated() {
            let isEdge = index == 0 || index == scalars.count - 1
            if scalar.value < 0x20 || scalar.value == 0x7F {
                escaped += scalar.value < 16 ? "\\0\(hex(scalar.value))" : "\\\(hex(scalar.value))"
                continue
            }
            if ",+\"\\<>;=".unicodeScalars.contains(scalar) || scalar == " " && isEdge || scalar == "#" && index == 0 {
                escaped += "\\"
            }
            escaped.unicodeScalars.append(scalar)
        }
        return "\(attribute.type)=\(escaped)"
    }

    private static func hex(_ value: UInt32) -> String { String(value, radix: 16, uppercase: true) }

    private struct Parser {
        /// Bytes of a subject; a certificate's is far below.
        static let limit = 4096

        let bytes: [UInt8]
        var position = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func parts() throws(Failure) -> [[Attribute]] {
            guard bytes.count <= Parser.limit else {
                throw Failure(description: "it is longer than \(Parser.limit) bytes")
            }
            skipSpaces()
            guard position < bytes.count else { return [] }
            var parts: [[Attribute]] = [[try attribute()]]
            while position < bytes.count {
                let separator = bytes[position]
                position += 1
                let next = try attribute()
                if separator == 0x2B { parts[parts.count - 1].append(next) } else { parts.append([next]) }
            }
            return parts
        }

        private mutating func attribute() throws(Failure) -> Attribute {
            skipSpaces()
            let start = position
            while position < bytes.count, isTypeByte(bytes[position]) { position += 1 }
            let type = String(decoding: bytes[start..<position], as: UTF8.self)
            skipSpaces()
            guard !type.isEmpty, position < bytes.count, bytes[position] == 0x3D else {
                throw Failure(description: "each part is an attribute, = and a value, as CN=scada")
            }
            position += 1
            skipSpaces()
            let isEncoded = position < bytes.count && bytes[position] == 0x23
            let value = try self.value()
            guard !value.isEmpty else { throw Failure(description: "\(type) has no value") }
            return Attribute(type: type.uppercased(), value: value, isEncoded: isEncoded)
        }

        private mutating func value() throws(Failure) -> [UInt8] {
            var value: [UInt8] = []
            // Spaces at the end count only where they are escaped.
            var significant = 0
            while position < bytes.count, bytes[position] != 0x2C, bytes[position] != 0x2B {
                let byte = bytes[position]
                position += 1
                if byte == 0x22 || byte == 0x3B || byte == 0x3C || byte == 0x3E {
                    throw Failure(description: "the characters \" ; < > in a value take a \\ before them")
                }
                if byte == 0x5C { value.append(try escaped()) } else { value.append(byte) }
                if byte != 0x20 { significant = value.count }
            }
            return Array(value[..<significant])
        }

        /// What follows a backslash: two hexadecimal digits or the character itself.
        private mutating func escaped() throws(Failure) -> UInt8 {
            guard position < bytes.count else { throw Failure(description: "nothing follows the last \\") }
            if position + 1 < bytes.count, let high = digit(bytes[position]), let low = digit(bytes[position + 1]) {
                position += 2
                return high << 4 | low
            }
            position += 1
            return bytes[position - 1]
        }

        private mutating func skipSpaces() {
            while position < bytes.count, bytes[position] == 0x20 { position += 1 }
        }

        private func isTypeByte(_ byte: UInt8) -> Bool {
            byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x2D || byte == 0x2E
        }

        private func digit(_ byte: UInt8) -> UInt8? {
            switch byte {
            case 0x30...0x39: byte - 0x30
            case 0x41...0x46: byte - 0x41 + 10
            case 0x61...0x66: byte - 0x61 + 10
            default: nil
            }
        }
    }
}
