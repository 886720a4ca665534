import NIOCore
import TagStore
import Tags
import WireFormat

/// The events as they go out, in the form of server-sent events.
extension LiveStream {
    /// Of one message, for people's tools as for memory; one value may be larger.
    private static let mostValues = 1000
    private static let mostBytes = 32 << 10

    /// Once at the start: how long a client waits before it comes back.
    static let preamble = "retry: 2000\n\n"

    static func endEvent(_ reason: String) -> [UInt8] {
        var json = JSONBytes(capacity: reason.utf8.count + 48)
        json.append(raw: "event: end\ndata: {\"reason\":")
        json.append(string: reason)
        json.append(raw: "}\n\n")
        return json.bytes
    }

    /// A comment, with a newer place to resume from where there is one.
    func comment() -> [UInt8] {
        var json = JSONBytes(capacity: 64)
        json.append(raw: ":\n")
        if picture == nil { appendID(to: &json) }
        json.append(0x0A)
        return json.bytes
    }

    func missedEvent(_ count: UInt64?) -> [UInt8] {
        var json = JSONBytes(capacity: 64)
        json.append(raw: "event: missed\ndata: {\"missed\":")
        if let count { json.append(unsigned: count) } else { json.append(raw: "null") }
        json.append(raw: "}\n\n")
        return json.bytes
    }

    /// What has been refused since the last time, as far as it fits into one message.
    func refusedEvent() -> [UInt8] {
        var json = JSONBytes(capacity: 1024)
        json.append(raw: "event: refused\ndata: {\"refused\":[")
        var told = 0
        for index in untold {
            guard told < LiveStream.mostValues, json.count < LiveStream.mostBytes else { break }
            json.append(raw: told == 0 ? "{\"id\":" : ",{\"id\":")
            json.append(string: name(of: index))
            json.append(raw: ",\"r\":\"")
            json.append(raw: refusals[index].reason)
            json.append(raw: "\"}")
            told += 1
        }
        untold.removeFirst(told)
        json.append(raw: "]}\n\n")
        return json.bytes
    }

    /// As configured where the client may know it, else as asked.
    private func name(of index: Int) -> String {
        guard refusals[index] == .noPermission else { return ids[index] }
        let handle = ids.bytes.withUnsafeBufferPointer {
            directory.handle(utf8: UnsafeBufferPointer(rebasing: $0[ids.range(index)]))
        }
        return handle.flatMap { directory[$0]?.name.text } ?? ids[index]
    }

    /// The next part of the values as they were.
    func pictureEvent(_ picture: Picture) -> [UInt8] {
        var values = JSONBytes(capacity: 4096)
        var next = picture.next
        var count = 0
        while next < picture.handles.count, count < LiveStream.mostValues, values.count < LiveStream.mostBytes {
            defer { next += 1 }
            guard let name = directory[picture.handles[next]]?.name else { continue }
            if count > 0 { values.append(0x2C) }
            MessageRenderer.append(
                event: MessageRenderer.prefix(for: name), feed.shown(picture.values[next]), to: &values)
            count += 1
        }
        pictureSent(upTo: next)
        var json = JSONBytes(capacity: values.count + 128)
        appendStart(to: &json)
        json.append(raw: values.bytes)
        json.append(raw: "]}\n\n")
        return json.bytes
    }

    /// The changes that follow, up to the bounds of a message; nil where none is of this stream.
    func changesEvent() -> [UInt8]? {
        var pieces: [(segment: ChangeHistory.Segment, range: Range<Int>)] = []
        var count = 0
        var bytes = 0
        var place = cursor
        gathering: while place < horizon, case .changes(let segment) = feed.read(from: place) {
            var index = Int(place - segment.first)
            let end = Int(min(segment.end, horizon) - segment.first)
            var open: Range<Int>?
            while index < end {
                if follows(segment.handles[index]) {
                    let size = segment.range(index..<index + 1).count
                    let isFull = count > 0 && bytes + size > LiveStream.mostBytes || count >= LiveStream.mostValues
                    if isFull { break }
                    count += 1
                    bytes += size
                    open = (open?.lowerBound ?? index)..<index + 1
                } else if let events = open {
                    pieces.append((segment, segment.range(events)))
                    open = nil
                }
                index += 1
            }
            if let events = open { pieces.append((segment, segment.range(events))) }
            place = segment.first + UInt64(index)
            if index < end { break gathering }
        }
        advance(to: place)
        guard count > 0 else { return nil }
        var json = JSONBytes(capacity: bytes + 128)
        appendStart(to: &json)
        for (position, piece) in pieces.enumerated() {
            // The first has no comma before it.
            let range = position == 0 ? piece.range.dropFirst() : piece.range
            json.append(raw: piece.segment.bytes[range])
        }
        json.append(raw: "]}\n\n")
        return json.bytes
    }

    private func appendStart(to json: inout JSONBytes) {
        json.append(raw: "event: values\n")
        appendID(to: &json)
        json.append(raw: "data: {\"values\":[")
    }

    private func appendID(to json: inout JSONBytes) {
        json.append(raw: "id: ")
        json.append(raw: Array(resumePoint().utf8))
        json.append(0x0A)
    }
}
