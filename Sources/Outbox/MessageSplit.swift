/// A message's events one by one: where they are JSON values with a comma between two, whatever the template around them.
struct MessageSplit {
    private let content: OutboxContent
    private let body: [UInt8]
    /// Of each event in `body`.
    private let events: [Range<Int>]

    /// nil where the events cannot be told apart.
    init?(_ content: OutboxContent, events count: Int) {
        guard count > 1 else { return nil }
        let body = content.body
        guard let events = MessageSplit.values(of: body), events.count == count else { return nil }
        self.content = content
        self.body = body
        self.events = events
    }

    /// The events of a range as a message of their own.
    func content(_ range: Range<Int>) -> OutboxContent {
        let bytes = Array(body[events[range.lowerBound].lowerBound..<events[range.upperBound - 1].upperBound])
        return OutboxContent(head: content.head, tail: content.tail, chunks: [bytes], trims: [])
    }

    /// The most that a part of the identity takes, where a template has a place for it.
    private static let identityBytes = 300

    /// Before which events it is to be cut so that no part has more bytes; an event that is larger by itself is a part of
    /// its own. nil where that would not make it smaller.
    func cuts(bytes: Int) -> [Int]? {
        let marks = (content.head + content.tail).count { $0 == DeliveryIdentity.mark }
        let room = bytes - content.head.count - content.tail.count - marks * MessageSplit.identityBytes
        var cuts: [Int] = []
        var start = 0
        for index in 1..<events.count
        where events[index].upperBound - events[start].lowerBound > room {
            cuts.append(index)
            start = index
        }
        return cuts.isEmpty ? nil : cuts
    }

    /// The values of a list without its brackets; nil where it is none. Only brackets, strings and commas are looked at.
    private static func values(of body: [UInt8]) -> [Range<Int>]? {
        var values: [Range<Int>] = []
        var depth = 0
        var start: Int?
        var end = 0
        var isString = false
        var isEscaped = false
        for (index, byte) in body.enumerated() {
            if isString {
                if isEscaped {
                    isEscaped = false
                } else if byte == 0x5C {
                    isEscaped = true
                } else if byte == 0x22 {
                    isString = false
                }
                end = index + 1
                continue
            }
            switch byte {
            case 0x20, 0x09, 0x0A, 0x0D: continue
            case 0x2C where depth == 0:
                guard let first = start else { return nil }
                values.append(first..<end)
                start = nil
                continue
            case 0x22: isString = true
            case 0x7B, 0x5B: depth += 1
            case 0x7D, 0x5D: depth -= 1
            default: break
            }
            guard depth >= 0 else { return nil }
            if start == nil { start = index }
            end = index + 1
        }
        guard depth == 0, !isString, let first = start else { return nil }
        values.append(first..<end)
        return values
    }
}
