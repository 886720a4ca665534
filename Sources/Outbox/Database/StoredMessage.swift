/// How far an agent's rows reach: a row, and what had come with it and all before.
struct OutboxMark: Sendable, Equatable {
    var row: Int64 = 0
    var messages: Int64 = 0
    var events: Int64 = 0
    var bytes: Int64 = 0
}

/// A sequence in its epoch.
struct OutboxSequence: Sendable, Equatable {
    /// Of the table of epochs.
    var epoch: Int64
    var number: UInt64
}

/// Up to where an agent's messages were delivered, dropped or set aside.
struct OutboxCursor: Sendable, Equatable {
    var mark = OutboxMark()
    var sequence = OutboxSequence(epoch: 0, number: 0)
}

/// A row as it is written: a chunk, and with a sequence the end of a message.
struct StoredRow: Sendable {
    var mark: OutboxMark
    var lane: Int
    /// The row in which its message begins.
    var first: Int64
    /// nil: no message ends here.
    var sequence: OutboxSequence?
    var offset = 0
    /// A message that was set aside and is sent again, or that was in memory only: what comes before it says nothing about
    /// gaps, it carries its own.
    var isAgain = false
    /// How many sequences were dropped directly before it.
    var gap: UInt64 = 0
    /// In this chunk; of the whole message where one ends.
    var events: Int
    /// Milliseconds since 1970.
    var time: Int64
    /// Of the `AgeClock`.
    var age: Int64
    var topic: String?
    /// Where it is cut, in events.
    var parts: [Int] = []
    var head: [UInt8]
    var tail: [UInt8]
    var trims: [OutboxChunk.Trim]
    var bytes: [UInt8]
}

/// A message as it is read.
struct StoredMessage: Sendable {
    var mark: OutboxMark
    var sequence: OutboxSequence
    var offset: Int
    var isAgain: Bool
    /// Of one that `isAgain`: how many sequences were dropped directly before it.
    var gap: UInt64 = 0
    var events: Int
    var time: Int64
    var age: Int64
    var topic: String?
    var parts: [Int]
    var content: OutboxContent
    /// False where a crash would lose it.
    var isDurable = true
    /// Where the sequence's epoch is not in the table: a message that was never on the disk.
    var epochText: String?
    var counted = Counted()

    /// What of a message is counted among what the disk has got although the message is not there: its first chunks were,
    /// when the disk failed.
    struct Counted {
        var events = 0
        var bytes = 0
    }
}

extension [OutboxChunk.Trim] {
    /// As it stands in a row.
    var stored: String? { isEmpty ? nil : map { "\($0.fromEnd):\($0.count)" }.joined(separator: ",") }

    init(stored: String?) {
        guard let stored else {
            self = []
            return
        }
        self = stored.split(separator: ",").compactMap { pair in
            let numbers = pair.split(separator: ":").compactMap { Int($0) }
            guard numbers.count == 2, numbers.allSatisfy({ (0...Int(OutboxLimits.most)).contains($0) }) else {
                return nil
            }
            return OutboxChunk.Trim(fromEnd: numbers[0], count: numbers[1])
        }
    }
}

extension [Int] {
    /// As it stands in a row.
    var stored: String? { isEmpty ? nil : map { "\($0)" }.joined(separator: ",") }

    init(stored: String?) {
        guard let stored else {
            self = []
            return
        }
        self = stored.split(separator: ",").compactMap { Int($0) }.filter {
            (0...Int(OutboxLimits.most)).contains($0)
        }
    }
}
