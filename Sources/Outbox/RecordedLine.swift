/// What a line of a receiver's record says about the message that it stands for: a JSON object in which the parts of the
/// identity have their names, as texts or as numbers. Everything else in it is passed over.
struct RecordedLine: Sendable, Equatable {
    var gateway = ""
    var agent = ""
    var epoch = ""
    var sequence: UInt64 = 0
    var offset: UInt32 = 0
    /// nil: the receiver has not written it down.
    var events: UInt32?
    var gap: ClosedRange<UInt64>?

    /// SQLite, and so the gateway, counts no further.
    static let mostSequence = UInt64(Int64.max)
    /// The largest number of events stands for "not known" elsewhere.
    static let mostEvents = UInt32.max - 1

    /// What is wrong with a line, for people.
    struct Flaw: Error, Equatable {
        let reason: String
    }

    /// nil for a line that says nothing about a message of a gateway, such as one for a last will.
    init?(_ line: ArraySlice<UInt8>) throws(Flaw) {
        var scanner = LineScanner(line)
        var texts = [String?](repeating: nil, count: DeliveryIdentity.Field.allCases.count + 1)
        try scanner.object { field, text throws(Flaw) in
            guard texts[Int(field.rawValue)] == nil else { throw Flaw(reason: "\(field.name) is there twice") }
            texts[Int(field.rawValue)] = text
        }
        func text(_ field: DeliveryIdentity.Field) -> String? { texts[Int(field.rawValue)] }
        guard texts.contains(where: { $0 != nil }) else { return nil }
        gateway = text(.gateway) ?? ""
        agent = try RecordedLine.needed(text(.agent), .agent)
        epoch = try RecordedLine.needed(text(.epoch), .epoch)
        let wanted = try RecordedLine.needed(text(.sequence), .sequence)
        sequence = try RecordedLine.number(wanted, .sequence, most: RecordedLine.mostSequence)
        if let text = text(.offset) {
            offset = UInt32(try RecordedLine.number(text, .offset, most: UInt64(RecordedLine.mostEvents)))
        }
        if let text = text(.events) {
            let number = try RecordedLine.number(text, .events, most: UInt64(RecordedLine.mostEvents - offset))
            events = UInt32(number)
        }
        if let text = text(.gap), !text.isEmpty { gap = try RecordedLine.range(text) }
    }

    private static func needed(_ text: String?, _ field: DeliveryIdentity.Field) throws(Flaw) -> String {
        guard let text, !text.isEmpty else { throw Flaw(reason: "\(field.name) is missing") }
        return text
    }

    private static func number(
        _ text: some StringProtocol, _ field: DeliveryIdentity.Field, most: UInt64
    ) throws(Flaw) -> UInt64 {
        // Digits alone: the initialiser would take a sign.
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt64(text), number <= most else {
            throw Flaw(reason: "\(field.name) is \"\(text.prefix(40))\", and not a number up to \(most)")
        }
        return number
    }

    private static func range(_ text: String) throws(Flaw) -> ClosedRange<UInt64> {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2 else { throw Flaw(reason: "sallyport-gap is \"\(text.prefix(40))\", and not FROM-TO") }
        let first = try number(ends[0], .gap, most: mostSequence)
        let last = try number(ends[1], .gap, most: mostSequence)
        guard first <= last else { throw Flaw(reason: "sallyport-gap is \"\(text)\", which ends before it begins") }
        return first...last
    }
}

/// Reads one JSON object, of which it wants few members: the payload beside them may have megabytes, and is not decoded.
private struct LineScanner {
    private typealias Flaw = RecordedLine.Flaw

    private let bytes: ArraySlice<UInt8>
    private var place: Int

    private static let prefix = Array("sallyport-".utf8)
    private static let names = DeliveryIdentity.Field.allCases.map { ($0, Array($0.name.utf8)) }

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        place = bytes.startIndex
    }

    /// Calls `take` for each member that is a part of the identity; `null` is as if it were not there.
    mutating func object(
        _ take: (DeliveryIdentity.Field, String) throws(RecordedLine.Flaw) -> Void
    ) throws(RecordedLine.Flaw) {
        try expect(0x7B, "it does not begin with {")
        if next() == 0x7D {
            place += 1
        } else {
            while true {
                try expect(0x22, "a name is not in quotes")
                let field = LineScanner.field(named: try rawString())
                try expect(0x3A, "a name is not followed by a colon")
                if let field {
                    if let text = try value(of: field) { try take(field, text) }
                } else {
                    try skipValue()
                }
                let byte = next()
                place += 1
                if byte == 0x7D { break }
                guard byte == 0x2C else { throw Flaw(reason: "it ends too early, or a comma is missing") }
            }
        }
        guard next() == nil else { throw Flaw(reason: "something follows its closing brace") }
    }

    /// The next byte that is no blank.
    private mutating func next() -> UInt8? {
        while place < bytes.endIndex {
            let byte = bytes[place]
            guard byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A else { return byte }
            place += 1
        }
        return nil
    }

    private mutating func expect(_ byte: UInt8, _ reason: String) throws(RecordedLine.Flaw) {
        guard next() == byte else { throw Flaw(reason: reason) }
        place += 1
    }

    /// The bytes up to the closing quote, behind which it stands then.
    private mutating func rawString() throws(RecordedLine.Flaw) -> ArraySlice<UInt8> {
        let first = place
        while place < bytes.endIndex {
            let byte = bytes[place]
            if byte == 0x22 {
                place += 1
                return bytes[first..<(place - 1)]
            }
            place += byte == 0x5C ? 2 : 1
        }
        throw Flaw(reason: "a text does not end")
    }

    /// Header names have no case.
    private static func field(named name: ArraySlice<UInt8>) -> DeliveryIdentity.Field? {
        guard name.count > prefix.count, name.count <= prefix.count + 8 else { return nil }
        let lower = name.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        guard lower.starts(with: prefix) else { return nil }
        return names.first { $0.1 == lower }?.0
    }

    private mutating func value(of field: DeliveryIdentity.Field) throws(RecordedLine.Flaw) -> String? {
        switch next() {
        case 0x22?:
            place += 1
            return try LineScanner.text(of: try rawString(), field)
        case .some(0x30...0x39):
            let first = place
            while place < bytes.endIndex, (0x30...0x39).contains(bytes[place]) { place += 1 }
            return String(decoding: bytes[first..<place], as: UTF8.self)
        case 0x6E?:
            try skipValue()
            return nil
        default: throw Flaw(reason: "\(field.name) is neither a text nor a whole number")
        }
    }

    private mutating func skipValue() throws(RecordedLine.Flaw) {
        var depth = 0
        repeat {
            guard let byte = next() else { throw Flaw(reason: "it ends too early") }
            place += 1
            switch byte {
            case 0x22: _ = try rawString()
            case 0x7B, 0x5B: depth += 1
            case 0x7D, 0x5D: depth -= 1
            case 0x2C, 0x3A: if depth == 0 { throw Flaw(reason: "a value is missing") }
            default:
                // A number or a word, up to what can follow it.
                guard LineScanner.isOfWord(byte) else { throw Flaw(reason: "a value begins with what begins none") }
                while place < bytes.endIndex, LineScanner.isOfWord(bytes[place]) { place += 1 }
            }
            guard depth >= 0 else { throw Flaw(reason: "a bracket closes that was not opened") }
        } while depth > 0
    }

    private static func isOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2E: true
        default: false
        }
    }

    // MARK: Texts

    private static func text(
        of raw: ArraySlice<UInt8>, _ field: DeliveryIdentity.Field
    ) throws(RecordedLine.Flaw) -> String {
        let decoded = raw.contains(0x5C) ? unescaped(raw) : Array(raw)
        guard let decoded, decoded.count <= 1024, let text = String(validating: decoded, as: UTF8.self) else {
            throw Flaw(reason: "\(field.name) is no text of up to 1024 bytes")
        }
        return text
    }

    /// nil where an escape is none.
    private static func unescaped(_ raw: ArraySlice<UInt8>) -> [UInt8]? {
        var text: [UInt8] = []
        var rest = raw
        while let byte = rest.popFirst() {
            guard byte == 0x5C else {
                text.append(byte)
                continue
            }
            switch rest.popFirst() {
            case 0x22?: text.append(0x22)
            case 0x5C?: text.append(0x5C)
            case 0x2F?: text.append(0x2F)
            case 0x62?: text.append(0x08)
            case 0x66?: text.append(0x0C)
            case 0x6E?: text.append(0x0A)
            case 0x72?: text.append(0x0D)
            case 0x74?: text.append(0x09)
            case 0x75?:
                guard let scalar = scalar(&rest) else { return nil }
                text.append(contentsOf: Character(scalar).utf8)
            default: return nil
            }
        }
        return text
    }

    /// What follows `\u`: one unit of UTF-16, or a pair of them.
    private static func scalar(_ rest: inout ArraySlice<UInt8>) -> Unicode.Scalar? {
        guard let first = unit(&rest) else { return nil }
        guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) }
        guard rest.popFirst() == 0x5C, rest.popFirst() == 0x75, let second = unit(&rest),
            (0xDC00..<0xE000).contains(second)
        else { return nil }
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    }

    private static func unit(_ rest: inout ArraySlice<UInt8>) -> UInt32? {
        let digits = rest.prefix(4)
        rest = rest.dropFirst(4)
        guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
