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

        /// Adds an event of the standard template.
        @inline(__always)
        mutating func append(_ value: TagValue, prefix: [UInt8], headRoom: Int) {
            if events == 0 { json.startOver(keeping: headRoom) } else { json.append(0x2C) }
            MessageRenderer.append(event: prefix, value, to: &json)
            events += 1
        }

        /// Adds an event of any template.
        mutating func append(
            _ value: TagValue, name: TemplateName, template: MessageTemplate, time: @autoclosure () -> Timestamp,
            headRoom: Int
        ) {
            if events == 0 { json.startOver(keeping: headRoom) }
            separators = template.append(event: name, value, time: time(), to: &json)
            events += 1
        }

        /// What waits, as a message; afterwards nothing does.
        mutating func message(_ template: MessageTemplate, headRoom: Int, at time: Timestamp) -> Message {
            MessageTemplate.trim(separators, from: &json)
            template.appendTail(time: time, to: &json)
            var head = JSONBytes(capacity: headRoom)
            template.appendHead(time: time, to: &head)
            // The room kept at the front takes the head, so that the events are not copied again.
            let start = headRoom - head.count
            defer {
                events = 0
                separators = []
            }
            return Message(bytes: json.take(frontedBy: head, at: start), start: start, events: events, topic: topic)
        }
    }

    private let template: MessageTemplate
    private let isStandard: Bool
    /// Of each slot: how its events begin, in the standard template.
    private let prefixes: [[UInt8]]
    /// Of each slot, for other templates.
    private let names: [TemplateName]
    private let maxEvents: Int
    private let headRoom: Int
    /// Where there is one topic for all: beside the others, so that the usual case need not look for its batch.
    private var whole = Batch(topic: nil)
    /// Of each slot, its batch; empty where there is one topic for all.
    private let batchOfSlot: [Int]
    private var batches: [Batch]
    /// Those in which something waits, in the order in which it came.
    private var filled: [Int] = []
    /// Bytes of all events that wait in `batches`.
    private var waiting = 0
    private let mostWaiting: Int

    /// Bytes of events that wait for all topics, unless said otherwise: `maxEvents` bounds one, and there may be as many
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
        var batches: [Batch] = []
        // By bytes, as brokers compare.
        var places: [[UInt8]: Int] = [:]
        batchOfSlot =
            topics.map { topics in
                items.map { item in
                    let topic = topics.topic(of: item.name)
                    let place = places[Array(topic.utf8)] ?? batches.count
                    if place == batches.count {
                        batches.append(Batch(topic: topic))
                        places[Array(topic.utf8)] = place
                    }
                    return place
                }
            } ?? []
        self.batches = batches
    }

    /// So much waits that all of it is to be cut, whatever the rate.
    package var isOverfull: Bool { waiting > mostWaiting }

    /// Adds one event.
    ///
    /// - Parameter time: when, for templates that say so beside each event.
    /// - Returns: the batch that is full now and is to be cut; nil when none is.
    package mutating func append(_ value: TagValue, slot: Int, time: @autoclosure () -> Timestamp = .now) -> Int? {
        guard batchOfSlot.isEmpty else { return append(value, slot: slot, to: batchOfSlot[slot], time: time()) }
        if isStandard {
            whole.append(value, prefix: prefixes[slot], headRoom: headRoom)
        } else {
            whole.append(value, name: names[slot], template: template, time: time(), headRoom: headRoom)
        }
        return whole.events >= maxEvents ? 0 : nil
    }

    private mutating func append(
        _ value: TagValue, slot: Int, to place: Int, time: @autoclosure () -> Timestamp
    ) -> Int? {
        let before = batches[place].events == 0 ? headRoom : batches[place].json.count
        if isStandard {
            batches[place].append(value, prefix: prefixes[slot], headRoom: headRoom)
        } else {
            batches[place].append(value, name: names[slot], template: template, time: time(), headRoom: headRoom)
        }
        waiting += batches[place].json.count - before
        if batches[place].events == 1 { filled.append(place) }
        return batches[place].events >= maxEvents ? place : nil
    }

    /// The events that wait in one batch as one message, nil when there are none.
    package mutating func cut(_ place: Int, at time: Timestamp) -> Message? {
        guard !batchOfSlot.isEmpty else { return cutWhole(at: time) }
        guard batches.indices.contains(place), batches[place].events > 0 else { return nil }
        filled.removeAll { $0 == place }
        return message(of: place, at: time)
    }

    /// All events that wait, a message for each topic.
    package mutating func cut(at time: Timestamp) -> [Message] {
        guard !batchOfSlot.isEmpty else { return cutWhole(at: time).map { [$0] } ?? [] }
        defer { filled.removeAll(keepingCapacity: true) }
        return filled.map { message(of: $0, at: time) }
    }

    private mutating func cutWhole(at time: Timestamp) -> Message? {
        whole.events > 0 ? whole.message(template, headRoom: headRoom, at: time) : nil
    }

    private mutating func message(of place: Int, at time: Timestamp) -> Message {
        waiting -= batches[place].json.count - headRoom
        return batches[place].message(template, headRoom: headRoom, at: time)
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
