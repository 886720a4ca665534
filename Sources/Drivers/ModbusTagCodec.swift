import Tags

/// How one tag's bytes become its value and back, worked out once.
struct ModbusTagCodec: Sendable {
    /// A scale as a factor: scaled = low + (raw - rawLow) · factor.
    struct Line: Sendable {
        let raw: ClosedRange<Double>
        let low: Double
        let high: Double
        let factor: Double
        let type: DataType
        let clamp: Bool

        init(_ scale: TagScale) {
            raw = scale.raw
            low = scale.scaledLow
            high = scale.scaledHigh
            factor = (scale.scaledHigh - scale.scaledLow) / (scale.raw.upperBound - scale.raw.lowerBound)
            type = scale.type
            clamp = scale.clamp
        }
    }

    let area: ModbusAddress.Area
    let address: UInt16
    let type: DataType
    let order: ModbusWordOrder
    let bit: UInt8?
    let count: Int?
    let length: Int
    let stringOrder: ModbusStringOrder
    let line: Line?
    let range: ClosedRange<Double>?
    /// The type that the rest of the gateway sees.
    let publishedType: DataType

    init(_ options: ModbusTagOptions, device: ModbusDeviceOptions) {
        area = options.address.area
        address = options.address.offset
        type = options.type
        order = device.wordOrder
        bit = options.address.bit
        count = options.address.count
        length = min(max(options.length ?? 0, 0), 250)
        stringOrder = options.stringOrder
        line = options.scale.map(Line.init)
        range = options.range
        publishedType = options.publishedType
    }

    /// What came of a value's bytes.
    enum Decoded: Equatable {
        case value(TagData, Quality)
        /// Not a number, or not within the type.
        case outOfRange
    }

    /// Decodes the tag from a reply's data.
    ///
    /// - Parameters:
    ///   - data: the reply's data, at least as long as the tag's block.
    ///   - offset: the tag's first bit or register, from the block's.
    ///   - last: the value before, whose text is used again when it has not changed.
    @inline(__always)
    func decode(_ data: RawSpan, at offset: Int, last: TagData) -> Decoded {
        if area.isRegisters, type == .word, line == nil, count == nil {
            return .value(.unsigned(UInt64(ModbusTagCodec.register(data, offset))), .good)
        }
        return decodeOther(data, at: offset, last: last)
    }

    private func decodeOther(_ data: RawSpan, at offset: Int, last: TagData) -> Decoded {
        if type == .string { return .value(text(data, at: offset, last: last), .good) }
        guard let count else { return element(data, at: offset) }
        let step = area.isRegisters ? type.registers : 1
        var elements: [TagData] = []
        elements.reserveCapacity(count)
        var quality = Quality.good
        for index in 0..<count {
            guard case .value(let element, let its) = element(data, at: offset + index * step) else {
                return .outOfRange
            }
            if !its.isGood { quality = its }
            elements.append(element)
        }
        return .value(.array(elements), quality)
    }

    private func element(_ data: RawSpan, at offset: Int) -> Decoded {
        guard area.isRegisters else {
            return .value(.boolean(ModbusTagCodec.byte(data, offset >> 3) >> UInt8(offset & 7) & 1 == 1), .good)
        }
        switch type {
        case .boolean:
            return .value(.boolean(ModbusTagCodec.register(data, offset) >> UInt16(bit ?? 0) & 1 == 1), .good)
        case .char: return integer(Int64(Int16(bitPattern: ModbusTagCodec.register(data, offset))))
        case .short: return integer(Int64(Int16(bitPattern: ModbusTagCodec.register(data, offset))))
        case .byte, .word: return unsigned(UInt64(ModbusTagCodec.register(data, offset)))
        case .long: return integer(Int64(Int32(bitPattern: two(data, offset))))
        case .dword: return unsigned(UInt64(two(data, offset)))
        case .llong: return integer(Int64(bitPattern: four(data, offset)))
        case .qword: return unsigned(four(data, offset))
        case .float:
            let value = Float(bitPattern: two(data, offset))
            guard value.isFinite else { return .outOfRange }
            return line == nil ? .value(.float(value), .good) : scaled(Double(value))
        case .double:
            let value = Double(bitPattern: four(data, offset))
            guard value.isFinite else { return .outOfRange }
            return line == nil ? .value(.double(value), .good) : scaled(value)
        case .string, .date: return .outOfRange
        }
    }

    private func integer(_ value: Int64) -> Decoded {
        if line != nil { return scaled(Double(value)) }
        if type == .char, Int8(exactly: value) == nil { return .outOfRange }
        return .value(.integer(value), .good)
    }

    private func unsigned(_ value: UInt64) -> Decoded {
        if line != nil { return scaled(Double(value)) }
        if type == .byte, value > 255 { return .outOfRange }
        return .value(.unsigned(value), .good)
    }

    private func scaled(_ raw: Double) -> Decoded {
        guard let line else { return .outOfRange }
        var quality = Quality.good
        var value = line.low + (raw - line.raw.lowerBound) * line.factor
        if line.clamp, !line.raw.contains(raw) {
            value = raw < line.raw.lowerBound ? line.low : line.high
            quality = .uncertainClamped
        }
        guard let data = NumberConversion.number(value, as: line.type) else { return .outOfRange }
        return .value(data, quality)
    }

    /// Up to the first zero byte; UTF-8 where it is that, else Latin-1, which every byte has a character in.
    private func text(_ data: RawSpan, at offset: Int, last: TagData) -> TagData {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(length)
        let flip = stringOrder == .lowByteFirst ? 1 : 0
        for index in 0..<length {
            let byte = ModbusTagCodec.byte(data, offset * 2 + (index ^ flip))
            if byte == 0 { break }
            bytes.append(byte)
        }
        let text =
            String(validating: bytes, as: UTF8.self)
            ?? String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        if case .string(let before) = last, before.text.utf8.elementsEqual(text.utf8) { return last }
        return .string(text)
    }

    // MARK: Registers

    @inline(__always)
    private static func byte(_ data: RawSpan, _ offset: Int) -> UInt8 {
        data.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    @inline(__always)
    private static func register(_ data: RawSpan, _ index: Int) -> UInt16 {
        UInt16(bigEndian: data.unsafeLoadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
    }

    private func two(_ data: RawSpan, _ index: Int) -> UInt32 {
        order.reordered(UInt32(bigEndian: data.unsafeLoadUnaligned(fromByteOffset: index * 2, as: UInt32.self)))
    }

    private func four(_ data: RawSpan, _ index: Int) -> UInt64 {
        order.reordered(UInt64(bigEndian: data.unsafeLoadUnaligned(fromByteOffset: index * 2, as: UInt64.self)))
    }
}

extension ModbusWordOrder {
    /// From the order on the wire to ABCD, and back: each order is its own inverse.
    func reordered(_ value: UInt32) -> UInt32 {
        switch self {
        case .bigEndian: value
        case .littleEndian: value.byteSwapped
        case .bigEndianByteSwap: (value & 0xFF00_FF00) >> 8 | (value & 0x00FF_00FF) << 8
        case .littleEndianByteSwap: value >> 16 | value << 16
        }
    }

    func reordered(_ value: UInt64) -> UInt64 {
        let swapped = (value & 0xFF00_FF00_FF00_FF00) >> 8 | (value & 0x00FF_00FF_00FF_00FF) << 8
        switch self {
        case .bigEndian: return value
        case .littleEndian: return value.byteSwapped
        case .bigEndianByteSwap: return swapped
        case .littleEndianByteSwap: return swapped.byteSwapped
        }
    }
}
