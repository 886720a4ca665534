import Drivers
import Tags
import Testing

@Suite(.timeLimit(.minutes(1)))
struct ModbusAddressTests {
    @Test(arguments: [
        ("40001", ModbusAddress(area: .holdingRegisters, offset: 0)),
        ("400001", ModbusAddress(area: .holdingRegisters, offset: 0)),
        ("00001", ModbusAddress(area: .coils, offset: 0)),
        ("10064", ModbusAddress(area: .discreteInputs, offset: 63)),
        ("365536", ModbusAddress(area: .inputRegisters, offset: 65535)),
        ("40010.3", ModbusAddress(area: .holdingRegisters, offset: 9, bit: 3)),
        ("40010.15", ModbusAddress(area: .holdingRegisters, offset: 9, bit: 15)),
        ("40100 [8]", ModbusAddress(area: .holdingRegisters, offset: 99, count: 8)),
        ("40100[125]", ModbusAddress(area: .holdingRegisters, offset: 99, count: 125)),
        ("00001 [2000]", ModbusAddress(area: .coils, offset: 0, count: 2000)),
    ])
    func parsesOneBased(text: String, expected: ModbusAddress) throws {
        #expect(try ModbusAddress(parsing: text, zeroBased: false) == expected)
    }

    @Test func parsesZeroBased() throws {
        #expect(try ModbusAddress(parsing: "40000", zeroBased: true).offset == 0)
        #expect(try ModbusAddress(parsing: "465535", zeroBased: true).offset == 65535)
        #expect(throws: ModbusAddressError.beyondEnd("465536", highest: 65535)) {
            try ModbusAddress(parsing: "465536", zeroBased: true)
        }
    }

    @Test(
        arguments: [
            ("", .malformed("")), ("x0001", .malformed("x0001")), ("20001", .unknownArea("20001")),
            ("4001", .digits("4001", found: 3)), ("4000001", .digits("4000001", found: 6)), ("40000", .zero("40000")),
            ("465537", .beyondEnd("465537", highest: 65536)), ("40001.16", .bit("40001.16")),
            ("40001.", .bit("40001.")),
            ("40001.003", .bit("40001.003")), ("00001.1", .bitOfBit("00001.1")),
            ("40001.1 [2]", .arrayOfBits("40001.1 [2]")),
            ("40001 [0]", .count("40001 [0]", most: 125)), ("40001 [126]", .count("40001 [126]", most: 125)),
            ("00001 [2001]", .count("00001 [2001]", most: 2000)), ("465536 [2]", .arrayBeyondEnd("465536 [2]")),
            ("40001 [", .malformed("40001 [")), ("40001 []", .malformed("40001 []")), ("40001 ", .malformed("40001 ")),
            ("40001 [2] ", .malformed("40001 [2] ")), ("40001 [999999999999]", .malformed("40001 [999999999999]")),
            ("４0001", .malformed("４0001")),
        ] as [(String, ModbusAddressError)])
    func refuses(text: String, expected: ModbusAddressError) {
        #expect(throws: expected) { try ModbusAddress(parsing: text, zeroBased: false) }
        #expect(!"\(expected)".isEmpty)
    }

    @Test func hasDefaultTypesAndItsText() throws {
        for (text, type) in [("00001", DataType.boolean), ("10001", .boolean), ("30001", .word), ("40001.0", .boolean)]
        {
            let address = try ModbusAddress(parsing: text, zeroBased: false)
            #expect(address.defaultType == type)
            #expect(address.text(zeroBased: false) == text)
        }
        #expect(try ModbusAddress(parsing: "410000 [3]", zeroBased: false).text(zeroBased: false) == "410000 [3]")
    }

    @Test func namesEveryInconsistency() throws {
        let device = ModbusDeviceOptions(host: "x")
        func problems(_ options: ModbusTagOptions) -> Int { options.problems(device: device).count }
        let scale = TagScale(raw: 0...10, scaledLow: 0, scaledHigh: 1)
        #expect(try problems(tag("40001")) == 0)
        #expect(try problems(tag("40001", .short, access: .readWrite, scale: scale, range: 0...1)) == 0)
        #expect(try problems(tag("00001", .word)) == 1)
        #expect(try problems(tag("40001.2", .word)) == 1)
        #expect(try problems(tag("40001", .boolean)) == 1)
        #expect(try problems(tag("40001", .date)) == 1)
        #expect(try problems(tag("40001", .string)) == 1)
        #expect(try problems(tag("40001", .string, length: 250)) == 0)
        #expect(try problems(tag("40001", .string, length: 251)) == 2)
        #expect(try problems(tag("40001 [2]", .string, length: 4)) == 1)
        #expect(try problems(tag("40001", .word, length: 4)) == 1)
        #expect(try problems(tag("30001", access: .readWrite)) == 1)
        #expect(try problems(tag("10001", access: .readWrite)) == 1)
        #expect(try problems(tag("40001.1", access: .readWrite)) == 1)
        #expect(try problems(tag("40001 [125]", access: .readWrite)) == 1)
        #expect(try problems(tag("40001 [63]", .dword)) == 1)
        #expect(try problems(tag("40001 [62]", .dword)) == 0)
        #expect(try problems(tag("465536", .dword)) == 1)
        #expect(try problems(tag("00001", scale: scale)) == 1)
        #expect(try problems(tag("40001", scale: TagScale(raw: 1...1, scaledLow: 2, scaledHigh: 2))) == 2)
        #expect(
            try problems(tag("40001", scale: TagScale(raw: 0...1, scaledLow: 2, scaledHigh: 3, type: .string))) == 1)
        #expect(try problems(tag("40001", range: 70000...80000)) == 1)
        #expect(try problems(tag("00001", range: 0...1)) == 1)
        #expect(try problems(tag("40001", poll: .milliseconds(1))) == 1)
        #expect(ModbusDeviceOptions(host: "", port: 0, unit: 0).problems().count == 3)
    }
}

@Suite(.timeLimit(.minutes(1)))
struct SimulatorAddressTests {
    @Test func parsesTheExamplesOfTheWireFormat() throws {
        func parse(_ text: String) throws -> SimulatorAddress { try SimulatorAddress(parsing: text) }
        #expect(
            try parse("RAMP (120, 35, 100, 4)")
                == .ramp(rate: .milliseconds(120), low: 35, high: 100, increment: 4, whole: true))
        #expect(
            try parse("RAMP (300, 150.75, 200.5, -0.25)")
                == .ramp(rate: .milliseconds(300), low: 150.75, high: 200.5, increment: -0.25, whole: false))
        #expect(try parse("RANDOM (30, -20, 75)") == .random(rate: .milliseconds(30), low: -20, high: 75, whole: true))
        #expect(
            try parse("SINE (10, -40, 40, 0.05, 0)")
                == .sine(rate: .milliseconds(10), low: -40, high: 40, frequency: 0.05, phase: 0, whole: true))
        #expect(
            try parse(#"user(1000, Hello\, world!, This, is, a, test.)"#)
                == .user(rate: .seconds(1), values: ["Hello, world!", "This", "is", "a", "test."]))
        #expect(try parse("K0001") == .register(.constant, number: 1, count: nil))
        #expect(try parse("r10 [5]") == .register(.ramping, number: 10, count: 5))
        #expect(try parse("B0001").defaultType == .boolean)
        #expect(try parse("S1").defaultType == .string)
        #expect(try parse("RAMP (120, 35, 100, 4)").defaultType == .long)
        #expect(try parse("RAMP (120, 35.0, 100, 4)").defaultType == .float)
    }

    @Test(arguments: [
        "", "K", "X1", "K-1", "K99999", "K1 [0]", "K1 [", "RAMP", "RAMP ()", "RAMP (5, 0, 1, 1)", "RAMP (100, 1, 0, 1)",
        "RAMP (100, 0, 10, 0)", "RAMP (100, 0, 10, 11)", "RAMP (100, 0, nan, 1)", "RAMP (100, 0, 1e300, 1)",
        "SINE (100, 0, 1, 0, 0)", "SINE (100, 0, 1)", "RANDOM (3600001, 0, 1)", "USER (100)", "FOO (1, 2)", "K1)",
    ])
    func refuses(text: String) {
        #expect(throws: SimulatorAddressError.self) { try SimulatorAddress(parsing: text) }
    }

    @Test func namesEveryInconsistency() throws {
        func problems(_ text: String, _ type: DataType, _ access: TagAccess = .read) throws -> Int {
            SimulatorTagOptions(address: try SimulatorAddress(parsing: text), type: type, access: access).problems()
                .count
        }
        #expect(try problems("RAMP (100, 0, 10, 1)", .long) == 0)
        #expect(try problems("RAMP (100, 0, 300, 1)", .byte) == 1)
        #expect(try problems("RAMP (100, -1, 300, 1)", .byte) == 2)
        #expect(try problems("SINE (100, 0, 1, 1, 0)", .string) == 1)
        #expect(try problems("USER (100, 1, x)", .word) == 1)
        #expect(try problems("USER (100, 1, x)", .string, .readWrite) == 1)
        #expect(try problems("B1", .word) == 1)
        #expect(try problems("S1 [3]", .string) == 1)
        #expect(try problems("K1", .date) == 1)
        #expect(try problems("K1", .double, .readWrite) == 0)
    }
}
