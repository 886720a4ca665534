/// Why JSON from outside is refused, and where.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case unexpectedEnd
        case unexpectedByte(UInt8, wanted: Wanted)
        case trailingBytes
        case byteOrderMark
        case notUTF8
        case controlCharacter(UInt8)
        case badEscape
        case loneSurrogate
        case badNumber
        case numberOutOfRange
        case duplicateKey
        case tooDeep(limit: Int)
        case tooManyElements(limit: Int)
        case stringTooLong(limit: Int)
    }

    /// What should have stood there.
    package enum Wanted: String, Equatable, Sendable {
        case value = "a value"
        case string = "a string"
        case name = "a member's name in quotes"
        case colon = "':'"
        case commaOrBracket = "',' or ']'"
        case commaOrBrace = "',' or '}'"
        case arrayOfStrings = "an array of strings, as [\"Channel.Device.Tag\"]"
    }

    package let reason: Reason
    /// Counted from 0.
    package let offset: Int
    /// Counted from 1.
    package let line: Int
    /// Bytes into the line, counted from 1.
    package let column: Int

    init(_ reason: Reason, at offset: Int, in bytes: UnsafeBufferPointer<UInt8>) {
        self.reason = reason
        self.offset = offset
        let before = bytes.prefix(offset)
        line = before.count { $0 == 0x0A } + 1
        column = offset - (before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0) + 1
    }

    package var description: String { "line \(line), column \(column) (byte \(offset)): \(reason)" }
}

extension JSONError.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unexpectedEnd: "the JSON ends too early"
        case .unexpectedByte(let byte, let wanted):
            (0x21...0x7E).contains(byte)
                ? "'\(Character(UnicodeScalar(byte)))' where \(wanted.rawValue) should be"
                : "byte 0x\(String(byte, radix: 16, uppercase: true)) where \(wanted.rawValue) should be"
        case .trailingBytes: "something follows the end of the JSON"
        case .byteOrderMark: "a byte order mark; send plain UTF-8"
        case .notUTF8: "the text is not UTF-8"
        case .controlCharacter(let byte):
            "control character 0x\(String(byte, radix: 16, uppercase: true)) in a string; escape it"
        case .badEscape: "an escape that JSON does not have"
        case .loneSurrogate: "half of a surrogate pair"
        case .badNumber: "not a number as JSON writes them"
        case .numberOutOfRange: "the number is too large for a double"
        case .duplicateKey: "the object has this name twice"
        case .tooDeep(let limit): "nested deeper than \(limit)"
        case .tooManyElements(let limit): "more than \(limit) elements"
        case .stringTooLong(let limit): "a string longer than \(limit) bytes"
        }
    }
}
