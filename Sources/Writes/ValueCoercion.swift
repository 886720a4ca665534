package import Tags
package import WireFormat

/// Turns a JSON value into data of a tag's type: exactly, or not at all.
///
/// The one rounding is that of a decimal number to the nearest Float or Double that the tag's range allows.
package enum ValueCoercion {
    /// Why a value cannot be written to a tag.
    package struct Refusal: Error, Equatable, Sendable {
        package let code: WriteVerdict.Code
        package let reason: String

        static func wrongType(_ reason: String) -> Refusal { Refusal(code: .wrongType, reason: reason) }
        static func outOfRange(_ reason: String) -> Refusal { Refusal(code: .outOfRange, reason: reason) }
    }

    /// Bytes of a text; what a device takes is less.
    package static let longestText = 65_536
    package static let mostElements = 65_536

    package static func data(_ value: JSONValue, for tag: TagDefinition) throws(Refusal) -> TagData {
        let range = tag.details?.range
        guard tag.isArray else { return try scalar(value, tag.dataType, range) }
        guard case .array(let elements) = try array(value) else {
            throw .wrongType("the tag is an array: a JSON array is wanted, found \(describe(value))")
        }
        guard elements.count <= mostElements else {
            throw .outOfRange("the array has \(elements.count) elements; no tag has more than \(mostElements)")
        }
        var data: [TagData] = []
        data.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            do throws(Refusal) {
                data.append(try scalar(element, tag.dataType, range))
            } catch {
                throw Refusal(code: error.code, reason: "element \(index): \(error.reason)")
            }
        }
        return .array(data)
    }

    /// An array may come as its JSON text, which is how an agent with `array-values: string` gives it.
    private static func array(_ value: JSONValue) throws(Refusal) -> JSONValue {
        guard case .string(let text) = value, text.utf8.count <= longestText else { return value }
        do {
            return try JSONReader.value(Array(text.utf8), limits: .init(depth: 2, elements: mostElements + 1))
        } catch {
            throw .wrongType("the text is not a JSON array: \(error)")
        }
    }

    private static func scalar(
        _ value: JSONValue, _ type: DataType, _ range: ClosedRange<Double>?
    ) throws(Refusal) -> TagData {
        switch type {
        case .boolean: return try boolean(value)
        case .string:
            guard case .string(let text) = value else { throw unfit(value, type) }
            guard text.utf8.count <= longestText else {
                throw .outOfRange("the text has \(text.utf8.count) bytes; at most \(longestText) can be written")
            }
            return .string(text)
        case .date: return .date(try date(value))
        case .float, .double: return try decimal(value, type, range)
        case .char, .byte, .short, .word, .long, .dword, .llong, .qword: return try whole(value, type, range)
        }
    }

    private static func boolean(_ value: JSONValue) throws(Refusal) -> TagData {
        switch value {
        case .boolean(let flag): return .boolean(flag)
        case .integer(0), .double(0): return .boolean(false)
        case .integer(1), .double(1): return .boolean(true)
        case .string(let text):
            switch text.lowercased() {
            case "true", "1": return .boolean(true)
            case "false", "0": return .boolean(false)
            default: throw unfit(value, .boolean)
            }
        case .null, .integer, .unsigned, .double, .array, .object: throw unfit(value, .boolean)
        }
    }

    // MARK: Numbers

    /// The number that a value is, or that its text is by the grammar of JSON.
    private static func number(_ value: JSONValue, _ type: DataType) throws(Refusal) -> JSONValue {
        switch value {
        case .integer, .unsigned, .double: return value
        case .string(let text):
            guard text.utf8.count <= 1024 else { throw unfit(value, type) }
            let read: JSONValue
            do {
                read = try JSONReader.value(Array(text.utf8), limits: .init(depth: 1, elements: 1))
            } catch {
                guard error.reason == .numberOutOfRange else { throw unfit(value, type) }
                throw .outOfRange("\(describe(value)) is too large for any type")
            }
            switch read {
            case .integer, .unsigned, .double: return read
            case .null, .boolean, .string, .array, .object: throw unfit(value, type)
            }
        case .null, .boolean, .array, .object: throw unfit(value, type)
        }
    }

    private static func whole(
        _ value: JSONValue, _ type: DataType, _ range: ClosedRange<Double>?
    ) throws(Refusal) -> TagData {
        guard let bounds = type.integerBounds else { throw unfit(value, type) }
        let misfit = Refusal.outOfRange(
            "\(describe(value)) does not fit a \(type.name), which goes from \(bounds.lowest) to \(bounds.highest)")
        let isSigned = bounds.lowest < 0
        switch try number(value, type) {
        case .integer(let number):
            if isSigned {
                guard number >= bounds.lowest, number <= Int64(clamping: bounds.highest) else { throw misfit }
                try check(range.map { isInside(number, $0) }, value, range)
                return .integer(number)
            }
            guard number >= 0, UInt64(number) <= bounds.highest else { throw misfit }
            try check(range.map { isInside(number, $0) }, value, range)
            return .unsigned(UInt64(number))
        case .unsigned(let number):
            guard !isSigned, number <= bounds.highest else { throw misfit }
            try check(range.map { isInside(number, $0) }, value, range)
            return .unsigned(number)
        case .double(let number):
            guard number == number.rounded() else {
                throw .wrongType("\(describe(value)) is no whole number, and the tag is a \(type.name)")
            }
            let fits =
                number < 0
                ? Int64(exactly: number).map { $0 >= bounds.lowest }
                : UInt64(exactly: number).map { $0 <= bounds.highest }
            guard fits ?? false else { throw misfit }
            // Beyond 2^53 a number with a fraction or an exponent is not exact any more.
            guard number.magnitude <= 0x1p53, let exact = Int64(exactly: number) else {
                throw .wrongType("\(describe(value)) is not exact as it is written; write all its digits and no more")
            }
            return try whole(.integer(exact), type, range)
        case .null, .boolean, .string, .array, .object: throw unfit(value, type)
        }
    }

    private static func decimal(
        _ value: JSONValue, _ type: DataType, _ range: ClosedRange<Double>?
    ) throws(Refusal) -> TagData {
        let number: Double
        switch try self.number(value, type) {
        case .integer(let whole): number = Double(whole)
        case .unsigned(let whole): number = Double(whole)
        case .double(let decimal): number = decimal
        case .null, .boolean, .string, .array, .object: throw unfit(value, type)
        }
        guard number.isFinite else { throw unfit(value, type) }
        try check(range.map { $0.contains(number) }, value, range)
        guard type == .float else { return .double(number) }
        var rounded = Float(number)
        guard rounded.isFinite else { throw .outOfRange("\(describe(value)) is too large for a Float") }
        // The nearest Float to an end of the range may lie beyond it.
        if let range, Double(rounded) > range.upperBound { rounded = rounded.nextDown }
        if let range, Double(rounded) < range.lowerBound { rounded = rounded.nextUp }
        try check(range.map { $0.contains(Double(rounded)) }, value, range)
        return .float(rounded)
    }

    private static func check(
        _ isInside: Bool?, _ value: JSONValue, _ range: ClosedRange<Double>?
    ) throws(Refusal) {
        guard let range, isInside == false else { return }
        throw .outOfRange(
            "\(describe(value)) is outside the tag's range of \(text(range.lowerBound)) to \(text(range.upperBound))")
    }

    /// Compares without going through a Double, which does not hold every whole number of 64 bits.
    private static func isInside<Number: FixedWidthInteger>(_ number: Number, _ range: ClosedRange<Double>) -> Bool {
        let low = range.lowerBound.rounded(.up)
        let high = range.upperBound.rounded(.down)
        return (Number(exactly: low).map { number >= $0 } ?? (low < 0))
            && (Number(exactly: high).map { number <= $0 } ?? (high > 0))
    }

    // MARK: Dates

    private static func date(_ value: JSONValue) throws(Refusal) -> Timestamp {
        if case .string(let text) = value, let time = DateText.parse(text) { return time }
        guard case .integer(let milliseconds) = try whole(value, .llong, nil) else { throw unfit(value, .date) }
        let time = Timestamp(milliseconds: milliseconds)
        guard DateText.writable.contains(time) else {
            throw .outOfRange("\(describe(value)) milliseconds are outside the years 0001 to 9999")
        }
        return time
    }

    // MARK: Words

    private static func unfit(_ value: JSONValue, _ type: DataType) -> Refusal {
        let wanted =
            switch type {
            case .boolean: "true or false is wanted"
            case .string: "a text in quotes is wanted"
            case .date: "a time as \"2026-11-23T16:25:00.000Z\", or in milliseconds since 1970, is wanted"
            default: "a number is wanted"
            }
        return .wrongType("the tag is a \(type.name): \(wanted), found \(describe(value))")
    }

    /// Short, whatever came.
    private static func describe(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .boolean(let flag): flag ? "true" : "false"
        case .integer(let number): "\(number)"
        case .unsigned(let number): "\(number)"
        case .double(let number): text(number)
        case .string(let string):
            string.utf8.count > 40 ? "a text of \(string.utf8.count) bytes" : "\"\(printable(string))\""
        case .array: "an array"
        case .object: "an object"
        }
    }

    private static func text(_ number: Double) -> String {
        var json = JSONBytes()
        json.append(double: number)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// Without what moves a terminal's cursor.
    static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map {
                    switch $0.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator: "?"
                    default: $0
                    }
                }))
    }
}
