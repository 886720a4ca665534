package import Tags
package import WireFormat

/// Collects rendered events and cuts them into messages, one topic beside the other. Pure.
package struct MessageAssembler: Sendable {
    /// What waits for one topic.
    private struct Batch: Sendable {
        /// nil: the agent's own.
        let topic: String?
        var json = JSONBytes()
        var events = 0
        /// In the last event, what is only for between two.
        var separators: [Range<Int>] = []
    }

    private let template: MessageTemplate
    private let isStandard: Bool
    /// Of each slot: how its events begin, in the standard template.
    private let prefixes: [[UInt8]]
    /// Of each slot, for other templates.
    private let names: [TemplateName]
    /// Of each slot, its batch; empty where there is one for all.
    private let batchOfSlot: [Int]
    private let maxEvents: Int
    private let headRoom: Int
    private var batches: [Batch]
    /// Those in which something waits, in the order in which it came.
    private var filled: [Int] = []
    /// Bytes of all events that wait.
    private var waiting = 0
    private let mostWaiting: Int

    /// Bytes of events that wait in all batches, unless said otherwise: `maxEvents` bounds one, and there may be as many
    /// as tags.
    package static let mostWaiting = 8 << 20

    package init(
        items: [Item], maxEvents: Int, template: MessageTemplate = .standard, topics: TopicTemplate? = nil,
        mostWaiting: Int = MessageAssembler.mostWaiting
    ) {
        self.template = template
        self.mostWaiting = mostWaiting
        self.maxEvents = max(1, maxEvents)
        isStandard = template == .standard
        headRoom = template.headRoom
        prefixes = isStandard ? items.map { MessageRenderer.prefix(for: $0.name) } : []
        names = isStandard ? [] : items.map { TemplateName($0.name) }
        guard let topics else {
            batches = [Batch(topic: nil)]
            batchOfSlot = []
            return
        }
        var batches: [Batch] = []
        // By bytes, as brokers compare.
        var places: [[UInt8]: Int] = [:]
        batchOfSlot = items.map { item in
            let topic = topics.topic(of: item.name)
            let place = places[Array(topic.utf8)] ?? batches.count
            if place == batches.count {
                batches.append(Batch(topic: topic))
                places[Array(topic.utf8)] = place
            }
            return place
        }
        self.batches = batches
    }

    /// So much waits that all of it is to be cut, whatever the rate.
    package var isOverfull: Bool { waiting > mostWaiting }

    /// Adds one event.
    ///
    /// - Parameter time: when, for templates that say so beside each event.
    /// - Returns: the batch that is full now and is to be cut; nil when none is.
    package mutating func append(_ value: TagValue, slot: Int, time: @autoclosure () -> Timestamp = .now) -> Int? {
        let place = batchOfSlot.isEmpty ? 0 : batchOfSlot[slot]
        if batches[place].events == 0 {
            batches[place].json.startOver(keeping: headRoom)
            filled.append(place)
        }
        let before = batches[place].json.count
        if isStandard {
            if batches[place].events > 0 { batches[place].json.append(0x2C) }
            MessageRenderer.append(event: prefixes[slot], value, to: &batches[place].json)
        } else {
            batches[place].separators = template.append(
                event: names[slot], value, time: time(), to: &batches[place].json)
        }
        waiting += batches[place].json.count - before
        batches[place].events += 1
        return batches[place].events >= maxEvents ? place : nil
    }

    /// The events that wait in one batch as one message, nil when there are none.
    package mutating func cut(_ place: Int, at time: Timestamp) -> Message? {
        guard batches.indices.contains(place), batches[place].events > 0 else { return nil }
        filled.removeAll { $0 == place }
        return message(of: place, at: time)
    }

    /// All events that wait, a message for each topic.
    package mutating func cut(at time: Timestamp) -> [Message] {
        defer { filled.removeAll(keepingCapacity: true) }
        return filled.map { message(of: $0, at: time) }
    }

    private mutating func message(of place: Int, at time: Timestamp) -> Message {
        waiting -= batches[place].json.count - headRoom
        MessageTemplate.trim(batches[place].separators, from: &batches[place].json)
        template.appendTail(time: time, to: &batches[place].json)
        var head = JSONBytes(capacity: headRoom)
        template.appendHead(time: time, to: &head)
        // The room kept at the front takes the head, so that the events are not copied again.
        let start = headRoom - head.count
        let message = Message(
            bytes: batches[place].json.take(frontedBy: head, at: start), start: start, events: batches[place].events,
            topic: batches[place].topic)
        batches[place].events = 0
        batches[place].separators = []
        return message
    }
}

/// A batch of events as it goes on the wire.
package struct Message: Sendable, Equatable {
    private let bytes: [UInt8]
    private let start: Int
    package let events: Int
    /// nil: the agent's own.
    package let topic: String?

    init(bytes: [UInt8], start: Int, events: Int, topic: String?) {
        self.bytes = bytes
        self.start = start
        self.events = events
        self.topic = topic
    }

    package init(payload: [UInt8], events: Int, topic: String? = nil) {
        self.init(bytes: payload, start: 0, events: events, topic: topic)
    }

    /// Bytes on the wire.
    package var payload: ArraySlice<UInt8> { bytes[start...] }
    /// Bytes that it takes while it waits.
    package var size: Int { bytes.count - start + (topic?.utf8.count ?? 0) }
}
