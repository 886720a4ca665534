import NIOCore
import Testing

@testable import Drivers

@Suite(.timeLimit(.minutes(1)))
struct ModbusExchangeTests {
    private let read = ModbusRequest(address: 10, kind: .read(.holdingRegisters, count: 2))

    private func frame(_ transaction: UInt16, unit: UInt8 = 1, _ pdu: [UInt8]) -> ModbusFrame {
        ModbusFrame(transaction: transaction, unit: unit, pdu: ByteBuffer(bytes: pdu))
    }

    @Test func encodesRequests() {
        var buffer = ByteBuffer()
        read.encode(transaction: 0x0102, unit: 7, into: &buffer)
        #expect(Array(buffer.readableBytesView) == [1, 2, 0, 0, 0, 6, 7, 3, 0, 10, 0, 2])
        buffer.clear()
        ModbusRequest(address: 1, kind: .writeOne(.coils, value: 0xFF00)).encode(transaction: 3, unit: 1, into: &buffer)
        #expect(Array(buffer.readableBytesView) == [0, 3, 0, 0, 0, 6, 1, 5, 0, 1, 0xFF, 0])
        buffer.clear()
        ModbusRequest(address: 2, kind: .writeMany(.holdingRegisters, count: 2, data: [1, 2, 3, 4]))
            .encode(transaction: 4, unit: 1, into: &buffer)
        #expect(Array(buffer.readableBytesView) == [0, 4, 0, 0, 0, 11, 1, 16, 0, 2, 0, 2, 4, 1, 2, 3, 4])
        buffer.clear()
        ModbusRequest(address: 2, kind: .writeMany(.coils, count: 9, data: [0x55, 1]))
            .encode(transaction: 5, unit: 1, into: &buffer)
        #expect(Array(buffer.readableBytesView) == [0, 5, 0, 0, 0, 9, 1, 15, 0, 2, 0, 9, 2, 0x55, 1])
    }

    @Test func takesTheReplyThatWasAskedFor() {
        var exchange = ModbusExchange(unit: 1)
        let transaction = exchange.begin(read)
        let pdu: [UInt8] = [3, 4, 0, 1, 0, 2]
        #expect(exchange.receive(frame(transaction, pdu)) == .reply(ByteBuffer(bytes: pdu)))
        // The same once more was not asked for.
        #expect(exchange.receive(frame(transaction, pdu)) == .violation(.unexpectedTransaction(transaction)))
    }

    @Test(
        arguments: [
            (7, 1, [3, 4, 0, 1, 0, 2], ModbusProtocolError.unexpectedTransaction(7)),
            (1, 2, [3, 4, 0, 1, 0, 2], .foreignUnit(2, expected: 1)),
            (1, 1, [4, 4, 0, 1, 0, 2], .foreignFunction(4, expected: 3)),
            (1, 1, [3, 4, 0, 1, 0], .replyLength(found: 5, expected: 6)),
            (1, 1, [3, 4, 0, 1, 0, 2, 0], .replyLength(found: 7, expected: 6)),
            (1, 1, [3, 2, 0, 1, 0, 2], .byteCount(found: 2, expected: 4)),
            (1, 1, [3], .replyLength(found: 1, expected: 6)),
            (1, 1, [0x83], .replyLength(found: 1, expected: 2)),
            (1, 1, [0x83, 2, 0], .replyLength(found: 3, expected: 2)),
            (1, 1, [0x84, 2], .foreignFunction(0x84, expected: 3)),
        ] as [(UInt16, UInt8, [UInt8], ModbusProtocolError)])
    func refusesEveryOther(transaction: UInt16, unit: UInt8, pdu: [UInt8], error: ModbusProtocolError) {
        var exchange = ModbusExchange(unit: 1)
        #expect(exchange.begin(read) == 1)
        #expect(exchange.receive(frame(transaction, unit: unit, pdu)) == .violation(error))
        #expect(!"\(error)".isEmpty)
    }

    @Test func exceptions() {
        var exchange = ModbusExchange(unit: 1)
        #expect(exchange.receive(frame(exchange.begin(read), [0x83, 2])) == .exception(.illegalAddress))
        #expect(exchange.receive(frame(exchange.begin(read), [0x80, 11])) == .exception(ModbusException(rawValue: 11)))
        #expect("\(ModbusException(rawValue: 2))" == "exception 2 (illegal data address)")
    }

    @Test func aLateReplyIsDroppedOnce() {
        var exchange = ModbusExchange(unit: 1)
        let late = exchange.begin(read)
        exchange.timeOut()
        let next = exchange.begin(read)
        #expect(late != next)
        #expect(exchange.receive(frame(late, [3, 4, 9, 9, 9, 9])) == .late(late))
        #expect(exchange.receive(frame(next, [3, 4, 0, 1, 0, 2])) == .reply(ByteBuffer(bytes: [3, 4, 0, 1, 0, 2])))
        #expect(exchange.receive(frame(late, [3, 4, 9, 9, 9, 9])) == .violation(.unexpectedTransaction(late)))
    }

    @Test func aTransactionThatTimedOutIsNotUsedAgain() {
        var exchange = ModbusExchange(unit: 1)
        let late = exchange.begin(read)
        exchange.timeOut()
        for _ in 0..<65535 {
            let transaction = exchange.begin(read)
            #expect(transaction != late)
            _ = exchange.receive(frame(transaction, [0x83, 2]))
        }
    }

    @Test func writesMustBeEchoed() {
        var exchange = ModbusExchange(unit: 1)
        let one = ModbusRequest(address: 4, kind: .writeOne(.holdingRegisters, value: 513))
        #expect(
            exchange.receive(frame(exchange.begin(one), [6, 0, 4, 2, 1])) == .reply(ByteBuffer(bytes: [6, 0, 4, 2, 1])))
        #expect(exchange.receive(frame(exchange.begin(one), [6, 0, 4, 2, 2])) == .violation(.echo))
        #expect(exchange.receive(frame(exchange.begin(one), [6, 0, 5, 2, 1])) == .violation(.echo))
        let many = ModbusRequest(address: 4, kind: .writeMany(.coils, count: 3, data: [7]))
        #expect(
            exchange.receive(frame(exchange.begin(many), [15, 0, 4, 0, 3]))
                == .reply(ByteBuffer(bytes: [15, 0, 4, 0, 3])))
        #expect(exchange.receive(frame(exchange.begin(many), [15, 0, 4, 0, 2])) == .violation(.echo))
    }
}

@Suite(.timeLimit(.minutes(1)))
struct ModbusFrameDecoderTests {
    @Test func cutsFramesWhereverTheyAreCut() throws {
        let bytes: [UInt8] = [0, 1, 0, 0, 0, 3, 9, 3, 7] + [0, 2, 0, 0, 0, 2, 8, 4]
        for cut in 0...bytes.count {
            var decoder = ModbusFrameDecoder()
            var frames: [ModbusFrame] = []
            for part in [bytes[..<cut], bytes[cut...]] {
                decoder.append(ByteBuffer(bytes: part))
                while let frame = try decoder.next() { frames.append(frame) }
            }
            #expect(frames.map(\.transaction) == [1, 2])
            #expect(frames.map(\.unit) == [9, 8])
            #expect(frames.flatMap(\.bytes) == bytes)
        }
    }

    @Test(arguments: [0, 1, 255, 65535] as [UInt16])
    func refusesImpossibleLengths(length: UInt16) {
        var decoder = ModbusFrameDecoder()
        decoder.append(ByteBuffer(bytes: [0, 1, 0, 0, UInt8(length >> 8), UInt8(length & 0xFF)]))
        #expect(throws: ModbusProtocolError.length(length)) { try decoder.next() }
    }

    @Test func refusesOtherProtocolsBeforeTheHeaderIsWhole() {
        var decoder = ModbusFrameDecoder()
        decoder.append(ByteBuffer(string: "HTTP"))
        #expect(throws: ModbusProtocolError.protocolIdentifier(0x5450)) { try decoder.next() }
    }

    /// A device that always sends the beginning of its next frame along keeps the buffer from ever being empty.
    @Test func whatHasBeenReadIsNotKept() throws {
        let frame: [UInt8] = [0, 1, 0, 0, 0, 3, 9, 3, 7]
        var decoder = ModbusFrameDecoder()
        decoder.append(ByteBuffer(bytes: frame.prefix(2)))
        var frames = 0
        for _ in 0..<10_000 {
            decoder.append(ByteBuffer(bytes: frame.dropFirst(2) + frame.prefix(2)))
            while try decoder.next() != nil { frames += 1 }
            #expect(decoder.begun == 1)
        }
        #expect(frames == 10_000)
        #expect(decoder.buffer.capacity <= 1024)
    }

    /// No bytes end the process, hold more than they should, or give a frame that is not in them.
    @Test func fuzz() {
        var random = SplitMix(state: 42)
        var frames = 0
        var errors = 0
        for _ in 0..<5000 {
            var decoder = ModbusFrameDecoder()
            var exchange = ModbusExchange(unit: 1)
            let transaction = exchange.begin(ModbusRequest(address: 0, kind: .read(.holdingRegisters, count: 3)))
            do throws(ModbusProtocolError) {
                for _ in 0..<(1 + random.next() % 6) {
                    var bytes = (0..<(random.next() % 40)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                    // Half of them look like frames, so that what lies behind the header is reached as well.
                    if random.next() % 2 == 0 {
                        let length = UInt8(random.next() % 12)
                        bytes = [0, UInt8(random.next() % 3), 0, 0, 0, length, UInt8(random.next() % 2), 3] + bytes
                    }
                    decoder.append(ByteBuffer(bytes: bytes))
                    while let frame = try decoder.next() {
                        frames += 1
                        #expect((1...253).contains(frame.pdu.readableBytes))
                        if case .reply(let pdu) = exchange.receive(frame) {
                            #expect(frame.transaction == transaction && frame.unit == 1 && pdu.readableBytes == 8)
                        }
                    }
                }
            } catch {
                errors += 1
            }
        }
        #expect(frames > 500 && errors > 500)
    }
}
