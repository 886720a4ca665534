import Tags

/// Whether a simulated register takes a value.
enum SimulatorWrite: Equatable {
    case taken(TagData)
    case refused(WriteRefusal)

    static func check(_ data: TagData, for tag: SimulatorTagOptions) -> SimulatorWrite {
        guard let count = tag.address.count else { return element(data, tag) }
        guard case .array(let array) = data, array.elements.count == count else {
            return .refused(WriteRefusal(.wrongType, "an array of \(count) is wanted"))
        }
        var elements: [TagData] = []
        for one in array.elements {
            switch element(one, tag) {
            case .taken(let data): elements.append(data)
            case .refused(let refusal): return .refused(refusal)
            }
        }
        return .taken(.array(elements))
    }

    private static func element(_ data: TagData, _ tag: SimulatorTagOptions) -> SimulatorWrite {
        switch (tag.type, data) {
        case (.boolean, .boolean): return .taken(data)
        case (.string, .string(let string)):
            guard string.text.utf8.count <= 4096 else {
                return .refused(WriteRefusal(.outOfRange, "the text has more than 4096 bytes"))
            }
            return .taken(data)
        default: break
        }
        guard tag.type.isNumeric, let number = data.number else {
            return .refused(WriteRefusal(.wrongType, "a \(tag.type.name) is wanted"))
        }
        guard number.isFinite else { return .refused(WriteRefusal(.outOfRange, "not a finite number")) }
        if let range = tag.range, !range.contains(number) {
            let reason = "\(number) is outside the tag's range of \(range.lowerBound) to \(range.upperBound)"
            return .refused(WriteRefusal(.outOfRange, reason))
        }
        guard let value = exact(data, number, tag.type) else {
            return .refused(WriteRefusal(.outOfRange, "\(number) does not fit a \(tag.type.name)"))
        }
        return .taken(value)
    }

    private static func exact(_ data: TagData, _ number: Double, _ type: DataType) -> TagData? {
        guard let bounds = type.integerBounds else { return NumberConversion.number(number, as: type) }
        let isSigned = bounds.lowest < 0
        let high: UInt64
        switch data {
        // Not by way of a Double, which does not hold every 64-bit number.
        case .integer(let value):
            if value < 0 { return value >= bounds.lowest ? .integer(value) : nil }
            high = UInt64(value)
        case .unsigned(let value): high = value
        default: return number == number.rounded() ? NumberConversion.number(number, as: type) : nil
        }
        guard high <= bounds.highest else { return nil }
        return isSigned ? .integer(Int64(high)) : .unsigned(high)
    }
}
