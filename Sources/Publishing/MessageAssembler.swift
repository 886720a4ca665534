package import Outbox
package import Tags
package import WireFormat

/// Collects rendered events and cuts them into messages, one topic beside the other. Pure.
///
/// What was collected is given away in chunks, long before a message ends, so that the outbox has custody of it.
package struct MessageAssembler: Sendable {
    /// What waits for one topic.
    private struct Batch: Sendable {
        /// nil: the agent has no topics.
        let topic: String?
        /// Since the last chunk.
        var json = JSONBytes()
        var events = 0
        /// In the last event, what is only for between two.
        var separators: [Range<Int>] = []
        /// Of the message, with those of chunks that were given away.
        var messageEvents = 0
        var messageBytes = 0
        /// Whether it stands in the list of those in which something waits.
        var isListed = false

        /// Adds an event of the standard template.
        @inline(__always)
        mutating func append(_ value: TagValue, prefix: [UInt8]) {
            if messageEvents > 0 { json.append(0x2C) }
            MessageRenderer.append(event: prefix, value, to: &json)
            events += 1
            messageEvents += 1
        }

        /// Adds an event of any template.
        mutating func append(
            _ value: TagValue, name: TemplateName, template: MessageTemplate, time: @autoclosure () -> Timestamp
        ) {
            separators = template.append(event: name, value, time: time(), to: &json)
            events += 1
            messageEvents += 1
        }

        /// What came since the last chunk; with `isLast` the message ends.
        mutating func chunk(
            lane: Int, template: MessageTemplate, at time: Timestamp, isLast: Bool
        ) -> OutboxChunk {
            var head = JSONBytes(capacity: 64)
            template.appendHead(time: time, to: &head)
            var tail = JSONBytes(capacity: 16)
            template.appendTail(time: time, to: &tail)
            let end = json.count
            defer {
                events = 0
                separators = []
                if isLast {
                    messageEvents = 0
                    messageBytes = 0
                }
            }
            return OutboxChunk(
                lane: lane, topic: topic, bytes: json.take(), events: events, head: head.bytes, tail: tail.bytes,
                trims: separators.map { OutboxChunk.Trim(fromEnd: end - $0.lowerBound, count: $0.count) },
                time: time.milliseconds, isLast: isLast)
        }
    }

    private let template: MessageTemplate
    private let isStandard: Bool
    /// Of each slot: how its events begin, in the standard template.
    private let prefixes: [[UInt8]]
    /// Of each slot, for other templates.
    private let names: [TemplateName]
    private let maxEvents: Int
    /// Where there is one topic for all: beside the others, so that the usual case need not look for its batch.
    private var whole: Batch
    /// Of each slot, its batch; empty where there is one topic for all.
    private let batchOfSlot: [Int]
    private var batches: [Batch]
    /// Those in which something waits or waited, in the order in which it came.
    private var filled: [Int] = []
    /// Those to which something came since their last chunk.
    private var touched: [Int] = []
    /// Bytes of all messages in `batches` that have not ended.
    private var waiting = 0
    private let mostWaiting: Int

    /// Bytes of events that wait for all topics, unless said otherwise: `maxEvents` bounds one, and there may be as many
    /// as tags.
    package static let mostWaiting = 8 << 20

    /// - Parameter topic: the one for all, where there are topics.
    package init(
        items: [Item], maxEvents: Int, template: MessageTemplate = .standard, topic: String? = nil,
        topics: TopicTemplate? = nil, mostWaiting: Int = MessageAssembler.mostWaiting
    ) {
        self.template = template
        self.mostWaiting = mostWaiting
        self.maxEvents = max(1, maxEvents)
        isStandard = template == .standard
        prefixes = isStandard ? items.map { MessageRenderer.prefix(for: $0.name) } : []
        names = isStandard ? [] : items.map { TemplateName($0.name) }
        whole = Batch(topic: topic)
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
            whole.append(value, prefix: prefixes[slot])
        } else {
            whole.append(value, name: names[slot], template: template, time: time())
        }
        return whole.messageEvents >= maxEvents ? 0 : nil
    }

    private mutating func append(
        _ value: TagValue, slot: Int, to place: Int, time: @autoclosure () -> Timestamp
    ) -> Int? {
        let before = batches[place].json.count
        if isStandard {
            batches[place].append(value, prefix: prefixes[slot])
        } else {
            batches[place].append(value, name: names[slot], template: template, time: time())
        }
        let added = batches[place].json.count - before
        batches[place].messageBytes += added
        waiting += added
        if batches[place].events == 1 { touched.append(place) }
        if !batches[place].isListed {
            batches[place].isListed = true
            filled.append(place)
        }
        return batches[place].messageEvents >= maxEvents ? place : nil
    }

    /// Ends the message of one batch; nil when it has no events.
    package mutating func cut(_ place: Int, at time: Timestamp) -> OutboxChunk? {
        guard !batchOfSlot.isEmpty else { return cutWhole(at: time) }
        guard batches.indices.contains(place), batches[place].messageEvents > 0 else { return nil }
        waiting -= batches[place].messageBytes
        return batches[place].chunk(lane: place, template: template, at: time, isLast: true)
    }

    /// Ends all messages that have events.
    package mutating func cut(at time: Timestamp) -> [OutboxChunk] {
        guard !batchOfSlot.isEmpty else { return cutWhole(at: time).map { [$0] } ?? [] }
        let places = filled
        filled.removeAll(keepingCapacity: true)
        touched.removeAll(keepingCapacity: true)
        return places.compactMap { place in
            batches[place].isListed = false
            return cut(place, at: time)
        }
    }

    /// What came since the last time, of messages that go on.
    package mutating func flush(at time: @autoclosure () -> Timestamp) -> [OutboxChunk] {
        guard !batchOfSlot.isEmpty else {
            return whole.events > 0 ? [whole.chunk(lane: 0, template: template, at: time(), isLast: false)] : []
        }
        guard !touched.isEmpty else { return [] }
        let places = touched
        touched.removeAll(keepingCapacity: true)
        let now = time()
        return places.compactMap { place in
            batches[place].events > 0
                ? batches[place].chunk(lane: place, template: template, at: now, isLast: false) : nil
        }
    }

    private mutating func cutWhole(at time: Timestamp) -> OutboxChunk? {
        whole.messageEvents > 0 ? whole.chunk(lane: 0, template: template, at: time, isLast: true) : nil
    }
}
