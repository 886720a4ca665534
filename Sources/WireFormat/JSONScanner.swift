/// Reads tokens of strict JSON out of bytes. It never reads past them and never traps.
struct JSONScanner {
    let bytes: UnsafeBufferPointer<UInt8>
    private(set) var position = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    func error(_ reason: JSONError.Reason, at offset: Int? = nil) -> JSONError {
        JSONError(reason, at: offset ?? position, in: bytes)
    }

    func unexpected(_ wanted: JSONError.Wanted) -> JSONError {
        if position >= bytes.count { return error(.unexpectedEnd) }
        return error(.unexpectedByte(bytes[position], wanted: wanted))
    }

    func checkStart() throws(JSONError) {
        let marks: [[UInt8]] = [[0xEF, 0xBB, 0xBF], [0xFE, 0xFF], [0xFF, 0xFE]]
        if marks.contains(where: { bytes.starts(with: $0) }) { throw error(.byteOrderMark) }
    }

    mutating func checkEnd() throws(JSONError) {
        skipSpace()
        if position < bytes.count { throw error(.trailingBytes) }
    }

    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    /// The next byte after white space, not taken.
    mutating func peek() -> UInt8? {
        skipSpace()
        return position < bytes.count ? bytes[position] : nil
    }

    mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    mutating func literal(_ text: StaticString) -> Bool {
        let wanted = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard bytes.count - position >= wanted.count else { return false }
        for index in 0..<wanted.count where bytes[position + index] != wanted[index] { return false }
        position += wanted.count
        return true
    }

    // MARK: strings

    /// Takes a string, its opening quote being next, and appends its decoded bytes.
    mutating func string(into output: inout [UInt8], limit: Int) throws(JSONError) {
        let opening = position
        position += 1
        let first = output.count
        while true {
            let start = position
            while position < bytes.count, JSONScanner.isPlain(bytes[position]) { position += 1 }
            output.append(contentsOf: bytes[start..<position])
            if output.count - first > limit { throw error(.stringTooLong(limit: limit), at: opening) }
            guard position < bytes.count else { throw error(.unexpectedEnd) }
            switch bytes[position] {
            case 0x22:
                position += 1
                return
            case 0x5C: try escape(into: &output)
            case ..<0x20: throw error(.controlCharacter(bytes[position]))
            default: try multibyte(into: &output)
            }
        }
    }

    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != 0x22 && byte != 0x5C
    }

    /// One character of two to four bytes, by the table of well-formed UTF-8 of the Unicode Standard (3-7).
    private mutating func multibyte(into output: inout [UInt8]) throws(JSONError) {
        guard let length = JSONScanner.sequenceLength(bytes, position) else { throw error(.notUTF8) }
        output.append(contentsOf: bytes[position..<position + length])
        position += length
    }

    /// The length of the well-formed UTF-8 sequence that begins there, nil when there is none.
    static func sequenceLength(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int? {
        let lead = bytes[start]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch lead {
        case ..<0x80: return 1
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        case 0xF1...0xF3: length = 4
        default: return nil
        }
        guard bytes.count - start >= length, second.contains(bytes[start + 1]) else { return nil }
        for index in 2..<max(length, 2) where bytes[start + index] & 0xC0 != 0x80 { return nil }
        return length
    }

    private mutating func escape(into output: inout [UInt8]) throws(JSONError) {
        let start = position
        guard bytes.count - position >= 2 else { throw error(.unexpectedEnd, at: bytes.count) }
        position += 2
        switch bytes[start + 1] {
        case 0x22: output.append(0x22)
        case 0x5C: output.append(0x5C)
        case 0x2F: output.append(0x2F)
        case 0x62: output.append(0x08)
        case 0x66: output.append(0x0C)
        case 0x6E: output.append(0x0A)
        case 0x72: output.append(0x0D)
        case 0x74: output.append(0x09)
        case 0x75:
            let scalar = try escapedScalar(from: start)
            output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        default: throw error(.badEscape, at: start)
        }
    }

    private mutating func escapedScalar(from start: Int) throws(JSONError) -> Unicode.Scalar {
        let first = try fourHexDigits(start)
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A surrogate: only a high one with a low one right behind it is a character.
        guard (0xD800...0xDBFF).contains(first), bytes.count - position >= 6, bytes[position] == 0x5C,
            bytes[position + 1] == 0x75
        else { throw error(.loneSurrogate, at: start) }
        position += 2
        let second = try fourHexDigits(start)
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + ((UInt32(first) - 0xD800) << 10) + (UInt32(second) - 0xDC00))
        else { throw error(.loneSurrogate, at: start) }
        return scalar
    }

    private mutating func fourHexDigits(_ start: Int) throws(JSONError) -> UInt16 {
        guard bytes.count - position >= 4 else { throw error(.unexpectedEnd, at: bytes.count) }
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = hexDigit(bytes[position]) else { throw error(.badEscape, at: start) }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }

    // MARK: numbers

    mutating func number() throws(JSONError) -> JSONValue {
        let start = position
        let negative = position < bytes.count && bytes[position] == 0x2D
        if negative { position += 1 }
        let firstDigit = position
        let digits = takeDigits()
        guard digits > 0, digits == 1 || bytes[firstDigit] != 0x30 else { throw error(.badNumber, at: start) }
        var isWhole = true
        if position < bytes.count, bytes[position] == 0x2E {
            isWhole = false
            position += 1
            guard takeDigits() > 0 else { throw error(.badNumber, at: start) }
        }
        if position < bytes.count, bytes[position] | 0x20 == 0x65 {
            isWhole = false
            position += 1
            if position < bytes.count, bytes[position] == 0x2B || bytes[position] == 0x2D { position += 1 }
            guard takeDigits() > 0 else { throw error(.badNumber, at: start) }
        }
        if isWhole, let value = whole(bytes[firstDigit..<position], negative: negative) { return value }
        // What stands here is a number for certain; only its size is open.
        guard let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)), value.isFinite else {
            throw error(.numberOutOfRange, at: start)
        }
        return .double(value)
    }

    private mutating func takeDigits() -> Int {
        let start = position
        while position < bytes.count, bytes[position] &- 0x30 < 10 { position += 1 }
        return position - start
    }

    private func whole(_ digits: Slice<UnsafeBufferPointer<UInt8>>, negative: Bool) -> JSONValue? {
        var value: UInt64 = 0
        for digit in digits {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit &- 0x30))
            if overflow || carry { return nil }
            value = sum
        }
        if negative {
            // The magnitude of Int64.min is one more than Int64.max.
            guard value <= UInt64(Int64.max) + 1 else { return nil }
            return .integer(Int64(truncatingIfNeeded: 0 &- value))
        }
        return value <= UInt64(Int64.max) ? .integer(Int64(value)) : .unsigned(value)
    }
}

/// The value of a hexadecimal digit.
package func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
}
