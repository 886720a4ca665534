/// The type of a tag's value, or of one element when the tag is an array.
///
/// Char/Byte have 8 bits, Short/Word 16, Long/DWord 32, LLong/QWord 64; the first of each pair is signed.
package enum DataType: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    case boolean, char, byte, short, word, long, dword, llong, qword, float, double, string, date

    /// The name as it stands in the configuration.
    package var name: String {
        switch self {
        case .boolean: "Boolean"
        case .char: "Char"
        case .byte: "Byte"
        case .short: "Short"
        case .word: "Word"
        case .long: "Long"
        case .dword: "DWord"
        case .llong: "LLong"
        case .qword: "QWord"
        case .float: "Float"
        case .double: "Double"
        case .string: "String"
        case .date: "Date"
        }
    }

    /// Finds a type by its configured name, ASCII-case-insensitively.
    package init?(name: String) {
        let wanted = name.utf8.map(TagName.fold)
        guard let type = DataType.allCases.first(where: { $0.name.utf8.map(TagName.fold) == wanted }) else {
            return nil
        }
        self = type
    }

    /// Whether a deadband, a range or a scale makes sense.
    package var isNumeric: Bool {
        switch self {
        case .boolean, .string, .date: false
        default: true
        }
    }

    /// The whole numbers that the type holds, nil for the types that are not integers.
    package var integerBounds: (lowest: Int64, highest: UInt64)? {
        switch self {
        case .char: (Int64(Int8.min), UInt64(Int8.max))
        case .byte: (0, UInt64(UInt8.max))
        case .short: (Int64(Int16.min), UInt64(Int16.max))
        case .word: (0, UInt64(UInt16.max))
        case .long: (Int64(Int32.min), UInt64(Int32.max))
        case .dword: (0, UInt64(UInt32.max))
        case .llong: (Int64.min, UInt64(Int64.max))
        case .qword: (0, UInt64.max)
        case .boolean, .float, .double, .string, .date: nil
        }
    }
}
