package import Tags

/// A growing buffer of JSON text. It writes bytes: no encoder, no intermediate strings.
package struct JSONBytes: Sendable {
    package private(set) var bytes: [UInt8]

    package init(capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package var count: Int { bytes.count }

    /// All bytes; the buffer is left empty, and expects as many again.
    package mutating func take() -> [UInt8] {
        let taken = bytes
        bytes = []
        bytes.reserveCapacity(taken.count)
        return taken
    }

    package mutating func removeAll(keepingCapacity: Bool = true) { bytes.removeAll(keepingCapacity: keepingCapacity) }

    @inline(__always)
    package mutating func append(_ byte: UInt8) { bytes.append(byte) }

    package mutating func append(raw other: [UInt8]) { bytes.append(contentsOf: other) }

    package mutating func append(raw other: ArraySlice<UInt8>) { bytes.append(contentsOf: other) }

    @inline(__always)
    package mutating func append(raw text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// A JSON string, quoted and escaped.
    package mutating func append(string text: String) {
        var text = text
        text.withUTF8 { utf8 in
            bytes.append(0x22)
            var start = 0
            for index in 0..<utf8.count {
                let byte = utf8[index]
                guard byte < 0x20 || byte == 0x22 || byte == 0x5C || byte == 0x7F else { continue }
                bytes.append(contentsOf: utf8[start..<index])
                appendEscape(of: byte)
                start = index + 1
            }
            bytes.append(contentsOf: utf8[start..<utf8.count])
            bytes.append(0x22)
        }
    }

    private mutating func appendEscape(of byte: UInt8) {
        switch byte {
        case 0x22: append(raw: "\\\"")
        case 0x5C: append(raw: "\\\\")
        case 0x08: append(raw: "\\b")
        case 0x09: append(raw: "\\t")
        case 0x0A: append(raw: "\\n")
        case 0x0C: append(raw: "\\f")
        case 0x0D: append(raw: "\\r")
        default:
            append(raw: "\\u00")
            bytes.append(JSONBytes.hexDigit(byte >> 4))
            bytes.append(JSONBytes.hexDigit(byte & 15))
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x61 + value - 10 }

    package mutating func append(bool value: Bool) {
        if value { append(raw: "true") } else { append(raw: "false") }
    }

    @inline(__always)
    package mutating func append(integer value: Int64) {
        if value < 0 { bytes.append(0x2D) }
        append(unsigned: value.magnitude)
    }

    /// Decimal digits, two with each division.
    package mutating func append(unsigned value: UInt64) {
        if value < 10 {
            bytes.append(0x30 + UInt8(truncatingIfNeeded: value))
            return
        }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var rest = value
            var start = 20
            while rest >= 100 {
                let pair = Int(rest % 100)
                rest /= 100
                start -= 2
                digits[start] = 0x30 + UInt8(truncatingIfNeeded: pair / 10)
                digits[start + 1] = 0x30 + UInt8(truncatingIfNeeded: pair % 10)
            }
            if rest >= 10 {
                start -= 2
                digits[start] = 0x30 + UInt8(truncatingIfNeeded: rest / 10)
                digits[start + 1] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            } else {
                start -= 1
                digits[start] = 0x30 + UInt8(truncatingIfNeeded: rest)
            }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start..<20]))
        }
    }

    /// The shortest text that reads back as the same number; a NaN or an infinity is null.
    package mutating func append(double value: Double) {
        guard value.isFinite else { return append(raw: "null") }
        if let whole = Int64(exactly: value), whole.magnitude < 1 << 53, !(whole == 0 && value.sign == .minus) {
            return append(integer: whole)
        }
        append(number: value.description)
    }

    /// The shortest text that reads back as the same Float; a NaN or an infinity is null.
    package mutating func append(float value: Float) {
        guard value.isFinite else { return append(raw: "null") }
        if let whole = Int64(exactly: value), whole.magnitude < 1 << 24, !(whole == 0 && value.sign == .minus) {
            return append(integer: whole)
        }
        append(number: value.description)
    }

    private mutating func append(number text: String) {
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }

    /// A tag's data as it stands in `v`.
    package mutating func append(data: TagData) {
        switch data {
        case .none: append(raw: "null")
        case .boolean(let value): append(bool: value)
        case .integer(let value): append(integer: value)
        case .unsigned(let value): append(unsigned: value)
        case .float(let value): append(float: value)
        case .double(let value): append(double: value)
        case .date(let value): append(date: value)
        case .string(let value): append(string: value.text)
        case .array(let value):
            bytes.append(0x5B)
            for (index, element) in value.elements.enumerated() {
                if index > 0 { bytes.append(0x2C) }
                append(data: element)
            }
            bytes.append(0x5D)
        }
    }

    /// ISO 8601 in UTC with milliseconds, quoted: `"2026-11-23T16:25:00.123Z"`.
    package mutating func append(date value: Timestamp) {
        let date = CivilTime(value)
        bytes.append(0x22)
        append(date.year < 0 ? 0x2D : 0x2B, unless: (0...9999).contains(date.year))
        append(padded: date.year.magnitude, width: 4)
        bytes.append(0x2D)
        append(padded: UInt(date.month), width: 2)
        bytes.append(0x2D)
        append(padded: UInt(date.day), width: 2)
        bytes.append(0x54)
        append(padded: UInt(date.hour), width: 2)
        bytes.append(0x3A)
        append(padded: UInt(date.minute), width: 2)
        bytes.append(0x3A)
        append(padded: UInt(date.second), width: 2)
        bytes.append(0x2E)
        append(padded: UInt(date.millisecond), width: 3)
        bytes.append(0x5A)
        bytes.append(0x22)
    }

    /// The same without quotes.
    package mutating func append(bareDate value: Timestamp) {
        var quoted = JSONBytes(capacity: 32)
        quoted.append(date: value)
        bytes.append(contentsOf: quoted.bytes.dropFirst().dropLast())
    }

    /// Takes out what stands there.
    mutating func remove(_ range: Range<Int>) { bytes.removeSubrange(range) }

    private mutating func append(_ byte: UInt8, unless condition: Bool) {
        if !condition { bytes.append(byte) }
    }

    private mutating func append(padded value: UInt, width: Int) {
        var divisor: UInt = 1
        for _ in 1..<width { divisor *= 10 }
        if value >= divisor * 10 { return append(unsigned: UInt64(value)) }
        while divisor > 0 {
            bytes.append(0x30 + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }
}
