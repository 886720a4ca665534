import Drivers
import GatewayConfiguration
import Tags
import TestPeers
import Testing

@Suite("Tag files", .timeLimit(.minutes(5)))
struct TagFileTests {
    private static let yaml = """
        version: 1
        gateway: { name: g }
        channels:
          - name: P
            driver: modbus-tcp
            devices:
              - { name: D, host: h, tags: [{ name: Level, address: "40001" }], tag-file: t.csv }

        """

    private func load(_ csv: String) throws -> (outcome: ConfigurationOutcome, problems: [String]) {
        let directory = try TemporaryDirectory()
        let path = try directory.write(TagFileTests.yaml, to: "gateway.yaml")
        try directory.write(csv, to: "t.csv")
        let outcome = GatewayConfiguration.load(path: path, environment: [:])
        return (outcome, outcome.problems.map { $0.description.replacing("\(directory.path)/", with: "") })
    }

    @Test func quotesGroupsAndDefaults() throws {
        let csv =
            "\u{FEFF}name,address,type,access,unit,poll,description\r\n"
            + "Valve,00001,,read-write,,2s,\"Says \"\"open\"\", then\r\ncloses\"\r\n"
            + "\r\n"
            + "Pumps.Feed.Speed,\"40200 [2]\",dword,,rpm\r\n"
            + "Größe,40300,Float,read,mm,,Länge"
        let (outcome, problems) = try load(csv)
        #expect(problems == [])
        let device = try #require(outcome.configuration?.channels[0].devices[0])
        guard case .modbus(_, let tags) = device.tags else {
            Issue.record("the device is a Modbus device")
            return
        }
        #expect(tags.map(\.definition.name.text) == ["P.D.Level", "P.D.Valve", "P.D.Pumps.Feed.Speed", "P.D.Größe"])
        #expect(tags[1].definition.details?.description == "Says \"open\", then\r\ncloses")
        #expect(tags[1].options.poll == .seconds(2))
        #expect(tags[1].options.access == .readWrite)
        #expect(tags[1].options.type == .boolean)
        #expect(tags[2].definition.isArray)
        #expect(tags[2].definition.details?.unit == "rpm")
        #expect(tags[3].options.type == .float)
    }

    @Test(arguments: [
        (
            "",
            [
                "t.csv:1:1: error: the tag file is empty; its first line is "
                    + "name,address,type,access,unit,poll,description"
            ]
        ),
        (
            "name,adress,type,name\n",
            [
                "t.csv:1:6: error: unknown column \"adress\"; did you mean \"address\"?",
                "t.csv:1:18: error: the column \"name\" stands twice; remove one",
            ]
        ),
        (
            "name,type\n",
            [
                "t.csv:1:1: error: the column \"address\" is missing; the first line is "
                    + "name,address,type,access,unit,poll,description"
            ]
        ),
        (
            "name,address\nA,40001,x\n,40002\nB\n_C,40003\nG..D,40004\n",
            [
                "t.csv:2:9: error: 3 fields, and the first line names 2 columns; quote a field that holds a comma",
                "t.csv:3:1: error: the line has no name",
                "t.csv:4:1: error: the line has no address",
                "t.csv:5:1: error: tag name \"_C\": names that begin with _ are reserved for system tags; choose another",
                "t.csv:6:1: error: group name \"\": a name is empty",
            ]
        ),
        (
            "name,address,type,access,poll\nA,4,Wrd,rw,1\nÄ,40001,Wort,,5ms\n",
            [
                "t.csv:2:3: error: \"4\" has 0 digits after the area digit; four or five are needed, as in \"40001\" "
                    + "or \"400001\"",
                "t.csv:2:5: error: \"Wrd\" is not a data type; did you mean Word?",
                "t.csv:2:9: error: \"access\" takes read or read-write, found \"rw\"",
                "t.csv:2:12: error: \"poll\" takes a duration, as 500ms, 10s, 5m, 2h or 7d, found \"1\"; add its unit",
                "t.csv:3:9: error: \"Wort\" is not a data type; did you mean Word?",
                "t.csv:3:15: error: \"poll\" takes 10ms to 1d, found \"5ms\"",
            ]
        ),
        ("name,address\n\"A,40001\n", ["t.csv:2:1: error: the quote that opens here is never closed"]),
        (
            "name,address\nA\"b,40001\n",
            ["t.csv:2:2: error: a quote inside a bare field; quote the whole field and double it"]
        ),
        (
            "name,address\n\"A\"b,40001\n",
            ["t.csv:2:4: error: text behind a closing quote; double a quote that belongs to the text (\"\")"]
        ),
        (
            "name,address\nLEVEL,40001\nG.A,40002\ng.B,40003\nG,40004\n",
            [
                "t.csv:2:1: error: tag \"P.D.LEVEL\" stands twice (names that differ only in case are the same), "
                    + "first at gateway.yaml:7:44; rename one",
                "t.csv:4:1: error: group \"g\" is spelt differently at t.csv:3:1; "
                    + "names that differ only in case are the same",
                "t.csv:5:1: error: \"P.D.G\" is already a group, at t.csv:3:1; rename one",
            ]
        ),
    ])
    func everyProblemHasTheFilesOwnPlace(_ csv: String, _ expected: [String]) throws {
        let problems = try load(csv).problems
        #expect(problems == expected)
    }

    @Test func aMissingFileOfADisabledDeviceIsAWarning() throws {
        let directory = try TemporaryDirectory()
        let text = TagFileTests.yaml.replacing("name: D,", with: "name: D, enabled: false,")
        let path = try directory.write(text, to: "gateway.yaml")
        let outcome = GatewayConfiguration.load(path: path, environment: [:])
        #expect(outcome.errors == [])
        #expect(outcome.warnings.count == 1)
        #expect(outcome.configuration?.channels[0].devices[0].enabled == false)
    }

    /// What is not known of one device says nothing of another: a deny that names no tag there is an error all the same.
    @Test(arguments: [
        ("P.E.Valve", true), ("Q.D.Valve", true), ("P.D.Valve", false), ("p.d.Valve", false), ("P.D2.Valve", true),
    ])
    func aMissingFileHidesNothingElsewhere(_ tag: String, _ isError: Bool) throws {
        let directory = try TemporaryDirectory()
        let text =
            TagFileTests.yaml.replacing("name: D,", with: "name: D, enabled: false,")
            + "security: { groups: [{ name: g, deny: [{ tags: \(tag), actions: [write] }] }] }\n"
        let path = try directory.write(text, to: "gateway.yaml")
        let outcome = GatewayConfiguration.load(path: path, environment: [:])
        #expect(outcome.errors.contains { $0.message.contains("there is no such tag") } == isError)
    }

    @Test func bytesThatAreNotUTF8AreAProblem() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(TagFileTests.yaml, to: "gateway.yaml")
        try directory.write("name,address\nB,40002\n\u{1}A,40001\n", to: "t.csv")
        // 0xFF in place of the control character.
        try BytesOnDisk.replace(0x01, with: 0xFF, in: directory.file("t.csv"))
        let problems = GatewayConfiguration.load(path: path, environment: [:]).problems
        #expect(problems.map(\.message) == ["not UTF-8; save the file as UTF-8"])
        #expect(problems.first?.place.line == 3)
        try BytesOnDisk.replace(0x67, with: 0xFF, in: path)
        let messages = GatewayConfiguration.load(path: path, environment: [:]).problems.map(\.message)
        #expect(messages == ["not UTF-8; save it as UTF-8"])
    }
}
