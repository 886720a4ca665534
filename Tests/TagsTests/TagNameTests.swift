import Tags
import Testing

@Suite("Tag names", .timeLimit(.minutes(1)))
struct TagNameTests {
    @Test("are one whatever the case of ASCII letters, and echo as configured")
    func caseless() throws {
        let name = try TagName(parsing: "Plant.PLC1.Level")
        #expect(name == TagName(validated: "pLANT.plc1.LEVEL"))
        #expect(name.hashValue == TagName(validated: "pLANT.plc1.LEVEL").hashValue)
        #expect(name.text == "Plant.PLC1.Level")
        #expect(TagName(validated: "a.b.É") != TagName(validated: "a.b.é"))
        #expect(TagName(validated: "a.b.\u{E9}") != TagName(validated: "a.b.e\u{301}"))
    }

    @Test(
        "are refused with the reason",
        arguments: [
            ("", TagNameError.empty), (" a", .spaceAtEnd), ("a ", .spaceAtEnd), ("a.b", .forbidden(".")),
            ("a*", .forbidden("*")), ("a\"b", .forbidden("\"")), ("a\u{7}b", .forbidden("\u{7}")),
            ("e\u{301}", .notNFC), ("\u{301}abc", .markAtBeginning("\u{301}")),
            ("\u{20DD}", .markAtBeginning("\u{20DD}")),
            ("\u{903}a", .markAtBeginning("\u{903}")), (String(repeating: "é", count: 129), .tooLong(bytes: 258)),
        ])
    func refused(segment: String, error: TagNameError) {
        #expect(throws: error) { try TagName.check(segment) }
    }

    @Test(
        "may hold spaces, hyphens, brackets and other scripts", arguments: ["Level 1", "a-b", "x[0]", "温度", "°C", "é"])
    func allowed(segment: String) throws {
        try TagName.check(segment)
    }

    @Test("have a channel, a device and a tag")
    func segments() {
        #expect(throws: TagNameError.tooFewSegments) { try TagName(parsing: "Plant") }
        #expect(throws: TagNameError.empty) { try TagName(parsing: "Plant..Level") }
        // A dot is a byte: with the mark behind it, it is no `Character` of its own.
        #expect(throws: TagNameError.markAtBeginning("\u{301}")) { try TagName(parsing: "Sim.D.\u{301}abc") }
        #expect(TagName(validated: "Sim.D.\u{301}abc").segments == ["Sim", "D", "\u{301}abc"])
    }
}

@Suite("Times and types", .timeLimit(.minutes(1)))
struct TimestampTests {
    @Test("milliseconds round down and never trap")
    func milliseconds() {
        #expect(Timestamp(microseconds: 1_535_488_325_249_999).milliseconds == 1_535_488_325_249)
        #expect(Timestamp(microseconds: -1).milliseconds == -1)
        #expect(Timestamp(microseconds: .min).milliseconds < 0)
        #expect(Timestamp(milliseconds: .max).microseconds == .max)
        #expect(Timestamp(milliseconds: .min).microseconds == .min)
    }

    @Test("types are found by name without regard to case")
    func types() {
        #expect(DataType(name: "dword") == .dword)
        #expect(DataType(name: "DWord") == .dword)
        #expect(DataType(name: "int32") == nil)
        for type in DataType.allCases { #expect(DataType(name: type.name) == type) }
    }

    @Test("a NaN is no change, a different kind of zero is one")
    func equality() {
        #expect(TagData.double(.nan) == TagData.double(.nan))
        #expect(TagData.double(0) != TagData.double(-0.0))
        #expect(TagData.string("é") != TagData.string("e\u{301}"))
        #expect(TagData.integer(1) != TagData.unsigned(1))
        #expect(TagData.array([.integer(1)]) == TagData.array([.integer(1)]))
    }
}
