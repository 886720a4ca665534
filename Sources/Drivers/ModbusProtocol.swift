/// The function codes that the driver uses.
enum ModbusFunction: UInt8, Sendable {
    case readCoils = 1
    case readDiscreteInputs = 2
    case readHoldingRegisters = 3
    case readInputRegisters = 4
    case writeCoil = 5
    case writeRegister = 6
    case writeCoils = 15
    case writeRegisters = 16

    init(reading area: ModbusAddress.Area) {
        switch area {
        case .coils: self = .readCoils
        case .discreteInputs: self = .readDiscreteInputs
        case .inputRegisters: self = .readInputRegisters
        case .holdingRegisters: self = .readHoldingRegisters
        }
    }
}

/// An exception code as a device sends it.
struct ModbusException: RawRepresentable, Equatable, Sendable, CustomStringConvertible {
    let rawValue: UInt8

    static let illegalAddress = ModbusException(rawValue: 2)
    /// The device has begun something long: not done, not refused.
    static let acknowledge = ModbusException(rawValue: 5)
    static let busy = ModbusException(rawValue: 6)

    var description: String {
        let text =
            switch rawValue {
            case 1: "illegal function"
            case 2: "illegal data address"
            case 3: "illegal data value"
            case 4: "server device failure"
            case 5: "acknowledge"
            case 6: "server device busy"
            case 8: "memory parity error"
            case 10: "gateway path unavailable"
            case 11: "gateway target device failed to respond"
            default: "unknown"
            }
        return "exception \(rawValue) (\(text))"
    }
}

/// How a device's bytes broke the protocol; the connection is closed for it.
enum ModbusProtocolError: Error, Equatable, CustomStringConvertible {
    case protocolIdentifier(UInt16)
    case length(UInt16)
    case unexpectedTransaction(UInt16)
    case foreignUnit(UInt8, expected: UInt8)
    case foreignFunction(UInt8, expected: UInt8)
    case replyLength(found: Int, expected: Int)
    case byteCount(found: Int, expected: Int)
    case echo

    var description: String {
        switch self {
        case .protocolIdentifier(let found): "a frame with protocol identifier \(found) instead of 0: not Modbus TCP"
        case .length(let found): "a frame that claims a length of \(found); 2 to 254 are possible"
        case .unexpectedTransaction(let found): "a reply to transaction \(found), which was never asked"
        case .foreignUnit(let found, let expected): "a reply of unit \(found) instead of \(expected)"
        case .foreignFunction(let found, let expected): "a reply with function \(found) instead of \(expected)"
        case .replyLength(let found, let expected): "a reply of \(found) bytes instead of \(expected)"
        case .byteCount(let found, let expected): "a reply that counts \(found) bytes of data instead of \(expected)"
        case .echo: "a reply to a write that names another address or value than was written"
        }
    }
}
