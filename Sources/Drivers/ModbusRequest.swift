import NIOCore

/// One request to a device, and what its reply must look like.
struct ModbusRequest: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        case read(ModbusAddress.Area, count: UInt16)
        /// FC 5 and 6: the value as it goes over the wire.
        case writeOne(ModbusAddress.Area, value: UInt16)
        /// FC 15 and 16: the number of bits or registers, and their bytes.
        case writeMany(ModbusAddress.Area, count: UInt16, data: [UInt8])
    }

    /// As on the wire.
    var address: UInt16
    var kind: Kind

    var function: ModbusFunction {
        switch kind {
        case .read(let area, _): ModbusFunction(reading: area)
        case .writeOne(let area, _): area == .coils ? .writeCoil : .writeRegister
        case .writeMany(let area, _, _): area == .coils ? .writeCoils : .writeRegisters
        }
    }

    func encode(transaction: UInt16, unit: UInt8, into buffer: inout ByteBuffer) {
        buffer.writeInteger(transaction)
        buffer.writeInteger(0, as: UInt16.self)
        switch kind {
        case .read(_, let second), .writeOne(_, let second):
            buffer.writeMultipleIntegers(6 as UInt16, unit, function.rawValue, address, second)
        case .writeMany(_, let count, let data):
            buffer.writeMultipleIntegers(
                UInt16(truncatingIfNeeded: 7 + data.count), unit, function.rawValue, address, count,
                UInt8(truncatingIfNeeded: data.count))
            buffer.writeBytes(data)
        }
    }

    /// Bytes of data that the reply to a read must carry.
    var expectedBytes: Int {
        guard case .read(let area, let count) = kind else { return 0 }
        return area.isRegisters ? Int(count) * 2 : (Int(count) + 7) / 8
    }

    /// Checks a reply that carries the right transaction, unit and function.
    func check(_ pdu: ByteBuffer) throws(ModbusProtocolError) {
        let start = pdu.readerIndex
        switch kind {
        case .read:
            guard pdu.readableBytes == 2 + expectedBytes else {
                throw .replyLength(found: pdu.readableBytes, expected: 2 + expectedBytes)
            }
            let counted = Int(pdu.getInteger(at: start + 1, as: UInt8.self) ?? 0)
            guard counted == expectedBytes else { throw .byteCount(found: counted, expected: expectedBytes) }
        case .writeOne(_, let second), .writeMany(_, let second, _):
            guard pdu.readableBytes == 5 else { throw .replyLength(found: pdu.readableBytes, expected: 5) }
            guard pdu.getInteger(at: start + 1, as: UInt16.self) == address,
                pdu.getInteger(at: start + 3, as: UInt16.self) == second
            else { throw .echo }
        }
    }
}
