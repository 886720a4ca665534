import NIOCore

/// Which reply belongs to what was asked: one request at a time, told apart by transaction, unit and function.
///
/// A reply to a request that had timed out is known by its transaction and dropped; whatever else was not asked for
/// breaks the protocol.
struct ModbusExchange {
    enum Verdict: Equatable {
        /// The whole reply, function code first, of the length that was asked for.
        case reply(ByteBuffer)
        case exception(ModbusException)
        case late(UInt16)
        case violation(ModbusProtocolError)
    }

    /// Of one connection, the newest last.
    private static let mostTimedOut = 16

    let unit: UInt8
    private(set) var transaction: UInt16 = 0
    private var outstanding: ModbusRequest?
    private var timedOut: [UInt16] = []

    init(unit: UInt8) {
        self.unit = unit
    }

    /// Begins a request and gives its transaction: never one whose late reply may still come.
    mutating func begin(_ request: ModbusRequest) -> UInt16 {
        repeat { transaction &+= 1 } while timedOut.contains(transaction)
        outstanding = request
        return transaction
    }

    /// The request got no reply in time; one that comes yet is dropped.
    mutating func timeOut() {
        guard outstanding != nil else { return }
        outstanding = nil
        if timedOut.count == ModbusExchange.mostTimedOut { timedOut.removeFirst() }
        timedOut.append(transaction)
    }

    /// A new connection: nothing of the old one can come any more.
    mutating func reset() {
        outstanding = nil
        timedOut = []
    }

    /// Whether a reply with this transaction may come now, for what is asked or late.
    func expects(_ transaction: UInt16) -> Bool {
        outstanding != nil && transaction == self.transaction || timedOut.contains(transaction)
    }

    mutating func receive(_ frame: ModbusFrame) -> Verdict {
        guard let request = outstanding, frame.transaction == transaction else {
            guard let index = timedOut.firstIndex(of: frame.transaction) else {
                return .violation(.unexpectedTransaction(frame.transaction))
            }
            timedOut.remove(at: index)
            return .late(frame.transaction)
        }
        outstanding = nil
        guard frame.unit == unit else { return .violation(.foreignUnit(frame.unit, expected: unit)) }
        let function = frame.pdu.getInteger(at: frame.pdu.readerIndex, as: UInt8.self) ?? 0
        let asked = request.function.rawValue
        // Some servers leave the function out of an exception about a unit that they do not have.
        if function == asked | 0x80 || function == 0x80 {
            guard frame.pdu.readableBytes == 2 else {
                return .violation(.replyLength(found: frame.pdu.readableBytes, expected: 2))
            }
            let code = frame.pdu.getInteger(at: frame.pdu.readerIndex + 1, as: UInt8.self) ?? 0
            return .exception(ModbusException(rawValue: code))
        }
        guard function == asked else { return .violation(.foreignFunction(function, expected: asked)) }
        do throws(ModbusProtocolError) {
            try request.check(frame.pdu)
            return .reply(frame.pdu)
        } catch {
            return .violation(error)
        }
    }
}
