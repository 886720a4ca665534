import Tags
import Testing
import WireFormat

import Outbox
@testable import Publishing

@Suite("Topics with variables", .timeLimit(.minutes(1)))
struct TopicTemplateTests {
    private static func topic(_ text: String, _ name: String) throws -> String? {
        try TopicTemplate(parsing: text)?.topic(of: TagName(validated: name))
    }

    @Test(arguments: [
        ("plant/|DEVICE|/|TAG|", "Line.Press1.Temperature", "plant/Press1/Temperature"),
        ("|CHANNEL|/|DEVICE|/|TAG|", "Line.Press1.Hydraulics.Pump.Speed", "Line/Press1/Hydraulics.Pump.Speed"),
        ("iotgateway/|TAGNAME|", "Line.Press1.Temperature", "iotgateway/Line.Press1.Temperature"),
        // No name makes a level, a wildcard or a topic of the broker's own.
        ("a/|TAG|/b", "c.d.x/y+z#%\u{FF}", "a/x%2Fy%2Bz%23%25\u{FF}/b"),
        ("|CHANNEL|/|TAG|", "$SYS.d.$t", "%24SYS/$t"), ("x|TAG|", "c.d.$t", "x$t"),
        // A tag of the gateway itself has no device.
        ("|CHANNEL|/|DEVICE|/|TAG|", "_System._Date", "_System/_System/_Date"),
        ("a|b/|TAG|", "c.d.t", nil), ("|TAG|/x|y", "c.d.t", "t/x|y"),
    ])
    func topics(_ text: String, _ name: String, _ wanted: String?) throws {
        guard let wanted else {
            #expect(throws: TopicTemplate.UnknownVariable(word: "b/")) { try TopicTemplate(parsing: text) }
            return
        }
        #expect(try Self.topic(text, name) == wanted)
    }

    @Test func withoutVariablesItIsATopic() throws {
        for text in ["iotgateway", "a|b", "", "a/b/c"] { #expect(try TopicTemplate(parsing: text) == nil) }
    }

    @Test func whatABrokerIsToldOfThem() throws {
        func filter(_ text: String) throws -> String? { try TopicTemplate(parsing: text)?.filter }
        #expect(try filter("plant/|DEVICE|/|TAG|") == "plant/+/+")
        #expect(try filter("plant/x-|TAG|-y/z") == "plant/+/z")
        #expect(try filter("|TAGNAME|") == "+")
        let topics = try #require(try TopicTemplate(parsing: "iotgateway/|TAG|"))
        #expect(topics.mayGive("iotgateway/write") && topics.mayGive("iotgateway/"))
        #expect(!topics.mayGive("iotgateway/write/response") && !topics.mayGive("iotgateway"))
        #expect(topics.isPerTag)
        #expect(try TopicTemplate(parsing: "a/|DEVICE|")?.isPerTag == false)
    }
}

@Suite("Messages of events", .timeLimit(.minutes(1)))
struct MessageAssemblerTests {
    private static let time = Timestamp(milliseconds: 9)

    private static func items(_ names: String...) -> [Item] {
        names.enumerated().map {
            Item(handle: TagHandle(index: UInt32($0.offset)), name: TagName(validated: $0.element))
        }
    }

    private static func value(_ number: Int64) -> TagValue {
        TagValue(data: .integer(number), timestamp: Timestamp(milliseconds: 5))
    }

    /// The message if this is all of it.
    private static func text(_ chunk: OutboxChunk) -> String {
        var bytes = chunk.bytes
        for trim in chunk.trims.sorted(by: { $0.fromEnd < $1.fromEnd }) {
            let first = chunk.bytes.count - trim.fromEnd
            bytes.removeSubrange(first..<first + trim.count)
        }
        return String(decoding: chunk.head + bytes + chunk.tail, as: UTF8.self)
    }

    @Test func oneTopicForAll() {
        var assembler = MessageAssembler(items: Self.items("a.b.c", "a.b.d"), maxEvents: 2)
        #expect(assembler.cut(at: Self.time) == [])
        #expect(assembler.append(Self.value(1), slot: 0) == nil)
        #expect(assembler.append(Self.value(2), slot: 1) == 0)
        let full = assembler.cut(0, at: Self.time)
        #expect(
            full.map(Self.text)
                == #"{"timestamp":9,"values":[{"id":"a.b.c","v":1,"q":true,"t":5},{"id":"a.b.d","v":2,"q":true,"t":5}]}"#
        )
        #expect(full?.topic == nil && full?.events == 2)
        #expect(assembler.cut(0, at: Self.time) == nil && assembler.cut(at: Self.time) == [])
        _ = assembler.append(Self.value(3), slot: 1)
        #expect(
            assembler.cut(at: Self.time).map(Self.text)
                == [#"{"timestamp":9,"values":[{"id":"a.b.d","v":3,"q":true,"t":5}]}"#])
    }

    /// The outbox has custody of events long before their message ends.
    @Test func whatIsGivenAwayInChunksIsTheSameMessage() throws {
        let template = try MessageTemplateText.bare()
        for (template, whole) in [
            (template, "9[a.b.c=1,a.b.d=2,a.b.c=3]"),
            (
                .standard,
                #"{"timestamp":9,"values":[{"id":"a.b.c","v":1,"q":true,"t":5},"#
                    + #"{"id":"a.b.d","v":2,"q":true,"t":5},{"id":"a.b.c","v":3,"q":true,"t":5}]}"#
            ),
        ] {
            var assembler = MessageAssembler(items: Self.items("a.b.c", "a.b.d"), maxEvents: 3, template: template)
            _ = assembler.append(Self.value(1), slot: 0)
            let first = assembler.flush(at: Self.time)
            #expect(first.map(\.isLast) == [false] && assembler.flush(at: Self.time) == [])
            _ = assembler.append(Self.value(2), slot: 1)
            let second = assembler.flush(at: Self.time)
            #expect(assembler.append(Self.value(3), slot: 0) == 0)
            let cut = assembler.cut(at: Self.time)
            #expect(cut.map(\.isLast) == [true] && cut.map(\.events) == [1])
            var joined = try #require(first.first)
            for chunk in second + cut {
                joined.bytes += chunk.bytes
                joined.trims = chunk.trims
            }
            #expect(Self.text(joined) == whole)
            _ = assembler.append(Self.value(4), slot: 1)
            // One that all events of were given away is ended by itself.
            _ = assembler.flush(at: Self.time)
            #expect(assembler.cut(at: Self.time).map(\.events) == [0])
            #expect(assembler.cut(at: Self.time) == [])
        }
    }

    /// A thousand events each of a hundred thousand topics would be gigabytes.
    @Test func whatWaitsInAllTopicsIsBounded() throws {
        var assembler = MessageAssembler(
            items: Self.items("a.b.c", "a.b.d"), maxEvents: 1000, topics: try TopicTemplate(parsing: "|TAG|"),
            mostWaiting: 100)
        for round in 0..<3 {
            _ = assembler.append(Self.value(1), slot: 0)
            _ = assembler.append(Self.value(1), slot: 1)
            #expect(!assembler.isOverfull, "\(round)")
            _ = assembler.append(Self.value(1), slot: 1)
            #expect(assembler.isOverfull)
            #expect(assembler.cut(at: Self.time).map(\.events) == [1, 2])
            #expect(!assembler.isOverfull)
        }
    }

    @Test func eachTopicHasMessagesOfItsOwn() throws {
        let template = try MessageTemplateText.bare()
        var assembler = MessageAssembler(
            items: Self.items("a.x.1", "a.y.1", "a.x.2"), maxEvents: 2, template: template,
            topics: try TopicTemplate(parsing: "p/|DEVICE|"))
        #expect(assembler.append(Self.value(1), slot: 1) == nil)
        #expect(assembler.append(Self.value(2), slot: 0) == nil)
        let full = assembler.append(Self.value(3), slot: 2)
        let cut = assembler.cut(full ?? -1, at: Self.time)
        let first = try #require(cut)
        #expect(first.topic == "p/x" && first.events == 2 && Self.text(first) == "9[a.x.1=2,a.x.2=3]")
        #expect(assembler.append(Self.value(4), slot: 2) == nil)
        let rest = assembler.cut(at: Self.time)
        #expect(rest.map(\.topic) == ["p/y", "p/x"])
        #expect(rest.map(Self.text) == ["9[a.y.1=1]", "9[a.x.2=4]"])
    }
}

private enum MessageTemplateText {
    static func bare() throws -> MessageTemplate {
        try MessageTemplate(
            advanced: "|SERVERTIMESTAMP|[|#each VALUES||TAGNAME|=|VALUE||#unless @last|,|/unless||/each|]")
    }
}
