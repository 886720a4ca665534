import Tags

/// Turns texts and numbers into values of a tag's type.
enum NumberConversion {
    /// nil when the text is no value of the type.
    static func parse(_ text: String, as type: DataType) -> TagData? {
        switch type {
        case .string: .string(text)
        case .boolean:
            switch text.lowercased() {
            case "true", "1": .boolean(true)
            case "false", "0": .boolean(false)
            default: nil
            }
        case .date: nil
        default: Double(text).flatMap { number($0, as: type) }
        }
    }

    /// A number in a type: integers are rounded to the nearest; nil when it does not fit.
    static func number(_ value: Double, as type: DataType) -> TagData? {
        switch type {
        case .float:
            Float(value).isFinite ? .float(Float(value)) : nil
        case .double:
            value.isFinite ? .double(value) : nil
        case .char, .short, .long, .llong:
            Int64(exactly: value.rounded()).flatMap { integer in
                type.integerBounds.flatMap {
                    integer >= $0.lowest && integer <= Int64(clamping: $0.highest) ? .integer(integer) : nil
                }
            }
        case .byte, .word, .dword, .qword:
            UInt64(exactly: value.rounded()).flatMap { integer in
                type.integerBounds.flatMap { integer <= $0.highest ? .unsigned(integer) : nil }
            }
        case .boolean, .string, .date: nil
        }
    }
}
