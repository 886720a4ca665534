package import Tags
import WireFormat

/// Collects rendered events and cuts them into messages. Pure.
package struct MessageAssembler: Sendable {
    private let prefixes: [[UInt8]]
    private let maxEvents: Int
    private var json: JSONBytes
    private var events = 0

    package init(items: [Item], maxEvents: Int) {
        prefixes = items.map { MessageRenderer.prefix(for: $0.name) }
        self.maxEvents = max(1, maxEvents)
        json = JSONBytes(capacity: 4096)
        startOver()
    }

    package var waiting: Int { events }
    package var isFull: Bool { events >= maxEvents }

    /// Adds one event. The caller cuts when `isFull`.
    package mutating func append(_ value: TagValue, slot: Int) {
        if events > 0 { json.append(0x2C) }
        MessageRenderer.append(event: prefixes[slot], value, to: &json)
        events += 1
    }

    /// The waiting events as one message, nil when there are none.
    package mutating func cut(at time: Timestamp) -> Message? {
        guard events > 0 else { return nil }
        MessageRenderer.appendTail(to: &json)
        var head = JSONBytes(capacity: MessageAssembler.headRoom)
        MessageRenderer.appendHead(time: time, to: &head)
        // The room kept at the front takes the head, so that the events are not copied again.
        let start = MessageAssembler.headRoom - head.count
        let message = Message(bytes: json.take(frontedBy: head, at: start), start: start, events: events)
        startOver()
        return message
    }

    /// `{"timestamp":`, an Int64 and `,"values":[`.
    private static let headRoom = 44

    private mutating func startOver() {
        json.startOver(keeping: MessageAssembler.headRoom)
        events = 0
    }
}

/// A batch of events as it goes on the wire.
package struct Message: Sendable, Equatable {
    private let bytes: [UInt8]
    private let start: Int
    package let events: Int

    init(bytes: [UInt8], start: Int, events: Int) {
        self.bytes = bytes
        self.start = start
        self.events = events
    }

    package init(payload: [UInt8], events: Int) {
        self.init(bytes: payload, start: 0, events: events)
    }

    /// Bytes on the wire.
    package var payload: ArraySlice<UInt8> { bytes[start...] }
}
