import Tags
import Testing

@testable import WireFormat

@Suite("Templates of messages", .timeLimit(.minutes(1)))
struct MessageTemplateTests {
    private static let time = Timestamp(milliseconds: 1_535_488_325_249)

    private struct Event {
        var name: String
        var data: TagData
        var quality = Quality.good
        var time: Int64
    }

    private static let events = [
        Event(name: "Channel1.Device1.Tag1", data: .integer(6978), time: 1_535_488_314_859),
        Event(name: "Channel1.Device1.Tag1", data: .string(TagString("a \"b\"")), time: 1_535_488_315_827),
        Event(name: "Channel1.Device1.C:\\x", data: .double(.nan), time: 7),
    ]

    private static func render(_ template: MessageTemplate, _ events: [Event], time: Timestamp = time) -> String {
        var json = JSONBytes()
        template.appendHead(time: time, to: &json)
        var separators: [Range<Int>] = []
        for event in events {
            separators = template.append(
                event: TemplateName(TagName(validated: event.name)),
                TagValue(data: event.data, quality: event.quality, timestamp: Timestamp(milliseconds: event.time)),
                time: time, to: &json)
        }
        MessageTemplate.trim(separators, from: &json)
        template.appendTail(time: time, to: &json)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    @Test func theStandardOneIsTheMessageOfTheWire() throws {
        let wanted =
            #"{"timestamp":1535488325249,"values":[{"id":"Channel1.Device1.Tag1","v":6978,"q":true,"t":1535488314859},"#
            + #"{"id":"Channel1.Device1.Tag1","v":"a \"b\"","q":true,"t":1535488315827},"#
            + #"{"id":"Channel1.Device1.C:\\x","v":null,"q":false,"t":7}]}"#
        #expect(Self.render(.standard, Self.events) == wanted)
        // As the vendor's project file has it.
        let exported = try MessageTemplate(
            standard: "timestamp: |SERVERTIMESTAMP|\r\nvalues: |VALUES|\r\n",
            values: "id: |TAGNAME|\r\nv: |TAGVALUE|\r\nq: |TAGQUALITY|\r\nt: |TAGTIMESTAMP|\r\n")
        #expect(exported == .standard)
        #expect(try MessageTemplate(standard: nil, values: nil) == .standard)
        // And what the faster renderer writes.
        var json = JSONBytes()
        MessageRenderer.appendHead(time: Self.time, to: &json)
        for (index, event) in Self.events.enumerated() {
            if index > 0 { json.append(0x2C) }
            MessageRenderer.append(
                event: MessageRenderer.prefix(for: TagName(validated: event.name)),
                TagValue(data: event.data, quality: event.quality, timestamp: Timestamp(milliseconds: event.time)),
                to: &json)
        }
        MessageRenderer.appendTail(to: &json)
        #expect(String(decoding: json.bytes, as: UTF8.self) == wanted)
    }

    @Test func aLineThatIsDeletedDropsItsField() throws {
        let template = try MessageTemplate(standard: "data: |VALUES|", values: " v : |VALUE| \n\nname: |TAGNAME|")
        #expect(
            Self.render(template, Array(Self.events.prefix(2)))
                == #"{"data":[{"v":6978,"name":"Channel1.Device1.Tag1"},{"v":"a \"b\"","name":"Channel1.Device1.Tag1"}]}"#
        )
        let dated = try MessageTemplate(
            standard: "values: |VALUES|\nat \"now\": |SERVERDATE|\nt: |SERVERTIMESTAMP|", values: "q: |QUALITY|")
        #expect(
            Self.render(dated, [Self.events[0]])
                == #"{"values":[{"q":true}],"at \"now\"":"2018-08-28T20:32:05.249Z","t":1535488325249}"#)
    }

    /// The vendor's own example of WIRE.md.
    @Test func theAdvancedExample() throws {
        let template = try MessageTemplate(
            advanced: """
                {
                 "timestamp": |SERVERTIMESTAMP|,
                  "values": [
                   |#each VALUES|
                    {"id": "|TAGNAME|", "v": |VALUE|, "q": |QUALITY|, "t": |TIMESTAMP| } |#unless @last|,|/unless|
                   |/each|
                  ]
                }
                """)
        #expect(
            Self.render(template, Self.events) == """
                {
                 "timestamp": 1535488325249,
                  "values": [
                   
                    {"id": "Channel1.Device1.Tag1", "v": 6978, "q": true, "t": 1535488314859 } ,
                   
                    {"id": "Channel1.Device1.Tag1", "v": "a \\"b\\"", "q": true, "t": 1535488315827 } ,
                   
                    {"id": "Channel1.Device1.C:\\\\x", "v": null, "q": false, "t": 7 } 
                   
                  ]
                }
                """)
        for count in 1...3 { #expect(template.flawAsJSON(events: count) == nil) }
    }

    @Test func oneBareObjectAndOtherText() throws {
        let bare = try MessageTemplate(advanced: #"|#each VALUES|{"|TAGNAME|":|VALUE|,"at":"|SERVERDATE|"}|/each|"#)
        #expect(
            Self.render(bare, [Self.events[2]])
                == #"{"Channel1.Device1.C:\\x":null,"at":"2018-08-28T20:32:05.249Z"}"#)
        // Line protocol: raw names, a bar by itself, several places that stand between two only.
        let lines = try MessageTemplate(
            advanced: "||a|| |#each VALUES||TAGNAME|=|VALUE||#unless @last|;|/unless||TIMESTAMP|"
                + "|#unless @last|\n|/unless||/each|.")
        #expect(
            Self.render(lines, [Self.events[0], Self.events[2]])
                == "|a| Channel1.Device1.Tag1=6978;1535488314859\nChannel1.Device1.C:\\x=null7.")
        #expect(lines.flawAsJSON(events: 2) == nil)
    }

    @Test func aNameIsEscapedBetweenQuotesOnly() throws {
        let text = #"{"a\"":"|#each VALUES||TAGNAME|",|TAGNAME|,"\\|TAGNAME|"|/each|}"#
        let template = try MessageTemplate(advanced: text)
        let names = template.event.compactMap { piece in
            if case .tagName(let style) = piece { style } else { nil }
        }
        #expect(names == [.escaped, .raw, .escaped])
    }

    @Test func whatIsMeantToBeJSONAndIsNot() throws {
        let comma = try MessageTemplate(advanced: #"[|#each VALUES||VALUE|,|/each|]"#)
        #expect(comma.flawAsJSON(events: 1) != nil)
        let none = try MessageTemplate(advanced: #" [|#each VALUES||VALUE||/each|]"#)
        #expect(none.flawAsJSON(events: 1) == nil && none.flawAsJSON(events: 2) != nil)
        let quoteless = try MessageTemplate(advanced: #"{"values":[|#each VALUES|{"id":|TAGNAME|}|/each|]}"#)
        #expect(quoteless.flawAsJSON(events: 1) != nil)
    }

    @Test(arguments: [
        ("", "line 1: there is no |#each VALUES|: no value would be sent"),
        ("a\n|VALUE|", "line 2: |VALUE| belongs between |#each VALUES| and |/each|"),
        ("|#each VALUES|", "line 1: there is nothing"), ("|#each VALUES||/each|", "line 1: there is nothing"),
        ("|#each VALUES|a", "line 1: |#each VALUES| is not closed by |/each|"),
        ("|#each VALUES|a|/each||#each VALUES|b|/each|", "line 1: |#each VALUES| stands twice"),
        ("|/each|", "line 1: |/each| without |#each VALUES| before it"),
        ("|#each VALUES|a|#unless @last|,|/each|", "line 1: |#unless @last| is not closed before |/each|"),
        ("|#each VALUES|a|#unless @last|,", "line 1: |#unless @last| is not closed by |/unless|"),
        ("|#unless @last|", "line 1: |#unless @last| belongs inside |#each VALUES|"),
        ("|#each VALUES||#unless @last||#unless @last|", "line 1: |#unless @last| stands inside another one"),
        ("|#each VALUES|a|/unless||/each|", "line 1: |/unless| without |#unless @last| before it"),
        ("\n\n|#each VALUES|a | b|/each|", "line 3: | b| is not known here"),
        ("|#each VALUES||VALEU||/each|", "line 1: |VALEU| is not known here; there are TAGNAME, "),
        ("|VALUES|", "line 1: |VALUES| is for standard templates"),
        ("|#each VALUES|a|/each|\n|", "line 2: a bar is not closed; || is a bar by itself"),
        ("|a\u{1b}[2J\nb|", "line 1: |a?[2J?b| is not known here"),
    ])
    func advancedTemplatesThatAreRefused(_ text: String, _ reason: String) throws {
        let error = #expect(throws: MessageTemplateError.self) { try MessageTemplate(advanced: text) }
        let said = try #require(error).description
        #expect(said.hasPrefix(reason) || reason.hasSuffix("nothing") && said.hasPrefix("line 1: "), "\(said)")
    }

    @Test(arguments: [
        (MessageTemplate.Part.standard, "", "line 1: there is no line of the form key: |VARIABLE|"),
        (.standard, "t: |SERVERTIMESTAMP|", "line 1: there is no line with |VALUES|: no value would be sent"),
        (.standard, "v: |VALUES|\nw: |VALUES|", "line 2: |VALUES| stands twice"),
        (.standard, "v: |VALUES|\nv: |SERVERDATE|", "line 2: the key \"v\" stands twice"),
        (
            .standard, "v: |VALUES|\nsite: press",
            "line 2: \"site: press\" is not of the form key: |VARIABLE|; an advanced"
        ),
        (.standard, "v |VALUES|", "line 1: \"v |VALUES|\" is not of the form key: |VARIABLE|"),
        (.standard, ": |VALUES|", "line 1: \": |VALUES|\" is not of the form"),
        (.standard, "v: ||", "line 1: \"v: ||\" is"),
        (.standard, "v: |VALUES|\nn: |TAGNAME|", "line 2: |TAGNAME| is not known here; there are SERVERTIMESTAMP, "),
        (.values, "v: |VALUES|", "line 1: |VALUES| is not known here; there are TAGNAME, "),
        (.values, "\r\n \r\n", "line 1: there is no line of the form key: |VARIABLE|"),
    ])
    func standardTemplatesThatAreRefused(_ part: MessageTemplate.Part, _ text: String, _ reason: String) throws {
        let error = #expect(throws: MessageTemplate.StandardError.self) {
            try MessageTemplate(standard: part == .standard ? text : nil, values: part == .values ? text : nil)
        }
        let found = try #require(error)
        #expect(found.part == part && found.error.description.hasPrefix(reason), "\(found)")
    }

    /// Whatever somebody writes.
    @Test func mutationsNeverTrap() {
        var random = SystemRandomNumberGenerator()
        let words = [
            "|", "||", "|#each VALUES|", "|/each|", "|#unless @last|", "|/unless|", "|TAGNAME|", "|VALUE|", "\"", "\\",
            "\n",
            ":", " ", "key: |VALUES|", "é", "\u{0}", "{", "}",
        ]
        for _ in 0..<3000 {
            let text = (0..<Int.random(in: 0..<12, using: &random)).map { _ in words.randomElement(using: &random) ?? ""
            }
            .joined()
            if let template = try? MessageTemplate(advanced: text) { _ = Self.render(template, Self.events) }
            if let template = try? MessageTemplate(standard: text, values: nil) {
                _ = Self.render(template, Self.events)
            }
            if let template = try? MessageTemplate(standard: nil, values: text) {
                _ = Self.render(template, Self.events)
            }
        }
    }
}
