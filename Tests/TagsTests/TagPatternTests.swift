import Tags
import Testing

@Suite("Tag patterns", .timeLimit(.minutes(1)))
struct TagPatternTests {
    @Test(
        "match as SURFACE.md says",
        arguments: [
            ("**", "Plant.PLC1.Level", true),
            ("**", "Plant.PLC1._System._Error", false),
            ("**", "_System._Date", false),
            ("Plant.**", "Plant.PLC1.Level", true),
            ("Plant.**", "Plant.PLC1.Group.Level", true),
            ("Plant.**", "plant.plc1.level", true),
            ("Plant.**", "Plant", false),
            ("Plant.*", "Plant.PLC1.Level", false),
            ("Plant.*.Level", "Plant.PLC1.Level", true),
            ("Plant.*.*", "Plant.PLC1._Error", false),
            ("Plant.PLC1.Interlock*", "Plant.PLC1.Interlock7", true),
            ("Plant.PLC1.Interlock*", "Plant.PLC1.Interlock", true),
            ("Plant.PLC1.Interlock*", "Plant.PLC1.Door.Interlock7", false),
            ("Plant.PLC1._System.*", "Plant.PLC1._System._Error", false),
            ("Plant.PLC1._System._*", "Plant.PLC1._System._Error", true),
            ("**.Level", "Plant.PLC1.Level", true),
            ("**.Level", "Plant.PLC1.Group.Level", true),
            ("**.Level", "Level", false),
            ("A.**.Z", "A.b.c.d.Z", true),
            ("A.**.Z", "A.Z", false),
            ("A.**.B.**.Z", "A.x.B.y.B.z.Z", true),
            ("A.**.B.**.Z", "A.x.y.z.Z", false),
            ("a*b*c.d.e", "aXXbYYc.d.e", true),
            ("a*b*c.d.e", "aXXbYY.d.e", false),
            ("Übung.PLC.É", "Übung.PLC.É", true),
            ("Übung.PLC.É", "übung.plc.é", false),
            ("*.*.*", "Plant.PLC1.Level", true),
            // A deny must hold whatever stands behind a dot.
            ("Sim.D.\u{301}abc", "Sim.D.\u{301}abc", true),
            ("Sim.D.\u{200D}abc", "Sim.D.\u{200D}abc", true),
            ("Sim.**.\u{1F3FB}", "Sim.D.\u{1F3FB}", true),
        ])
    func matches(pattern: String, name: String, expected: Bool) throws {
        #expect(try TagPattern(pattern).matches(TagName(validated: name)) == expected)
    }

    @Test(
        "are refused with a reason",
        arguments: ["", "a..b", "a.b**", "**x.b", "a.*\u{301}**", String(repeating: "a.", count: 80) + "a"])
    func refused(pattern: String) {
        #expect(throws: TagPatternError.self) { try TagPattern(pattern) }
    }

    @Test("take no longer than name times pattern")
    func bounded() throws {
        let pattern = try TagPattern("**.a*a*a*a*a*a*a*a*a*a*a*a*b.**.x")
        let name = TagName(
            validated: Array(repeating: String(repeating: "a", count: 200), count: 60).joined(separator: "."))
        let time = ContinuousClock().measure { #expect(!pattern.matches(name)) }
        #expect(time < .seconds(5))
    }

    @Test("that name one tag are literal")
    func literal() throws {
        #expect(try TagPattern("Plant.PLC1.Valve").isLiteral)
        #expect(try !TagPattern("Plant.PLC1.V*").isLiteral)
        #expect(try !TagPattern("**").isLiteral)
        #expect(try TagPattern("**") == .everything)
    }
}
