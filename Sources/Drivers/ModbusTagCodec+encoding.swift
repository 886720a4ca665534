import Tags

/// Carries a refusal out of the depths of an encoding.
private struct Refused: Error {
    let refusal: WriteRefusal

    init(_ code: WriteRefusal.Code, _ reason: String) {
        refusal = WriteRefusal(code, reason)
    }
}

extension ModbusTagCodec {
    enum Encoded: Equatable {
        case request(ModbusRequest)
        case refused(WriteRefusal)
    }

    /// The one request that writes a value of the tag's published type, in scaled units.
    ///
    /// Whether the tag may be written is asked elsewhere; here the value must fit exactly, but for the rounding that a
    /// scale brings.
    func encode(_ data: TagData) -> Encoded {
        do throws(Refused) {
            return .request(try request(data))
        } catch {
            return .refused(error.refusal)
        }
    }

    private func request(_ data: TagData) throws(Refused) -> ModbusRequest {
        guard bit == nil, area.isWritable else { throw Refused(.readOnly, "\(area.text) cannot be written here") }
        if type == .string { return many(try textBytes(data), span: (length + 1) / 2) }
        guard let count else {
            if area == .coils {
                return ModbusRequest(address: address, kind: .writeOne(area, value: try boolean(data) ? 0xFF00 : 0))
            }
            let bytes = try elementBytes(data)
            guard bytes.count > 2 else {
                let value = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
                return ModbusRequest(address: address, kind: .writeOne(area, value: value))
            }
            return many(bytes, span: bytes.count / 2)
        }
        guard case .array(let array) = data else { throw Refused(.wrongType, "an array of \(count) is wanted") }
        guard array.elements.count == count else {
            throw Refused(.wrongType, "an array of \(count) is wanted, \(array.elements.count) came")
        }
        var bytes: [UInt8] = []
        if area == .coils {
            bytes = [UInt8](repeating: 0, count: (count + 7) / 8)
            for (index, element) in array.elements.enumerated() where try boolean(element) {
                bytes[index / 8] |= 1 << UInt8(index % 8)
            }
            return many(bytes, span: count)
        }
        for element in array.elements { bytes += try elementBytes(element) }
        return many(bytes, span: bytes.count / 2)
    }

    private func many(_ bytes: [UInt8], span: Int) -> ModbusRequest {
        ModbusRequest(
            address: address, kind: .writeMany(area, count: UInt16(truncatingIfNeeded: span), data: bytes))
    }

    private func boolean(_ data: TagData) throws(Refused) -> Bool {
        guard case .boolean(let value) = data else { throw Refused(.wrongType, "a Boolean is wanted") }
        return value
    }

    private func textBytes(_ data: TagData) throws(Refused) -> [UInt8] {
        guard case .string(let string) = data else { throw Refused(.wrongType, "a String is wanted") }
        var bytes = Array(string.text.utf8)
        guard bytes.count <= length else {
            throw Refused(.outOfRange, "the text has \(bytes.count) bytes; the tag holds \(length)")
        }
        guard !bytes.contains(0) else { throw Refused(.outOfRange, "the text holds a zero byte, which ends it") }
        bytes += [UInt8](repeating: 0, count: (length + 1) / 2 * 2 - bytes.count)
        if stringOrder == .lowByteFirst {
            for index in stride(from: 0, to: bytes.count, by: 2) { bytes.swapAt(index, index + 1) }
        }
        return bytes
    }

    /// The registers of one element, high byte first.
    private func elementBytes(_ data: TagData) throws(Refused) -> [UInt8] {
        guard let number = data.number else {
            throw Refused(.wrongType, "a number of type \(publishedType.name) is wanted")
        }
        guard number.isFinite else { throw Refused(.outOfRange, "not a finite number") }
        if let range, !range.contains(number) {
            throw Refused(
                .outOfRange, "\(number) is outside the tag's range of \(range.lowerBound) to \(range.upperBound)")
        }
        guard let line else { return try rawBytes(data, number) }
        if line.clamp, number < min(line.low, line.high) || number > max(line.low, line.high) {
            throw Refused(.outOfRange, "\(number) is outside the scale of \(line.low) to \(line.high)")
        }
        let raw = line.raw.lowerBound + (number - line.low) / line.factor
        return try rawBytes(.double(type.integerBounds == nil ? raw : raw.rounded()), raw)
    }

    private func rawBytes(_ data: TagData, _ number: Double) throws(Refused) -> [UInt8] {
        switch type {
        case .char: return bytes(UInt16(bitPattern: Int16(try whole(data, as: Int8.self))))
        case .byte: return bytes(UInt16(try whole(data, as: UInt8.self)))
        case .short: return bytes(UInt16(bitPattern: try whole(data, as: Int16.self)))
        case .word: return bytes(try whole(data, as: UInt16.self))
        case .long: return bytes(order.reordered(UInt32(bitPattern: try whole(data, as: Int32.self))))
        case .dword: return bytes(order.reordered(try whole(data, as: UInt32.self)))
        case .llong: return bytes(order.reordered(UInt64(bitPattern: try whole(data, as: Int64.self))))
        case .qword: return bytes(order.reordered(try whole(data, as: UInt64.self)))
        case .float:
            let value = Float(number)
            guard value.isFinite else { throw Refused(.outOfRange, "\(number) does not fit a Float") }
            return bytes(order.reordered(value.bitPattern))
        case .double: return bytes(order.reordered(number.bitPattern))
        case .boolean, .string, .date: throw Refused(.wrongType, "a \(type.name) cannot be written to a register")
        }
    }

    private func whole<Number: FixedWidthInteger>(
        _ data: TagData, as wanted: Number.Type
    ) throws(Refused) -> Number {
        let value: Number?
        switch data {
        case .integer(let number): value = Number(exactly: number)
        case .unsigned(let number): value = Number(exactly: number)
        case .double(let number):
            guard number == number.rounded() else { throw Refused(.wrongType, "\(number) is no whole number") }
            value = Number(exactly: number)
        case .float(let number):
            guard number == number.rounded() else { throw Refused(.wrongType, "\(number) is no whole number") }
            value = Number(exactly: number)
        case .none, .boolean, .date, .string, .array: throw Refused(.wrongType, "a \(type.name) is wanted")
        }
        guard let value else { throw Refused(.outOfRange, "the value does not fit a \(type.name) in the device") }
        return value
    }

    private func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        (0..<value.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
}
