import NIOCore

/// One frame of Modbus TCP: what follows the unit is in `pdu`, function code first, 1 to 253 bytes.
struct ModbusFrame: Equatable, Sendable {
    var transaction: UInt16
    var unit: UInt8
    var pdu: ByteBuffer

    /// The frame as it goes over the wire.
    var bytes: [UInt8] {
        let length = UInt16(truncatingIfNeeded: pdu.readableBytes + 1)
        return [
            UInt8(transaction >> 8), UInt8(transaction & 0xFF), 0, 0, UInt8(length >> 8), UInt8(length & 0xFF), unit,
        ] + Array(pdu.readableBytesView)
    }
}

/// Cuts a stream of bytes into frames. A header that cannot be one is an error, after which the stream is not usable:
/// where the next frame begins is not known.
struct ModbusFrameDecoder {
    /// Less than one frame once `next` has given nil.
    private(set) var buffer = ByteBuffer()

    /// What has come of a frame that is not whole: nil before its transaction is known.
    var begun: UInt16? { buffer.getInteger(at: buffer.readerIndex) }

    mutating func append(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            // A device may see to it that the buffer is never empty: what has been read goes all the same.
            buffer.discardReadBytes()
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next whole frame, nil while bytes are missing.
    mutating func next() throws(ModbusProtocolError) -> ModbusFrame? {
        let start = buffer.readerIndex
        // The header is checked as far as it has come: a liar is found out before it has sent what it announced.
        if let identifier = buffer.getInteger(at: start + 2, as: UInt16.self), identifier != 0 {
            throw .protocolIdentifier(identifier)
        }
        guard let length = buffer.getInteger(at: start + 4, as: UInt16.self) else { return nil }
        guard (2...254).contains(length) else { throw .length(length) }
        guard buffer.readableBytes >= 6 + Int(length),
            let transaction = buffer.getInteger(at: start, as: UInt16.self),
            let unit = buffer.getInteger(at: start + 6, as: UInt8.self),
            let pdu = buffer.getSlice(at: start + 7, length: Int(length) - 1)
        else { return nil }
        buffer.moveReaderIndex(forwardBy: 6 + Int(length))
        return ModbusFrame(transaction: transaction, unit: unit, pdu: pdu)
    }
}
