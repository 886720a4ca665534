/// A message as it goes to the peer, with all that tells it from every other.
package struct OutboxMessage: Sendable {
    /// What the queue knows it by while it is on its way.
    package let ticket: UInt64
    /// 32 hexadecimal digits.
    package let epoch: String
    package let sequence: UInt64
    /// The first of its events, where it was split; else 0.
    package let offset: Int
    package let events: Int
    /// What was dropped directly before it.
    package let gap: ClosedRange<UInt64>?
    package let topic: String?
    let content: OutboxContent

    /// - Parameters:
    ///   - gateway: its name, for templates that say it.
    ///   - agent: its name.
    package func payload(gateway: String, agent: String) -> [UInt8] {
        let (head, tail) = (content.head, content.tail)
        guard head.contains(DeliveryIdentity.mark) || tail.contains(DeliveryIdentity.mark) else {
            return content.payload(head: head, tail: tail)
        }
        let identity = identity(gateway: gateway, agent: agent)
        return content.payload(head: identity.filled(head), tail: identity.filled(tail))
    }

    package func identity(gateway: String, agent: String) -> DeliveryIdentity {
        DeliveryIdentity(
            gateway: gateway, agent: agent, epoch: epoch, sequence: sequence, offset: offset, events: events, gap: gap)
    }
}

/// What a message consists of: the events as they were rendered, and what stands around them.
struct OutboxContent: Sendable, Equatable {
    var head: [UInt8]
    var tail: [UInt8]
    var chunks: [[UInt8]]
    var trims: [OutboxChunk.Trim]

    var size: Int { chunks.reduce(head.count + tail.count) { $0 + $1.count } }

    /// The events alone, without what is only for between two behind the last.
    var body: [UInt8] {
        var body = chunks.count == 1 ? chunks[0] : Array(chunks.joined())
        trim(&body, from: 0)
        return body
    }

    func payload(head: [UInt8], tail: [UInt8]) -> [UInt8] {
        var payload: [UInt8] = []
        payload.reserveCapacity(size)
        payload.append(contentsOf: head)
        for chunk in chunks { payload.append(contentsOf: chunk) }
        trim(&payload, from: head.count)
        payload.append(contentsOf: tail)
        return payload
    }

    private func trim(_ bytes: inout [UInt8], from start: Int) {
        let end = bytes.count
        // From the back, so that what is in front stays where it is. Read from a file: nothing is taken for granted.
        for trim in trims.sorted(by: { $0.fromEnd < $1.fromEnd }) {
            let first = end - trim.fromEnd
            guard trim.count > 0, trim.fromEnd >= trim.count, first >= start, first + trim.count <= bytes.count else {
                continue
            }
            bytes.removeSubrange(first..<(first + trim.count))
        }
    }
}
