import Testing

@testable import WireFormat

@Suite(.timeLimit(.minutes(1)))
struct JSONReaderTests {
    static func read(_ text: String, _ limits: JSONReader.Limits = .init()) throws -> JSONValue {
        try JSONReader.value(Array(text.utf8), limits: limits)
    }

    @Test(arguments: [
        ("null", JSONValue.null), (" true ", .boolean(true)), ("false", .boolean(false)), ("\"\"", .string("")),
        ("0", .integer(0)), ("-0", .integer(0)), ("-1", .integer(-1)),
        ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
        ("9223372036854775808", .unsigned(1 << 63)), ("18446744073709551615", .unsigned(.max)),
        ("18446744073709551616", .double(18_446_744_073_709_551_616)),
        ("-9223372036854775809", .double(-9_223_372_036_854_775_808)),
        ("1e3", .double(1000)), ("1.0", .double(1)), ("-2.5E-1", .double(-0.25)), ("1e-400", .double(0)),
        ("[]", .array([])), ("{}", .object([])),
        ("[1,[2,[]],\"3\"]", .array([.integer(1), .array([.integer(2), .array([])]), .string("3")])),
        (
            "{\"a\":{\"b\":[{}]},\"c\":null}",
            .object([
                .init(name: "a", value: .object([.init(name: "b", value: .array([.object([])]))])),
                .init(name: "c", value: .null),
            ])
        ),
        (#""\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\uDE00\u0000""#, .string("\"\\/\u{8}\u{c}\n\r\tAé😀\0")),
        ("\"é😀\u{7f}\"", .string("é😀\u{7f}")), ("\t\r\n [ 1 , 2 ] \n", .array([.integer(1), .integer(2)])),
        (
            "{\"é\":1,\"e\u{301}\":2}",
            .object([.init(name: "é", value: .integer(1)), .init(name: "e\u{301}", value: .integer(2))])
        ),
    ])
    func accepts(_ text: String, _ value: JSONValue) throws {
        #expect(try Self.read(text) == value)
    }

    @Test(arguments: [
        ("", JSONError.Reason.unexpectedEnd), (" ", .unexpectedEnd), ("[", .unexpectedEnd), ("[1", .unexpectedEnd),
        ("[1,", .unexpectedEnd), ("{\"a\"", .unexpectedEnd), ("{\"a\":", .unexpectedEnd), ("\"abc", .unexpectedEnd),
        ("\"\\", .unexpectedEnd), ("\"\\u12", .unexpectedEnd), ("tru", .unexpectedByte(0x74, wanted: .value)),
        ("nul", .unexpectedByte(0x6E, wanted: .value)), ("True", .unexpectedByte(0x54, wanted: .value)),
        ("NaN", .unexpectedByte(0x4E, wanted: .value)), ("Infinity", .unexpectedByte(0x49, wanted: .value)),
        ("[1 2]", .unexpectedByte(0x32, wanted: .commaOrBracket)), ("[1,]", .unexpectedByte(0x5D, wanted: .value)),
        ("[,1]", .unexpectedByte(0x2C, wanted: .value)), ("{\"a\":1,}", .unexpectedByte(0x7D, wanted: .name)),
        ("{a:1}", .unexpectedByte(0x61, wanted: .name)), ("{1:1}", .unexpectedByte(0x31, wanted: .name)),
        ("{\"a\" 1}", .unexpectedByte(0x31, wanted: .colon)),
        ("{\"a\":1;}", .unexpectedByte(0x3B, wanted: .commaOrBrace)),
        ("[1}", .unexpectedByte(0x7D, wanted: .commaOrBracket)), ("'a'", .unexpectedByte(0x27, wanted: .value)),
        ("// x\n1", .unexpectedByte(0x2F, wanted: .value)), ("1 1", .trailingBytes), ("[]]", .trailingBytes),
        ("{}\0", .trailingBytes), ("\u{feff}1", .byteOrderMark), ("01", .badNumber), ("-", .badNumber),
        ("-01", .badNumber),
        ("1.", .badNumber), ("1e", .badNumber), ("1e+", .badNumber), ("+1", .unexpectedByte(0x2B, wanted: .value)),
        (".5", .unexpectedByte(0x2E, wanted: .value)), ("0x10", .trailingBytes), ("1e400", .numberOutOfRange),
        ("-1e400", .numberOutOfRange), (#""\x""#, .badEscape), (#""\u12G4""#, .badEscape),
        (#""\ud800""#, .loneSurrogate),
        (#""\ud800\n""#, .loneSurrogate), (#""\ud800\ud800""#, .loneSurrogate), (#""\udc00\ud800""#, .loneSurrogate),
        ("\"a\nb\"", .controlCharacter(0x0A)), ("\"\0\"", .controlCharacter(0)),
        (#"{"a":1,"b":2,"a":3}"#, .duplicateKey), (#"{"a":1,"\u0061":3}"#, .duplicateKey),
        ("\u{a0}1", .unexpectedByte(0xC2, wanted: .value)),
    ])
    func refuses(_ text: String, _ reason: JSONError.Reason) {
        #expect { try Self.read(text) } throws: { ($0 as? JSONError)?.reason == reason }
    }

    @Test(
        arguments: [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98],
            [0xC3, 0x28], [0xE2, 0x28, 0xA1],
        ] as [[UInt8]])
    func refusesWhatIsNotUTF8(_ bytes: [UInt8]) {
        for text in [[0x22] + bytes + [0x22], [0x5B, 0x22] + bytes] {
            #expect(throws: JSONError.self) { try JSONReader.value(text) }
        }
        #expect(!bytes.withUnsafeBufferPointer { isUTF8($0) })
    }

    @Test func refusesUTF16AndItsMarks() {
        for bytes in [
            [0xFE, 0xFF, 0, 0x31], [0xFF, 0xFE, 0x31, 0], [0, 0x31], [0x31, 0], [0xEF, 0xBB, 0xBF, 0x31],
        ] as [[UInt8]] {
            #expect(throws: JSONError.self) { try JSONReader.value(bytes) }
        }
    }

    @Test func saysWhere() throws {
        #expect {
            try Self.read("{\n  \"a\": [1,\n  é]}")
        } throws: { error in
            guard let error = error as? JSONError else { return false }
            return "\(error)" == "line 3, column 3 (byte 15): byte 0xC3 where a value should be"
        }
        #expect { try Self.read(#"{"a":1,  "a":2}"#) } throws: { ($0 as? JSONError)?.offset == 9 }
    }

    @Test func depthIsBounded() throws {
        let fits = String(repeating: "[", count: 32) + String(repeating: "]", count: 32)
        _ = try Self.read(fits)
        for open in ["[", "{\"a\":"] {
            for count in [33, 1_000_000] {
                let text = String(repeating: open, count: count)
                #expect { try Self.read(text) } throws: { ($0 as? JSONError)?.reason == .tooDeep(limit: 32) }
            }
        }
    }

    @Test func elementsAndStringsAreBounded() throws {
        let limits = JSONReader.Limits(depth: 4, elements: 3, string: 4)
        _ = try Self.read("[1,2]", limits)
        #expect { try Self.read("[1,2,3]", limits) } throws: {
            ($0 as? JSONError)?.reason == .tooManyElements(limit: 3)
        }
        _ = try Self.read("\"abcd\"", limits)
        for text in ["\"abcde\"", "{\"abcde\":1}", "\"\\n\\n\\n\\n\\n\""] {
            #expect { try Self.read(text, limits) } throws: { ($0 as? JSONError)?.reason == .stringTooLong(limit: 4) }
        }
    }

    @Test func largeArraysTakeLinearTime() throws {
        let text = "[" + Array(repeating: "1", count: 99_999).joined(separator: ",") + "]"
        let begin = ContinuousClock.now
        guard case .array(let values) = try Self.read(text) else { return }
        #expect(values.count == 99_999)
        #expect(ContinuousClock.now - begin < .seconds(10))
    }

    @Test func stringsAreReadWithoutATree() throws {
        func strings(_ text: String, limit: Int = 10) throws -> [String] {
            try Array(text.utf8).withUnsafeBufferPointer { bytes in
                let all = try JSONReader.strings(bytes, limit: limit, stringLimit: 100)
                return (0..<all.count).map { all[$0] }
            }
        }
        #expect(try strings(#" [ "a" , "" , "\u00e9\\" ] "#) == ["a", "", "é\\"])
        #expect(try strings("[]") == [])
        for bad in [
            "", "{}", "\"a\"", "[1]", "[\"a\" \"b\"]", "[\"a\",]", "[\"a\"", "[\"a\"]]", "[null]", "[\"\\ud800\"]",
        ] {
            #expect(throws: JSONError.self) { try strings(bad) }
        }
        #expect(throws: JSONError.self) { try strings("[\"a\",\"b\"]", limit: 1) }
    }

    /// Every prefix and every changed byte of a document is either read or refused, and what is read twice is equal.
    @Test func damagedDocumentsNeverTrap() {
        let text = Array(
            #"[{"id":"A\u00e9\ud83d\ude00","v":-12.5e-3,"x":[true,false,null,{"y":18446744073709551615}]}]"#.utf8)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = Array(text.prefix(Int.random(in: 0...text.count, using: &generator)))
            for _ in 0..<Int.random(in: 0...3, using: &generator) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
                    in: .min ... .max, using: &generator)
            }
            let first = try? JSONReader.value(bytes)
            #expect(first == (try? JSONReader.value(bytes)))
            _ = bytes.withUnsafeBufferPointer { try? JSONReader.strings($0, limit: 5, stringLimit: 50) }
        }
    }
}
