import TagStore
import Tags
import Testing

@testable import RESTServerAgent

@Suite("The history of all streams", .timeLimit(.minutes(1)))
struct ChangeHistoryTests {
    private func append(_ events: [String], to history: inout ChangeHistory) {
        var bytes: [UInt8] = []
        var ends: [UInt32] = []
        for event in events {
            bytes += Array((",\(event)").utf8)
            ends.append(UInt32(bytes.count))
        }
        history.append(
            handles: events.indices.map { TagHandle(index: UInt32($0)) }, ends: ends, bytes: bytes)
    }

    /// Everything behind a cursor, nil where something is missing.
    private func all(_ history: ChangeHistory, from start: UInt64) -> [String]? {
        var cursor = start
        var found: [String] = []
        while true {
            switch history.read(from: cursor) {
            case .nothing: return found
            case .lost: return nil
            case .changes(let segment):
                for index in Int(cursor - segment.first)..<segment.handles.count {
                    found.append(
                        String(decoding: segment.bytes[segment.range(index..<index + 1)].dropFirst(), as: UTF8.self))
                }
                cursor = segment.end
            }
        }
    }

    @Test func everyCursorReadsWhatCameBehindIt() {
        var history = ChangeHistory(capacity: 1000)
        let events = (0..<60).map { "e\($0)" }
        var start = 0
        for size in [1, 5, 2, 30, 1, 1, 20] {
            append(Array(events[start..<start + size]), to: &history)
            start += size
        }
        for cursor in 0...60 { #expect(all(history, from: UInt64(cursor)) == Array(events[cursor...])) }
    }

    @Test func theOldestGoAndSayHowMany() {
        var history = ChangeHistory(capacity: 10)
        for number in 0..<10 { append(["a\(number)", "b\(number)"], to: &history) }
        #expect(history.end == 20 && history.start == 10)
        #expect(all(history, from: 10)?.count == 10)
        for cursor in 0..<10 {
            guard case .lost(let count) = history.read(from: UInt64(cursor)) else {
                Issue.record("cursor \(cursor) is not lost")
                continue
            }
            #expect(count == UInt64(10 - cursor))
        }
    }

    @Test func bytesAreBoundedToo() {
        var history = ChangeHistory(capacity: 1 << 20, byteCapacity: 100_000)
        let large = String(repeating: "x", count: 5000)
        for _ in 0..<100 { append([large], to: &history) }
        #expect((15...20).contains(history.end - history.start))
        // One that is larger than everything is kept until the next comes.
        append([String(repeating: "x", count: 200_000)], to: &history)
        #expect(history.end - history.start == 1)
    }

    @Test func whatNobodySawIsUnknown() {
        var history = ChangeHistory()
        append(["a", "b"], to: &history)
        let before = history.end
        history.interrupt()
        append(["c"], to: &history)
        guard case .lost(nil) = history.read(from: before) else { return #expect(Bool(false)) }
        let between = history.end
        history.skip(7)
        guard case .lost(7) = history.read(from: between) else { return #expect(Bool(false)) }
        // A place that has not been yet, as another agent's might be.
        guard case .lost(nil) = history.read(from: history.end + 1) else { return #expect(Bool(false)) }
    }

    @Test func aTableHoldsWhatWasPutIn() {
        for count in [0, 1, 2, 3, 100, 5000] {
            let handles = (0..<count).map { TagHandle(index: UInt32(truncatingIfNeeded: $0 * 7 + $0 % 3)) }
            let table = HandleTable(handles + handles)
            let inside = Set(handles)
            for index in 0..<UInt32(count * 7 + 10) {
                #expect(table.contains(TagHandle(index: index)) == inside.contains(TagHandle(index: index)))
            }
        }
        #expect(HandleTable([TagHandle(index: .max - 1)]).contains(TagHandle(index: .max - 1)))
    }

    @Test func resumePointsReadBack() throws {
        let run = ResumePoint.Run(milliseconds: 1_795_475_696_493, random: 0xABC)
        for (tags, count) in [(UInt32(1), UInt64(0)), (.max, 12345), (0, UInt64(Int64.max))] {
            let text = ResumePoint.text(run, tags: tags, count: count)
            let point = try #require(ResumePoint(text))
            #expect(point.run == run.text[...] && point.tags == tags && point.count == count)
        }
    }

    @Test(
        arguments: [
            "", "-", "1", "1-", "-1", "0-0", "1a20ab0dbcd1a6cefeeff63b658", "1a20ab0dbcd1a6cefeeff63b658-",
            "1a20ab0dbcd1a6cefeeff63b658--1", "1a20ab0dbcd1a6cefeeff63b658-+1", "1a20ab0dbcd1a6cefeeff63b65é-1",
            "1a20ab0dbcd1a6cefeeff63b658-99999999999999999999999999", "1a20ab0dbcd1a6cefeegg63b65x-1",
            "1a20ab0dbcd1a6cefeeff63b658-1 ", String(repeating: "1", count: 5000) + "-1",
        ])
    func whatIsNoResumePointIsNone(_ text: String) { #expect(ResumePoint(text) == nil) }
}
