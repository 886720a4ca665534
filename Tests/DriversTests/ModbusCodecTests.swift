import NIOCore
import Tags
import Testing

@testable import Drivers

@Suite(.timeLimit(.minutes(1)))
struct ModbusCodecTests {
    private func codec(_ options: ModbusTagOptions, _ order: ModbusWordOrder = .bigEndian) -> ModbusTagCodec {
        ModbusTagCodec(options, device: ModbusDeviceOptions(host: "x", wordOrder: order))
    }

    private func decode(
        _ bytes: [UInt8], _ options: ModbusTagOptions, _ order: ModbusWordOrder = .bigEndian, at offset: Int = 0
    ) -> ModbusTagCodec.Decoded {
        let buffer = ByteBuffer(bytes: bytes)
        return codec(options, order).decode(buffer.readableBytesSpan, at: offset, last: .none)
    }

    /// A, B, C … are the bytes of the value, most significant first.
    @Test(arguments: [
        (ModbusWordOrder.bigEndian, "ABCD", "ABCDEFGH"), (.littleEndian, "DCBA", "HGFEDCBA"),
        (.bigEndianByteSwap, "BADC", "BADCFEHG"), (.littleEndianByteSwap, "CDAB", "GHEFCDAB"),
    ])
    func everyWordOrder(order: ModbusWordOrder, two: String, four: String) throws {
        func onWire(_ value: [UInt8], _ order: String) -> [UInt8] { order.utf8.map { value[Int($0) - 0x41] } }
        let long: [UInt8] = [0xF8, 0xA4, 0x32, 0xEB]  // -123456789
        let qword: [UInt8] = [0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10]
        let float: [UInt8] = [0x42, 0xF6, 0xE9, 0x79]  // 123.456
        let double: [UInt8] = [0xC0, 0xC3, 0x4A, 0x45, 0x87, 0xE7, 0xC0, 0x6E]  // -9876.54321
        let cases: [(DataType, [UInt8], TagData)] = [
            (.long, onWire(long, two), .integer(-123_456_789)),
            (.dword, onWire(long, two), .unsigned(0xF8A4_32EB)),
            (.float, onWire(float, two), .float(123.456)),
            (.qword, onWire(qword, four), .unsigned(0xFEDC_BA98_7654_3210)),
            (.llong, onWire(qword, four), .integer(Int64(bitPattern: 0xFEDC_BA98_7654_3210))),
            (.double, onWire(double, four), .double(-9876.54321)),
        ]
        for (type, bytes, expected) in cases {
            let options = try tag("40001", type, access: .readWrite)
            #expect(decode(bytes, options, order) == .value(expected, .good), "\(type.name)")
            #expect(
                decode([1, 2] + bytes, options, order, at: 1) == .value(expected, .good), "\(type.name), one later")
            let request = ModbusRequest(
                address: 0,
                kind: .writeMany(.holdingRegisters, count: UInt16(bytes.count / 2), data: bytes))
            #expect(codec(options, order).encode(expected) == .request(request), "\(type.name)")
        }
    }

    @Test func singleRegistersAreNotReordered() throws {
        for order in ModbusWordOrder.allCases {
            #expect(try decode([0xFB, 0x2E], tag("40001", .short), order) == .value(.integer(-1234), .good))
            #expect(try decode([0xD4, 0x31], tag("40001", .word), order) == .value(.unsigned(54321), .good))
        }
    }

    @Test func eightBitsMustFit() throws {
        #expect(try decode([0xFF, 0x9C], tag("40001", .char)) == .value(.integer(-100), .good))
        #expect(try decode([0x00, 0xC8], tag("40001", .char)) == .outOfRange)
        #expect(try decode([0x00, 0xC8], tag("40001", .byte)) == .value(.unsigned(200), .good))
        #expect(try decode([0x01, 0x00], tag("40001", .byte)) == .outOfRange)
    }

    @Test func bitsAreLeastSignificantFirst() throws {
        for bit in 0...15 {
            let value = UInt16(1) << bit
            let bytes = [UInt8(value >> 8), UInt8(value & 0xFF)]
            for other in 0...15 {
                #expect(try decode(bytes, tag("40001.\(other)")) == .value(.boolean(bit == other), .good))
            }
        }
        #expect(try decode([0b0000_0101, 0b1], tag("00001"), at: 8) == .value(.boolean(true), .good))
        #expect(try decode([0b0000_0101], tag("00001"), at: 1) == .value(.boolean(false), .good))
        let expected = TagData.array([.boolean(false), .boolean(true), .boolean(true)])
        #expect(try decode([0b1000_0101, 0b1], tag("00001 [3]"), at: 6) == .value(expected, .good))
    }

    @Test func notANumberIsOutOfRange() throws {
        #expect(try decode([0x7F, 0xC0, 0, 0], tag("40001", .float)) == .outOfRange)
        #expect(try decode([0x7F, 0x80, 0, 0], tag("40001", .float)) == .outOfRange)
        #expect(try decode([0xFF, 0xF0, 0, 0, 0, 0, 0, 0], tag("40001", .double)) == .outOfRange)
        #expect(try decode([0, 0, 0, 0, 0x7F, 0xC0, 0, 0], tag("40001 [2]", .float)) == .outOfRange)
    }

    @Test func texts() throws {
        func text(_ bytes: [UInt8], _ length: Int, _ order: ModbusStringOrder = .highByteFirst) throws -> String? {
            guard
                case .value(.string(let string), .good) =
                    try decode(bytes, tag("40001", .string, length: length, stringOrder: order))
            else { return nil }
            return string.text
        }
        #expect(try text(Array("Hello!".utf8), 6) == "Hello!")
        #expect(try text(Array("Hello!".utf8), 5) == "Hello")
        #expect(try text(Array("eHll!o".utf8), 6, .lowByteFirst) == "Hello!")
        #expect(try text(Array("eHll!o".utf8), 5, .lowByteFirst) == "Hello")
        #expect(try text(Array("Hi".utf8) + [0, 0x41], 4) == "Hi")
        #expect(try text([0xFC, 0x62], 2) == "üb")
        let buffer = ByteBuffer(string: "Hi")
        let same = TagData.string("Hi")
        guard
            case .value(.string(let again), _) = codec(try tag("40001", .string, length: 2)).decode(
                buffer.readableBytesSpan, at: 0, last: same), case .string(let before) = same
        else { return #expect(Bool(false)) }
        #expect(again === before, "an unchanged text is not made again")
    }

    @Test func scales() throws {
        let scale = TagScale(raw: 0...27648, scaledLow: 0, scaledHigh: 100)
        #expect(try decode([0x36, 0x00], tag("40001", .short, scale: scale)) == .value(.double(50), .good))
        #expect(try decode([0x94, 0x00], tag("40001", .short, scale: scale)) == .value(.double(-100), .good))
        var clamped = scale
        clamped.clamp = true
        #expect(
            try decode([0x94, 0x00], tag("40001", .short, scale: clamped)) == .value(.double(0), .uncertainClamped))
        let falling = TagScale(raw: 0...100, scaledLow: 10, scaledHigh: -10, type: .char)
        #expect(try decode([0, 75], tag("40001", .word, scale: falling)) == .value(.integer(-5), .good))
        #expect(try decode([0xFF, 0xFF], tag("40001", .word, scale: falling)) == .outOfRange)
    }

    @Test func writesInvertTheScaleAndRound() throws {
        let scale = TagScale(raw: 0...27648, scaledLow: 0, scaledHigh: 100)
        let codec = codec(try tag("40001", .short, access: .readWrite, scale: scale, range: -50...200))
        func raw(_ value: Double) -> UInt16? {
            guard case .request(let request) = codec.encode(.double(value)),
                case .writeOne(.holdingRegisters, let value) = request.kind
            else { return nil }
            return value
        }
        #expect(raw(50) == 13824)
        #expect(raw(33.333) == 9216)
        #expect(raw(-50) == UInt16(bitPattern: -13824))
        #expect(raw(118) == 32625)
        #expect(codec.encode(.double(119)).refusal == .outOfRange)
        #expect(codec.encode(.double(201)).refusal == .outOfRange)
        #expect(codec.encode(.double(.nan)).refusal == .outOfRange)
        #expect(codec.encode(.double(.infinity)).refusal == .outOfRange)
        #expect(codec.encode(.boolean(true)).refusal == .wrongType)
    }

    @Test(arguments: [
        (DataType.char, -128, 127), (.byte, 0, 255), (.short, -32768, 32767), (.word, 0, 65535),
        (.long, -2_147_483_648, 2_147_483_647), (.dword, 0, 4_294_967_295),
    ])
    func integersMustFitExactly(type: DataType, low: Int64, high: Int64) throws {
        let codec = codec(try tag("40001", type, access: .readWrite))
        #expect(codec.encode(.integer(low)).refusal == nil)
        #expect(codec.encode(.integer(high)).refusal == nil)
        #expect(codec.encode(.integer(low - 1)).refusal == .outOfRange)
        #expect(codec.encode(.integer(high + 1)).refusal == .outOfRange)
        #expect(codec.encode(.double(0.5)).refusal == .wrongType)
        #expect(codec.encode(.unsigned(.max)).refusal == .outOfRange)
    }

    @Test func writesOfCoilsArraysAndTexts() throws {
        #expect(
            codec(try tag("00005", access: .readWrite)).encode(.boolean(true))
                == .request(ModbusRequest(address: 4, kind: .writeOne(.coils, value: 0xFF00))))
        let coils = TagData.array((0..<9).map { .boolean($0 % 2 == 0) })
        #expect(
            codec(try tag("00001 [9]", access: .readWrite)).encode(coils)
                == .request(ModbusRequest(address: 0, kind: .writeMany(.coils, count: 9, data: [0x55, 0x01]))))
        #expect(
            codec(try tag("40001 [2]", access: .readWrite)).encode(.array([.unsigned(258), .unsigned(3)]))
                == .request(
                    ModbusRequest(address: 0, kind: .writeMany(.holdingRegisters, count: 2, data: [1, 2, 0, 3]))))
        #expect(codec(try tag("40001 [2]", access: .readWrite)).encode(.array([.unsigned(1)])).refusal == .wrongType)
        let text = codec(try tag("40001", .string, access: .readWrite, length: 5, stringOrder: .lowByteFirst))
        #expect(
            text.encode(.string("abc"))
                == .request(
                    ModbusRequest(
                        address: 0,
                        kind: .writeMany(
                            .holdingRegisters, count: 3, data: [0x62, 0x61, 0, 0x63, 0, 0]))))
        #expect(text.encode(.string("abcdef")).refusal == .outOfRange)
        #expect(codec(try tag("40001.3", access: .readWrite)).encode(.boolean(true)).refusal == .readOnly)
        #expect(codec(try tag("30001", access: .readWrite)).encode(.unsigned(1)).refusal == .readOnly)
    }
}

extension ModbusTagCodec.Encoded {
    var refusal: WriteRefusal.Code? {
        if case .refused(let refusal) = self { refusal.code } else { nil }
    }
}
