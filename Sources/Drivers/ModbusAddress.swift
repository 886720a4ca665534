package import Tags

/// A Modbus address as an engineer writes it: area digit and four or five digits, one-based unless the device says
/// otherwise; `.0`–`.15` a bit of a register, least significant first; ` [n]` an array.
package struct ModbusAddress: Sendable, Equatable {
    package enum Area: UInt8, Sendable, CaseIterable {
        case coils = 0
        case discreteInputs = 1
        case inputRegisters = 3
        case holdingRegisters = 4
    }

    package var area: Area
    /// As on the wire: 0…65535.
    package var offset: UInt16
    package var bit: UInt8?
    package var count: Int?

    package init(area: Area, offset: UInt16, bit: UInt8? = nil, count: Int? = nil) {
        self.area = area
        self.offset = offset
        self.bit = bit
        self.count = count
    }
}

extension ModbusAddress {
    /// Parses an address of the configuration, as `40001`, `40010.3` or `40100 [8]`.
    ///
    /// - Parameter zeroBased: whether `40000` is the first holding register; else `40001` is.
    package init(parsing text: String, zeroBased: Bool) throws(ModbusAddressError) {
        var rest = Array(text.utf8)[...]
        guard let first = rest.popFirst(), first &- 0x30 < 10 else { throw .malformed(text) }
        guard let area = Area(rawValue: first &- 0x30) else { throw .unknownArea(text) }
        let digits = rest.prefix { $0 &- 0x30 < 10 }
        guard digits.count == 4 || digits.count == 5 else { throw .digits(text, found: digits.count) }
        rest = rest.dropFirst(digits.count)
        let number = digits.reduce(0) { $0 * 10 + Int($1 &- 0x30) }
        guard zeroBased || number > 0 else { throw .zero(text) }
        let offset = zeroBased ? number : number - 1
        guard let offset = UInt16(exactly: offset) else { throw .beyondEnd(text, highest: zeroBased ? 65535 : 65536) }
        self.init(area: area, offset: offset)
        if rest.first == 0x2E {
            let digits = rest.dropFirst().prefix { $0 &- 0x30 < 10 }
            guard (1...2).contains(digits.count) else { throw .bit(text) }
            let number = digits.reduce(0) { $0 * 10 + Int($1 &- 0x30) }
            guard number <= 15 else { throw .bit(text) }
            guard area.isRegisters else { throw .bitOfBit(text) }
            bit = UInt8(number)
            rest = rest.dropFirst(1 + digits.count)
        }
        count = try ModbusAddress.arrayCount(&rest, of: text)
        guard rest.isEmpty else { throw .malformed(text) }
        if let count {
            guard bit == nil else { throw .arrayOfBits(text) }
            guard (1...area.mostPerRead).contains(count) else { throw .count(text, most: area.mostPerRead) }
            guard Int(offset) + count <= 65536 else { throw .arrayBeyondEnd(text) }
        }
    }

    private static func arrayCount(_ rest: inout ArraySlice<UInt8>, of text: String) throws(ModbusAddressError) -> Int?
    {
        var tail = rest.drop { $0 == 0x20 }
        guard tail.popFirst() == 0x5B else { return nil }
        guard tail.popLast() == 0x5D, (1...5).contains(tail.count), tail.allSatisfy({ $0 &- 0x30 < 10 }) else {
            throw .malformed(text)
        }
        rest = []
        return tail.reduce(0) { $0 * 10 + Int($1 &- 0x30) }
    }

    /// Boolean for coils, discrete inputs and bits, Word for registers.
    package var defaultType: DataType { area.isRegisters && bit == nil ? .word : .boolean }

    /// The address as it is written, one-based or zero-based, with five digits.
    package func text(zeroBased: Bool) -> String {
        let number = String(Int(offset) + (zeroBased ? 0 : 1))
        var text = "\(area.rawValue)"
        for _ in number.utf8.count..<max(4, number.utf8.count) { text += "0" }
        text += number
        if let bit { text += ".\(bit)" }
        if let count { text += " [\(count)]" }
        return text
    }
}

extension ModbusAddress.Area {
    package var isRegisters: Bool { self == .inputRegisters || self == .holdingRegisters }
    package var isWritable: Bool { self == .coils || self == .holdingRegisters }

    /// What one read request may ask for.
    package var mostPerRead: Int { isRegisters ? 125 : 2000 }
    /// What one write request may carry.
    package var mostPerWrite: Int { isRegisters ? 123 : 1968 }

    /// In words, for messages.
    package var text: String {
        switch self {
        case .coils: "coils"
        case .discreteInputs: "discrete inputs"
        case .inputRegisters: "input registers"
        case .holdingRegisters: "holding registers"
        }
    }
}

/// Why an address is refused; the description says what to write instead.
package enum ModbusAddressError: Error, Equatable, CustomStringConvertible {
    case malformed(String)
    case unknownArea(String)
    case digits(String, found: Int)
    case zero(String)
    case beyondEnd(String, highest: Int)
    case bit(String)
    case bitOfBit(String)
    case arrayOfBits(String)
    case count(String, most: Int)
    case arrayBeyondEnd(String)

    package var description: String {
        switch self {
        case .malformed(let text):
            "\"\(text)\" is not a Modbus address; write \"40001\", a bit as \"40010.3\", an array as \"40100 [8]\""
        case .unknownArea(let text):
            "\"\(text)\" begins with no Modbus area: 0 coils, 1 discrete inputs, 3 input registers, 4 holding registers"
        case .digits(let text, let found):
            "\"\(text)\" has \(found) digits after the area digit; four or five are needed, as in \"40001\" or \"400001\""
        case .zero(let text):
            "\"\(text)\" is address 0, and addresses begin at 1; set zero-based: true on the device if they begin at 0"
        case .beyondEnd(let text, let highest): "\"\(text)\" lies beyond the last address, \(highest)"
        case .bit(let text): "\"\(text)\" does not end with a bit from .0 to .15"
        case .bitOfBit(let text): "\"\(text)\" names a bit, but coils and discrete inputs are bits themselves"
        case .arrayOfBits(let text):
            "\"\(text)\" is an array of bits in a register; read the register as an array instead"
        case .count(let text, let most): "\"\(text)\" must have 1 to \(most) elements: one request carries no more"
        case .arrayBeyondEnd(let text): "\"\(text)\" runs past the last address"
        }
    }
}
