/// Rendered events of one message, or what ends it.
///
/// A message may come in several chunks, each committed by itself. Every chunk says with what the message would begin and
/// end if it were the last, so that what a crash leaves is a whole message.
package struct OutboxChunk: Sendable, Equatable {
    /// Bytes that are only for between two events, in the last event.
    package struct Trim: Sendable, Equatable {
        /// From its first byte to the end of the chunk.
        package var fromEnd: Int
        package var count: Int

        package init(fromEnd: Int, count: Int) {
            self.fromEnd = fromEnd
            self.count = count
        }
    }

    /// Tells messages apart that are filled beside each other, one for each topic.
    package var lane: Int
    package var topic: String?
    package var bytes: [UInt8]
    package var events: Int
    package var head: [UInt8]
    package var tail: [UInt8]
    package var trims: [Trim]
    /// Milliseconds since 1970.
    package var time: Int64
    /// Whether the message ends here.
    package var isLast: Bool

    package init(
        lane: Int = 0, topic: String? = nil, bytes: [UInt8], events: Int, head: [UInt8] = [], tail: [UInt8] = [],
        trims: [Trim] = [], time: Int64, isLast: Bool = true
    ) {
        self.lane = lane
        self.topic = topic
        self.bytes = bytes
        self.events = events
        self.head = head
        self.tail = tail
        self.trims = trims
        self.time = time
        self.isLast = isLast
    }

    /// Bytes that it takes, with a flat sum for what is kept beside them.
    var size: Int { bytes.count + head.count + tail.count + (topic?.utf8.count ?? 0) + OutboxChunk.overhead }

    static let overhead = 64

    /// Takes what comes next in the same message.
    mutating func append(_ next: OutboxChunk) {
        bytes.append(contentsOf: next.bytes)
        events += next.events
        head = next.head
        tail = next.tail
        // Without events it says nothing about the last one.
        if next.events > 0 { trims = next.trims }
        time = next.time
        isLast = next.isLast
    }
}
