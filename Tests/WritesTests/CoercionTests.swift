import Tags
import Testing
import WireFormat

@testable import Writes

/// Every type with the values at its edges.
@Suite("Value coercion", .timeLimit(.minutes(1)))
struct CoercionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let type: DataType
        let json: String
        let expected: Expected
        var range: ClosedRange<Double>?

        enum Expected: Sendable {
            case data(TagData)
            case code(WriteVerdict.Code)
        }

        init(_ type: DataType, _ json: String, _ data: TagData, in range: ClosedRange<Double>? = nil) {
            (self.type, self.json, expected, self.range) = (type, json, .data(data), range)
        }

        init(_ type: DataType, _ json: String, _ code: WriteVerdict.Code, in range: ClosedRange<Double>? = nil) {
            (self.type, self.json, expected, self.range) = (type, json, .code(code), range)
        }

        var testDescription: String { "\(type.name) \(json)" }
    }

    static func coerce(
        _ json: String, _ type: DataType, isArray: Bool = false, in range: ClosedRange<Double>? = nil
    ) throws -> Result<TagData, ValueCoercion.Refusal> {
        let value = try JSONReader.value(Array(json.utf8))
        let tag = TagDefinition(
            name: TagName(validated: "A.B.C"), dataType: type, isArray: isArray, access: .readWrite,
            details: range.map { TagDetails(range: $0) })
        return Result { () throws(ValueCoercion.Refusal) in try ValueCoercion.data(value, for: tag) }
    }

    @Test(arguments: [
        Case(.boolean, "true", .boolean(true)), Case(.boolean, "0", .boolean(false)),
        Case(.boolean, "1", .boolean(true)), Case(.boolean, "1.0", .boolean(true)),
        Case(.boolean, "\"true\"", .boolean(true)), Case(.boolean, "\"False\"", .boolean(false)),
        Case(.boolean, "\"1\"", .boolean(true)), Case(.boolean, "2", .wrongType), Case(.boolean, "0.5", .wrongType),
        Case(.boolean, "\"yes\"", .wrongType), Case(.boolean, "\"\"", .wrongType), Case(.boolean, "null", .wrongType),

        Case(.char, "-128", .integer(-128)), Case(.char, "127", .integer(127)), Case(.char, "128", .outOfRange),
        Case(.char, "-129", .outOfRange), Case(.byte, "255", .unsigned(255)), Case(.byte, "256", .outOfRange),
        Case(.byte, "-1", .outOfRange), Case(.byte, "-0", .unsigned(0)), Case(.byte, "-0.0", .unsigned(0)),
        Case(.short, "-32768", .integer(-32768)), Case(.short, "32768", .outOfRange),
        Case(.word, "65535", .unsigned(65535)), Case(.word, "65536", .outOfRange), Case(.word, "\"42\"", .unsigned(42)),
        Case(.word, "42.0", .unsigned(42)), Case(.word, "4.2e1", .unsigned(42)), Case(.word, "1.5", .wrongType),
        Case(.word, "\"1.5\"", .wrongType), Case(.word, "true", .wrongType), Case(.word, "\"true\"", .wrongType),
        Case(.word, "\"0x10\"", .wrongType), Case(.word, "\"+1\"", .wrongType), Case(.word, "\"\"", .wrongType),
        Case(.word, "\" 7 \"", .unsigned(7)), Case(.word, "\"NaN\"", .wrongType), Case(.word, "\"1e400\"", .outOfRange),
        Case(.word, "1e300", .outOfRange), Case(.word, "[1]", .wrongType), Case(.word, "{}", .wrongType),
        Case(.word, "null", .wrongType), Case(.word, "\"[1]\"", .wrongType), Case(.word, "\"１\"", .wrongType),
        Case(.long, "-2147483648", .integer(-2_147_483_648)), Case(.long, "2147483648", .outOfRange),
        Case(.dword, "4294967295", .unsigned(4_294_967_295)), Case(.dword, "4294967296", .outOfRange),
        Case(.llong, "9223372036854775807", .integer(.max)), Case(.llong, "-9223372036854775808", .integer(.min)),
        Case(.llong, "9223372036854775808", .outOfRange), Case(.llong, "-9223372036854775809", .wrongType),
        Case(.llong, "\"9223372036854775807\"", .integer(.max)),
        Case(.llong, "9007199254740993", .integer(9_007_199_254_740_993)),
        Case(.llong, "9007199254740992.0", .integer(9_007_199_254_740_992)),
        Case(.llong, "9007199254740994.0", .wrongType), Case(.llong, "1e17", .wrongType),
        Case(.llong, "1e19", .outOfRange), Case(.llong, "-1e19", .outOfRange),
        Case(.qword, "18446744073709551615", .unsigned(.max)), Case(.qword, "18446744073709551616", .outOfRange),
        Case(.qword, "-1", .outOfRange), Case(.qword, "9223372036854775808", .unsigned(1 << 63)),
        Case(.qword, "\"18446744073709551615\"", .unsigned(.max)),

        Case(.float, "0.1", .float(0.1)), Case(.float, "3", .float(3)), Case(.float, "\"2.5\"", .float(2.5)),
        Case(.float, "3.5e38", .outOfRange), Case(.float, "-3.5e38", .outOfRange), Case(.float, "1e-50", .float(0)),
        Case(.float, "18446744073709551615", .float(1.8446744e19)), Case(.float, "\"Infinity\"", .wrongType),
        Case(.float, "\"1e400\"", .outOfRange), Case(.float, "true", .wrongType),
        Case(.double, "1e308", .double(1e308)), Case(.double, "9007199254740993", .double(9_007_199_254_740_992)),
        Case(.double, "\"-1.5e-3\"", .double(-0.0015)), Case(.double, "\"nan\"", .wrongType),
        Case(.double, "null", .wrongType), Case(.double, "[]", .wrongType),

        Case(.string, "\"a \\u0000 é\"", .string("a \0 é")), Case(.string, "\"\"", .string("")),
        Case(.string, "42", .wrongType), Case(.string, "null", .wrongType),

        Case(.date, "\"2026-11-23T16:25:00.123Z\"", .date(Timestamp(milliseconds: 1_795_451_100_123))),
        Case(.date, "\"2026-11-23T17:25:00+01:00\"", .date(Timestamp(milliseconds: 1_795_451_100_000))),
        Case(.date, "\"1969-12-31T23:59:59.5Z\"", .date(Timestamp(milliseconds: -500))),
        Case(.date, "1795451100123", .date(Timestamp(milliseconds: 1_795_451_100_123))),
        Case(.date, "\"1795451100123\"", .date(Timestamp(milliseconds: 1_795_451_100_123))),
        Case(.date, "0", .date(Timestamp(milliseconds: 0))), Case(.date, "9223372036854775807", .outOfRange),
        Case(.date, "\"2026-02-29T00:00:00Z\"", .wrongType),
        Case(.date, "\"2024-02-29T00:00:00Z\"", .date(Timestamp(milliseconds: 1_709_164_800_000))),
        Case(.date, "\"2026-11-23T16:25:00\"", .wrongType), Case(.date, "\"2026-11-23\"", .wrongType),
        Case(.date, "\"2026-13-01T00:00:00Z\"", .wrongType), Case(.date, "\"0001-01-01T00:00:00+01:00\"", .wrongType),
        Case(.date, "\"2026-11-23T24:00:00Z\"", .wrongType), Case(.date, "1.5", .wrongType),

        Case(.double, "100", .double(100), in: 0...100), Case(.double, "100.00000000000001", .outOfRange, in: 0...100),
        Case(.double, "-0.1", .outOfRange, in: 0...100), Case(.word, "5", .unsigned(5), in: -1...5),
        Case(.word, "6", .outOfRange, in: -1...5), Case(.short, "-1", .outOfRange, in: 0...5),
        Case(.short, "3", .integer(3), in: 2.5...3.5), Case(.short, "4", .outOfRange, in: 2.5...3.5),
        Case(.llong, "9007199254740993", .outOfRange, in: 0...9_007_199_254_740_992),
        Case(.llong, "-1", .integer(-1), in: -1e300...1e300), Case(.qword, "0", .outOfRange, in: 1...1e300),
        // The nearest Float to the end lies beyond it.
        Case(.float, "0.1", .float(Float(0.1).nextDown), in: 0...0.1),
        Case(.float, "0.10000001", .outOfRange, in: 0...0.1),
    ])
    func scalar(_ one: Case) throws {
        let result = try Self.coerce(one.json, one.type, in: one.range)
        switch (result, one.expected) {
        case (.success(let data), .data(let expected)): #expect(data == expected)
        case (.failure(let refusal), .code(let code)):
            #expect(refusal.code == code, "\(refusal.reason)")
            #expect(!refusal.reason.isEmpty && refusal.reason.utf8.count < 300)
        default: Issue.record("\(result), wanted \(one.expected)")
        }
    }

    @Test func arraysTakeTheirElementsOnly() throws {
        #expect(try Self.coerce("[1,2]", .word, isArray: true).get() == .array([.unsigned(1), .unsigned(2)]))
        let text = try Self.coerce("\"[1, \\\"2\\\"]\"", .word, isArray: true)
        #expect(try text.get() == .array([.unsigned(1), .unsigned(2)]))
        #expect(try Self.coerce("[]", .word, isArray: true).get() == .array([]))
        for (json, code) in [
            ("[1,65536]", WriteVerdict.Code.outOfRange), ("[1,null]", .wrongType), ("[[1]]", .wrongType),
            ("1", .wrongType), ("\"1\"", .wrongType), ("\"[\"", .wrongType), ("{\"0\":1}", .wrongType),
            ("null", .wrongType),
        ] {
            let result = try Self.coerce(json, .word, isArray: true)
            guard case .failure(let refusal) = result else {
                Issue.record("\(json) was taken")
                continue
            }
            #expect(refusal.code == code, "\(json): \(refusal.reason)")
        }
        let long = JSONValue.array(Array(repeating: .integer(1), count: ValueCoercion.mostElements + 1))
        let tag = TagDefinition(name: TagName(validated: "A.B.C"), dataType: .word, isArray: true)
        #expect(throws: ValueCoercion.Refusal.self) { try ValueCoercion.data(long, for: tag) }
    }

    @Test func aLongTextIsRefused() throws {
        let tag = TagDefinition(name: TagName(validated: "A.B.C"), dataType: .string)
        let text = String(repeating: "é", count: ValueCoercion.longestText / 2)
        #expect(try ValueCoercion.data(.string(text), for: tag) == .string(text))
        #expect(throws: ValueCoercion.Refusal.self) { try ValueCoercion.data(.string(text + "x"), for: tag) }
    }

    /// Whatever comes is taken within the type's bounds or refused, and nothing traps.
    @Test func randomNumbersNeverTrap() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let value: JSONValue =
                switch Int.random(in: 0..<4, using: &random) {
                case 0: .integer(Int64(truncatingIfNeeded: random.next() >> UInt64.random(in: 0..<64)))
                case 1: .unsigned(random.next())
                case 2: .double(Double(bitPattern: random.next()))
                default: .string("\(Double(bitPattern: random.next()))")
                }
            for type in DataType.allCases {
                let range = Bool.random() ? -1e18...Double.greatestFiniteMagnitude : nil
                let tag = TagDefinition(
                    name: TagName(validated: "A.B.C"), dataType: type, details: TagDetails(range: range))
                guard let data = try? ValueCoercion.data(value, for: tag) else { continue }
                switch data {
                case .integer(let number):
                    let bounds = try #require(type.integerBounds)
                    #expect(number >= bounds.lowest && number <= Int64(clamping: bounds.highest))
                case .unsigned(let number): #expect(number <= type.integerBounds?.highest ?? 0)
                case .float(let number): #expect(number.isFinite)
                case .double(let number): #expect(number.isFinite)
                case .none, .boolean, .date, .string, .array: break
                }
            }
        }
    }
}
