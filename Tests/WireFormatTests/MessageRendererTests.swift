import Tags
import Testing
import WireFormat

@Suite("Rendering", .timeLimit(.minutes(1)))
struct MessageRendererTests {
    private func text(_ body: (inout JSONBytes) -> Void) -> String {
        var json = JSONBytes()
        body(&json)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    @Test("the default message of WIRE.md §2, byte for byte")
    func golden() {
        let prefix = MessageRenderer.prefix(for: TagName(validated: "Channel1.Device1.Tag1"))
        let message = text { json in
            MessageRenderer.appendHead(time: Timestamp(milliseconds: 1_535_488_325_249), to: &json)
            MessageRenderer.append(
                event: prefix, TagValue(data: .integer(6978), timestamp: Timestamp(milliseconds: 1_535_488_314_859)),
                to: &json)
            json.append(0x2C)
            MessageRenderer.append(
                event: prefix, TagValue(data: .integer(6980), timestamp: Timestamp(milliseconds: 1_535_488_315_827)),
                to: &json)
            MessageRenderer.appendTail(to: &json)
        }
        #expect(
            message
                == #"{"timestamp":1535488325249,"values":[{"id":"Channel1.Device1.Tag1","v":6978,"q":true,"t":1535488314859},{"id":"Channel1.Device1.Tag1","v":6980,"q":true,"t":1535488315827}]}"#
        )
    }

    @Test(
        "numbers",
        arguments: [
            (TagData.integer(.min), "-9223372036854775808"), (.integer(.max), "9223372036854775807"),
            (.unsigned(.max), "18446744073709551615"), (.integer(0), "0"), (.integer(-7), "-7"),
            (.unsigned(100), "100"), (.unsigned(99), "99"), (.unsigned(10), "10"), (.unsigned(1234567), "1234567"),
            (.double(0.1), "0.1"), (.double(1e300), "1e+300"), (.double(3), "3"), (.double(-0.0), "-0.0"),
            (.double(9_007_199_254_740_992), "9007199254740992.0"), (.float(0.1), "0.1"),
            (.float(16_777_216), "16777216.0"), (.float(3.4028235e38), "3.4028235e+38"),
            (.double(.nan), "null"), (.double(.infinity), "null"), (.float(-.infinity), "null"),
            (.none, "null"), (.boolean(true), "true"), (.boolean(false), "false"),
            (.array([.integer(1), .double(2.5), .string("a\"b")]), #"[1,2.5,"a\"b"]"#), (.array([]), "[]"),
        ])
    func numbers(data: TagData, expected: String) {
        #expect(text { $0.append(data: data) } == expected)
    }

    @Test("a thousand random doubles and floats read back as themselves")
    func roundTrip() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<1000 {
            let double = Double(bitPattern: generator.next())
            if double.isFinite { #expect(Double(text { $0.append(double: double) }) == double) }
            let float = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
            if float.isFinite { #expect(Float(text { $0.append(float: float) }) == float) }
        }
    }

    @Test("strings are escaped, and nothing else is")
    func strings() {
        #expect(
            text { $0.append(string: "a\"b\\c\n\r\t\u{8}\u{C}\u{1}\u{7F}/é温🏭") }
                == #""a\"b\\c\n\r\t\b\f\u0001\u007f/é温🏭""#)
    }

    @Test(
        "dates",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1_535_488_325_249, "2018-08-28T20:32:05.249Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"), (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        ])
    func dates(milliseconds: Int64, expected: String) {
        #expect(text { $0.append(date: Timestamp(milliseconds: milliseconds)) } == "\"\(expected)\"")
    }

    @Test("no time is out of bounds", arguments: [Int64.min, .max, -62_135_596_800_001_000])
    func extremeDates(microseconds: Int64) {
        #expect(text { $0.append(date: Timestamp(microseconds: microseconds)) }.count > 24)
    }

    @Test("bad quality and what JSON cannot write are q:false")
    func quality() {
        let prefix = MessageRenderer.prefix(for: TagName(validated: "a.b.c\u{1}"))
        func event(_ value: TagValue) -> String { text { MessageRenderer.append(event: prefix, value, to: &$0) } }
        let time = Timestamp(milliseconds: 5)
        #expect(
            event(TagValue(data: .integer(1), quality: .timeout, timestamp: time))
                == #"{"id":"a.b.c\u0001","v":1,"q":false,"t":5}"#)
        #expect(
            event(TagValue(data: .none, quality: .timeout, timestamp: time))
                == #"{"id":"a.b.c\u0001","v":null,"q":false,"t":5}"#)
        #expect(
            event(TagValue(data: .double(.nan), timestamp: time)) == #"{"id":"a.b.c\u0001","v":null,"q":false,"t":5}"#)
        #expect(
            event(TagValue(data: .integer(1), quality: .uncertainClamped, timestamp: time))
                == #"{"id":"a.b.c\u0001","v":1,"q":false,"t":5}"#)
    }
}
