import Testing

@testable import Outbox

@Suite("What a receiver recorded is held against what was sent", .timeLimit(.minutes(2)))
struct DeliveryReportTests {
    /// Sequence, offset, events and gap of a line of one stream.
    private struct Line {
        var sequence: Int
        var offset = 0
        var events = 10
        var gap: String?
        var agent = "broker"
        var epoch = "e1"

        var text: String {
            let gap = gap.map { #","sallyport-gap":"\#($0)""# } ?? ""
            return #"{"sallyport-gateway":"plant","sallyport-agent":"\#(agent)","sallyport-epoch":"\#(epoch)","#
                + #""sallyport-sequence":\#(sequence),"sallyport-offset":\#(offset),"sallyport-events":\#(events)\#(gap)}"#
        }
    }

    private func report(_ lines: [Line], limits: DeliveryStream.Limits = .init()) -> DeliveryReport {
        var builder = DeliveryReport.Builder(limits: limits)
        for line in lines { builder.add(line: line.text) }
        return builder.report
    }

    private func stream(_ lines: [Line]) throws -> DeliveryReport.Stream {
        let report = report(lines)
        #expect(report.problems.isEmpty)
        return try #require(report.streams.first)
    }

    @Test("all in order: nothing lost, nothing twice")
    func complete() throws {
        let report = report((1...1000).map { Line(sequence: $0) })
        #expect(report.isComplete)
        let stream = try #require(report.streams.first)
        #expect(stream.first == 1 && stream.last == 1000 && stream.messages == 1000 && stream.events == 10_000)
        #expect(stream.lost == 0 && stream.duplicated == 0 && stream.reordered == 0 && stream.incomplete == 0)
    }

    @Test("sequences that never came are lost, as ranges; before the first and behind the last nothing is")
    func lost() throws {
        let stream = try stream([5, 6, 8, 12].map { Line(sequence: $0) })
        #expect(stream.lost == 4)
        #expect(stream.lostRanges == [.init(from: 7, to: 7), .init(from: 9, to: 11)])
        #expect(!stream.isComplete)
    }

    @Test("what the gateway announces as dropped is not lost; what came all the same was not dropped")
    func gaps() throws {
        let stream = try stream([
            Line(sequence: 1), Line(sequence: 10, gap: "2-8"), Line(sequence: 4), Line(sequence: 13, gap: "12-12"),
        ])
        #expect(stream.lostRanges == [.init(from: 9, to: 9), .init(from: 11, to: 11)])
        #expect(stream.droppedRanges == [.init(from: 2, to: 3), .init(from: 5, to: 8), .init(from: 12, to: 12)])
        #expect(stream.dropped == 7 && stream.reordered == 1)
    }

    @Test("the same message again is a duplicate, and changes nothing else")
    func duplicates() throws {
        let stream = try stream([1, 2, 3, 2, 3, 4, 1].map { Line(sequence: $0) })
        #expect(stream.duplicated == 3 && stream.reordered == 0 && stream.lost == 0)
        #expect(stream.messages == 4 && stream.events == 40 && stream.lines == 7)
    }

    @Test("a first arrival behind a later one is reordered, a second arrival is not")
    func reordered() throws {
        let stream = try stream([1, 4, 2, 3, 2, 5].map { Line(sequence: $0) })
        #expect(stream.reordered == 2 && stream.duplicated == 1 && stream.isComplete)
    }

    @Test("parts of a message must follow each other from the first event on")
    func parts() throws {
        let whole = try stream([
            Line(sequence: 1, offset: 0, events: 4), Line(sequence: 1, offset: 4, events: 6),
            Line(sequence: 1, offset: 10, events: 1), Line(sequence: 2),
        ])
        #expect(whole.isComplete && whole.messages == 2 && whole.events == 21 && whole.duplicated == 0)

        let hole = try stream([
            Line(sequence: 1, offset: 0, events: 4), Line(sequence: 1, offset: 7, events: 3), Line(sequence: 2),
            Line(sequence: 3, offset: 2, events: 1),
        ])
        #expect(hole.holes == [.init(sequence: 1, from: 4, to: 6), .init(sequence: 3, from: 0, to: 1)])
        #expect(hole.incomplete == 2 && hole.lost == 0 && !hole.isComplete)
    }

    @Test("parts that come late close their hole and count as reordered, parts that come twice as duplicates")
    func lateParts() throws {
        let stream = try stream([
            Line(sequence: 1, offset: 5, events: 5), Line(sequence: 1, offset: 5, events: 5),
            Line(sequence: 1, offset: 10, events: 5), Line(sequence: 1, offset: 0, events: 5), Line(sequence: 2),
            Line(sequence: 1, offset: 10, events: 5), Line(sequence: 1, offset: 0, events: 5),
        ])
        #expect(stream.isComplete && stream.events == 25 && stream.messages == 2)
        #expect(stream.duplicated == 3 && stream.reordered == 1)
    }

    @Test("a message that came whole and then in parts counts its events once")
    func otherCut() throws {
        let stream = try stream([
            Line(sequence: 1, offset: 0, events: 10), Line(sequence: 1, offset: 0, events: 5),
            Line(sequence: 1, offset: 5, events: 5), Line(sequence: 2),
        ])
        #expect(stream.duplicated == 2 && stream.events == 20 && stream.isComplete)
    }

    @Test("agents and epochs have nothing to do with each other")
    func streams() {
        let report = report([
            Line(sequence: 1), Line(sequence: 1, agent: "other"), Line(sequence: 7, epoch: "e2"), Line(sequence: 2),
            Line(sequence: 3, agent: "other"),
        ])
        #expect(report.streams.map(\.agent) == ["broker", "other", "broker"])
        #expect(report.streams.map(\.epoch) == ["e1", "e1", "e2"])
        #expect(report.streams.map(\.lost) == [0, 1, 0])
    }

    @Test("numbers may be texts, names may be headers, texts may be escaped, other members are anything")
    func spelling() throws {
        var builder = DeliveryReport.Builder()
        builder.add(
            line: #"  { "payload" : "{\"a\":[1,\"}\"]}\\", "Sallyport-Agent":"l\u00efft\ud83d\ude00","#
                + #" "n": [1.5e3,{"x":null}],"SALLYPORT-EPOCH":"e","sallyport-sequence":"7","#
                + #""sallyport-offset":"2","sallyport-gap":null,"t":true } "#)
        builder.add(line: #"{"sallyport-agent":"lïft😀","sallyport-epoch":"e","sallyport-sequence":7}"#)
        let report = builder.report
        #expect(report.problems.isEmpty, "\(report.problems)")
        let stream = try #require(report.streams.first)
        #expect(report.streams.count == 1 && stream.agent == "lïft😀" && stream.gateway.isEmpty)
        #expect(stream.messages == 1 && stream.isComplete)
    }

    @Test(
        "what is no line of a record is an error with its number",
        arguments: [
            "nonsense", "[]", "{", "}", #"{"a":}"#, #"{"a":1"#, #"{"a" 1}"#, #"{"a":1}}"#, #"{"a":"b}"#, #"{"a":[1}"#,
            #"{"a":1,}"#, #"{"sallyport-sequence":1}"#, #"{"sallyport-agent":"a","sallyport-epoch":"e"}"#,
            #"{"sallyport-agent":"a","sallyport-epoch":"e","sallyport-sequence":-1}"#,
            #"{"sallyport-agent":"a","sallyport-epoch":"e","sallyport-sequence":1.5}"#,
            #"{"sallyport-agent":"a","sallyport-epoch":"e","sallyport-sequence":"+1"}"#,
            #"{"sallyport-agent":"a","sallyport-epoch":"e","sallyport-sequence":99999999999999999999}"#,
            #"{"sallyport-agent":"a","sallyport-epoch":"e","sallyport-sequence":1,"sallyport-sequence":2}"#,
            #"{"sallyport-agent":"a","sallyport-epoch":"e","sallyport-sequence":1,"sallyport-gap":"5"}"#,
            #"{"sallyport-agent":"a","sallyport-epoch":"e","sallyport-sequence":1,"sallyport-gap":"5-2"}"#,
            #"{"sallyport-agent":"a","sallyport-epoch":"e","sallyport-sequence":1,"sallyport-gap":"1-2-3"}"#,
            #"{"sallyport-agent":["a"],"sallyport-epoch":"e","sallyport-sequence":1}"#,
            #"{"sallyport-agent":"\ud800","sallyport-epoch":"e","sallyport-sequence":1}"#,
            #"{"sallyport-agent":"a","sallyport-epoch":"e","sallyport-sequence":1,"sallyport-offset":4294967294,"#
                + #""sallyport-events":1}"#,
        ])
    func malformed(line: String) {
        var builder = DeliveryReport.Builder()
        builder.begin(source: "record.jsonl")
        builder.add(line: Line(sequence: 1).text)
        builder.add(line: line)
        let report = builder.report
        #expect(report.problemCount == 1 && !report.isComplete)
        #expect(report.problems.map(\.line) == [2] && report.problems.map(\.source) == ["record.jsonl"])
        #expect(report.streams.count == 1 && report.streams.first?.lines == 1)
    }

    @Test("bytes that are no text at all end nothing, whatever they are")
    func garbage() {
        var generator = SystemRandomNumberGenerator()
        let letters = Array(#"{}[]",:\u0ae1- sallyport-sequence"#.utf8) + [0xFF, 0xC3, 0x00]
        var builder = DeliveryReport.Builder()
        for _ in 0..<20_000 {
            let line = (0..<Int.random(in: 0..<60, using: &generator)).map { _ in letters.randomElement() ?? 0 }
            builder.add(line: line[...])
        }
        var cut = Array(Line(sequence: 3, gap: "1-2").text.utf8)
        while !cut.isEmpty {
            cut.removeLast()
            builder.add(line: cut[...])
        }
        #expect(builder.report.streams.isEmpty)
    }

    @Test("a last line without its end counts when it is whole, and is a warning when it is torn")
    func torn() {
        var builder = DeliveryReport.Builder()
        builder.add(line: Line(sequence: 1).text)
        builder.add(unended: Array(Line(sequence: 2).text.utf8)[...])
        #expect(builder.report.streams.first?.messages == 2)
        builder.add(unended: Array(Line(sequence: 3).text.utf8).dropLast(9))
        let report = builder.report
        #expect(report.streams.first?.messages == 2 && report.warnings.map(\.line) == [3] && report.isComplete)
    }

    @Test("lines about something else and empty lines are passed over")
    func others() {
        var builder = DeliveryReport.Builder()
        for line in [#"{"topic":"iotgateway/status","payload":"online"}"#, "", "  ", "{}", Line(sequence: 1).text] {
            builder.add(line: line)
        }
        let report = builder.report
        #expect(report.others == 2 && report.streams.count == 1 && report.isComplete)
    }

    @Test("messages of one length are one run, of many lengths as many runs as are allowed")
    func bounded() throws {
        var runs = SequenceRuns(most: 1000)
        for sequence in UInt64(1)...1_000_000 { runs.set(sequence, events: UInt32(sequence % 7)) }
        #expect(runs.runs.count <= 1000)
        #expect(runs.events(of: 1) == SequenceRuns.unknown && runs.events(of: 1_000_000) == 1_000_000 % 7)
        #expect(runs.events(of: 1_000_001) == nil && runs.events(of: 0) == nil)

        var limits = DeliveryStream.Limits()
        limits.runs = 100
        let report = report((1...1000).map { Line(sequence: $0 * 2) }, limits: limits)
        #expect(report.problemCount > 0 && !report.isComplete)
        #expect(report.problems.first?.reason.contains("too many holes") == true)
    }

    @Test("runs and ranges agree with plain sets, whatever the order")
    func runsAgree() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var runs = SequenceRuns(most: 10_000)
            var known: [UInt64: UInt32] = [:]
            var ranges = SequenceRanges()
            var members = Set<UInt64>()
            for _ in 0..<60 {
                let sequence = UInt64.random(in: 0..<40, using: &generator)
                let events = UInt32.random(in: 1...2, using: &generator)
                runs.set(sequence, events: events)
                known[sequence] = events
                let range = sequence...(sequence + UInt64.random(in: 0..<4, using: &generator))
                if Bool.random(using: &generator) {
                    ranges.insert(range)
                    members.formUnion(range)
                }
            }
            #expect((0..<50).allSatisfy { runs.events(of: $0) == known[$0] })
            let isTight = zip(runs.runs, runs.runs.dropFirst()).allSatisfy {
                $0.last + 1 < $1.first || $0.last + 1 == $1.first && $0.events != $1.events
            }
            #expect(isTight)
            #expect(Set(ranges.ranges.flatMap { $0 }) == members && ranges.count == UInt64(members.count))
            let all = Set<UInt64>(5...35)
            #expect(Set(ranges.missing(in: 5...35).ranges.flatMap { $0 }) == all.subtracting(members))
            var seen = SequenceRanges()
            for run in runs.runs { seen.insert(run.first...run.last) }
            #expect(Set(ranges.subtracting(seen).ranges.flatMap { $0 }) == members.subtracting(known.keys))
        }
    }
}
