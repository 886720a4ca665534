package import Tags

/// The shape of what is published: text with variables between bars, parsed once. WIRE.md §2.
///
/// A message is a head, events and a tail. An event is rendered when it comes, with what is to stand behind every event but
/// the last; `trim` takes that off the one which turns out to be the last.
package struct MessageTemplate: Sendable, Equatable {
    enum Piece: Sendable, Equatable {
        case text([UInt8])
        /// Milliseconds since 1970.
        case serverTimestamp
        /// ISO 8601 in UTC with milliseconds.
        case serverDate(isQuoted: Bool)
        case tagName(NameStyle)
        /// Ready for JSON: a string comes quoted.
        case value
        case quality
        /// Milliseconds since 1970.
        case timestamp
        case beginSeparator
        case endSeparator
    }

    enum NameStyle: Sendable, Equatable {
        /// A JSON string.
        case quoted
        /// For between the quotes of one.
        case escaped
        case raw
    }

    var head: [Piece]
    var event: [Piece]
    var tail: [Piece]

    init(head: [Piece], event: [Piece], tail: [Piece]) {
        self.head = head
        self.event = event
        self.tail = tail
    }

    /// `{"timestamp":T,"values":[{"id":"…","v":…,"q":…,"t":…},…]}`, which `MessageRenderer` writes as well, and faster.
    package static let standard = MessageTemplate(
        head: [.text(Array(#"{"timestamp":"#.utf8)), .serverTimestamp, .text(Array(#","values":["#.utf8))],
        event: [
            .text(Array(#"{"id":"#.utf8)), .tagName(.quoted), .text(Array(#","v":"#.utf8)), .value,
            .text(Array(#","q":"#.utf8)), .quality, .text(Array(#","t":"#.utf8)), .timestamp, .text([0x7D]),
            .beginSeparator, .text([0x2C]), .endSeparator,
        ],
        tail: [.text(Array("]}".utf8))])

    /// Whether a variable stands in it that only the sender knows.
    package var hasSendersVariables: Bool {
        (head + tail).contains { if case .text(let text) = $0 { text.contains(0) } else { false } }
    }

    package func appendHead(time: Timestamp, to json: inout JSONBytes) {
        for piece in head { MessageTemplate.append(piece, time: time, to: &json) }
    }

    package func appendTail(time: Timestamp, to json: inout JSONBytes) {
        for piece in tail { MessageTemplate.append(piece, time: time, to: &json) }
    }

    private static func append(_ piece: Piece, time: Timestamp, to json: inout JSONBytes) {
        switch piece {
        case .text(let text): json.append(raw: text)
        case .serverTimestamp: json.append(integer: time.milliseconds)
        case .serverDate(isQuoted: true): json.append(date: time)
        case .serverDate(isQuoted: false): json.append(bareDate: time)
        case .tagName, .value, .quality, .timestamp, .beginSeparator, .endSeparator: break
        }
    }

    /// One event.
    ///
    /// - Parameters:
    ///   - name: of the tag.
    ///   - time: when the event was taken, for the gateway's own time inside an event.
    /// - Returns: where in `json` stands what is only for between events.
    package func append(
        event name: TemplateName, _ value: TagValue, time: @autoclosure () -> Timestamp, to json: inout JSONBytes
    ) -> [Range<Int>] {
        var separators: [Range<Int>] = []
        var begin = 0
        for piece in event {
            switch piece {
            case .text(let text): json.append(raw: text)
            case .tagName(.quoted):
                json.append(0x22)
                json.append(raw: name.escaped)
                json.append(0x22)
            case .tagName(.escaped): json.append(raw: name.escaped)
            case .tagName(.raw): json.append(raw: name.raw)
            case .value: json.append(data: value.data)
            case .quality: json.append(bool: value.quality.isGood && value.data.isWritable)
            case .timestamp: json.append(integer: value.timestamp.milliseconds)
            case .serverTimestamp, .serverDate: MessageTemplate.append(piece, time: time(), to: &json)
            case .beginSeparator: begin = json.count
            case .endSeparator: separators.append(begin..<json.count)
            }
        }
        return separators
    }

    /// Takes what is only for between events off the last one.
    package static func trim(_ separators: [Range<Int>], from json: inout JSONBytes) {
        for range in separators.reversed() { json.remove(range) }
    }
}

extension MessageTemplate {
    /// Why a message of so many events is no JSON, where the template begins like JSON; nil where it is, or is not meant
    /// to be.
    ///
    /// - Parameters:
    ///   - data: of each event.
    ///   - filling: puts something in the place of variables that only the sender knows.
    package func flawAsJSON(
        events: Int, data: TagData = .double(1.5), filling: ([UInt8]) -> [UInt8] = { $0 }
    ) -> JSONError? {
        let name = TemplateName(TagName(validated: "Channel.Device.Tag"))
        let value = TagValue(data: data, timestamp: .now)
        var json = JSONBytes()
        appendHead(time: .now, to: &json)
        let first = json.bytes.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
        guard first == 0x7B || first == 0x5B else { return nil }
        var separators: [Range<Int>] = []
        for _ in 0..<events { separators = append(event: name, value, time: .now, to: &json) }
        MessageTemplate.trim(separators, from: &json)
        appendTail(time: .now, to: &json)
        do throws(JSONError) {
            _ = try JSONReader.value(filling(json.bytes))
            return nil
        } catch {
            return error
        }
    }
}

/// A tag's name as templates write it.
package struct TemplateName: Sendable, Equatable {
    let raw: [UInt8]
    /// For between the quotes of a JSON string.
    let escaped: [UInt8]

    package init(_ name: TagName) {
        raw = Array(name.text.utf8)
        var json = JSONBytes(capacity: raw.count + 8)
        json.append(string: name.text)
        escaped = Array(json.bytes.dropFirst().dropLast())
    }
}
