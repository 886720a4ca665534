/// Splits RFC 4180 text into records, with the place of every field. Line ends may be LF or CRLF.
struct CSVParser {
    struct Field {
        var bytes: [UInt8]
        /// From one; the column counts characters as an editor does.
        var line: Int
        var column: Int
        var isQuoted: Bool

        /// The text, with what is not UTF-8 replaced.
        var text: String { String(decoding: bytes, as: UTF8.self) }
        /// The text, nil when it is not UTF-8.
        var validText: String? { String(validating: bytes, as: UTF8.self) }
    }

    static let fieldLimit = 64 << 10
    static let fieldCountLimit = 64

    private let bytes: [UInt8]
    private var index: Int
    private var line = 1
    private var column = 1

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        index = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    }

    private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func advance() {
        let byte = bytes[index]
        index += 1
        if byte == 0x0A {
            line += 1
            column = 1
        } else if index >= bytes.count || bytes[index] & 0xC0 != 0x80 {
            column += 1
        }
    }

    /// The next record, nil at the end.
    mutating func next() throws(CSVProblem) -> [Field]? {
        guard current != nil else { return nil }
        var fields: [Field] = []
        while true {
            guard fields.count < CSVParser.fieldCountLimit else {
                throw problem("more than \(CSVParser.fieldCountLimit) fields in a line")
            }
            fields.append(try field())
            guard let byte = current else { return fields }
            if byte == 0x2C {
                advance()
                continue
            }
            if byte == 0x0D { advance() }
            if current == 0x0A { advance() }
            return fields
        }
    }

    private mutating func field() throws(CSVProblem) -> Field {
        var field = Field(bytes: [], line: line, column: column, isQuoted: false)
        if current == 0x22 {
            field.isQuoted = true
            advance()
            while true {
                guard let byte = current else {
                    throw problem("the quote that opens here is never closed", at: field)
                }
                advance()
                if byte == 0x22 {
                    guard current == 0x22 else { break }
                    advance()
                }
                try append(byte, to: &field)
            }
            guard current == nil || current == 0x2C || isAtLineEnd else {
                throw problem("text behind a closing quote; double a quote that belongs to the text (\"\")")
            }
            return field
        }
        while let byte = current, byte != 0x2C, !isAtLineEnd {
            guard byte != 0x22 else {
                throw problem("a quote inside a bare field; quote the whole field and double it")
            }
            try append(byte, to: &field)
            advance()
        }
        return field
    }

    private func problem(_ message: String, at field: Field? = nil) -> CSVProblem {
        CSVProblem(line: field?.line ?? line, column: field?.column ?? column, message: message)
    }

    private var isAtLineEnd: Bool {
        current == 0x0A || (current == 0x0D && (index + 1 >= bytes.count || bytes[index + 1] == 0x0A))
    }

    private func append(_ byte: UInt8, to field: inout Field) throws(CSVProblem) {
        guard field.bytes.count < CSVParser.fieldLimit else {
            throw problem("a field of more than 64KiB; is a quote missing?", at: field)
        }
        field.bytes.append(byte)
    }
}

/// What breaks the format of a CSV file.
struct CSVProblem: Error, Equatable {
    var line: Int
    var column: Int
    var message: String
}
