/// What a receiver has recorded, held against the identities that the gateway gave: what is lost, what came twice and what
/// came late.
///
/// The record is lines of JSON in the order in which the messages came, with the members that `DeliveryIdentity` names.
/// What was sent before the first and after the last message of the record cannot be missed, nor can the last parts of a
/// message that was cut: no part says how many there are.
package struct DeliveryReport: Sendable, Codable, Equatable {
    /// One agent's one epoch: sequences of two epochs have nothing to do with each other.
    package struct Stream: Sendable, Codable, Equatable {
        package var gateway: String
        package var agent: String
        package var epoch: String
        /// The lowest and the highest sequence that came.
        package var first: UInt64
        package var last: UInt64
        /// That came, each counted once.
        package var messages: UInt64
        package var events: UInt64
        package var lines: Int
        /// Sequences between first and last that neither came nor were announced as dropped.
        package var lost: UInt64
        package var lostRanges: [Range]
        /// Sequences that the gateway announced as dropped and that did not come.
        package var dropped: UInt64
        package var droppedRanges: [Range]
        /// Holes in messages that came in parts.
        package var incomplete: Int
        package var holes: [Hole]
        /// Lines that bring nothing new.
        package var duplicated: Int
        /// First arrivals behind one that was sent later. A dead letter that is sent again is one.
        package var reordered: Int

        package var isComplete: Bool { lost == 0 && incomplete == 0 }
    }

    package struct Range: Sendable, Codable, Equatable {
        package var from: UInt64
        package var to: UInt64

        static func list(_ ranges: SequenceRanges, longest: Int) -> [Range] {
            ranges.ranges.prefix(longest).map { Range(from: $0.lowerBound, to: $0.upperBound) }
        }
    }

    /// Events of a message that did not come although later ones of it did.
    package struct Hole: Sendable, Codable, Equatable {
        package var sequence: UInt64
        package var from: UInt32
        package var to: UInt32
    }

    /// What is wrong with a line.
    package struct Problem: Sendable, Codable, Equatable {
        package var source: String
        package var line: Int
        package var reason: String
    }

    /// In the order in which they began.
    package var streams: [Stream]
    /// Lines that say nothing about a message.
    package var others: Int
    package var problems: [Problem]
    package var problemCount: Int
    package var warnings: [Problem]
    /// Nothing is lost, and every line could be read.
    package var isComplete: Bool

    /// Adds up a record line by line.
    package struct Builder: Sendable {
        private static let longest = 1000
        private static let mostProblems = 100
        private static let mostStreams = 10_000

        private let limits: DeliveryStream.Limits
        private var streams: [DeliveryStream.Key: DeliveryStream] = [:]
        private var order: [DeliveryStream.Key] = []
        private var source = ""
        private var line = 0
        private var others = 0
        private var problems: [Problem] = []
        private var problemCount = 0
        private var warnings: [Problem] = []

        package init() { self.init(limits: DeliveryStream.Limits()) }

        init(limits: DeliveryStream.Limits) {
            self.limits = limits
        }

        /// What follows is from another file, which goes on where the one before ended.
        package mutating func begin(source: String) {
            self.source = source
            line = 0
        }

        /// Adds a line without its end.
        package mutating func add(line text: ArraySlice<UInt8>) {
            line += 1
            guard text.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else { return }
            do throws(RecordedLine.Flaw) {
                try take(text)
            } catch {
                complain(error.reason)
            }
        }

        package mutating func add(line text: String) { add(line: Array(text.utf8)[...]) }

        /// Adds what stands behind the last line's end: the receiver may have been in the middle of writing it.
        package mutating func add(unended text: ArraySlice<UInt8>) {
            guard !text.isEmpty else { return }
            line += 1
            do throws(RecordedLine.Flaw) {
                try take(text)
            } catch {
                warn("the last line is torn and was passed over: \(error.reason)")
            }
        }

        /// A line that could not be read at all.
        package mutating func add(unreadable reason: String) {
            line += 1
            complain(reason)
        }

        private mutating func take(_ text: ArraySlice<UInt8>) throws(RecordedLine.Flaw) {
            guard let recorded = try RecordedLine(text) else {
                others += 1
                return
            }
            let key = DeliveryStream.Key(gateway: recorded.gateway, agent: recorded.agent, epoch: recorded.epoch)
            if streams[key] == nil {
                guard order.count < Builder.mostStreams else {
                    throw RecordedLine.Flaw(reason: "there are more than \(Builder.mostStreams) agents and epochs")
                }
                streams[key] = DeliveryStream(limits: limits)
                order.append(key)
            }
            try streams[key]?.add(recorded)
        }

        private mutating func complain(_ reason: String) {
            problemCount += 1
            guard problems.count < Builder.mostProblems else { return }
            problems.append(Problem(source: source, line: line, reason: reason))
        }

        private mutating func warn(_ reason: String) {
            guard warnings.count < Builder.mostProblems else { return }
            warnings.append(Problem(source: source, line: line, reason: reason))
        }

        /// What there is up to now.
        package var report: DeliveryReport {
            let results = order.compactMap { key in streams[key]?.result(key, longest: Builder.longest) }
            return DeliveryReport(
                streams: results, others: others, problems: problems, problemCount: problemCount, warnings: warnings,
                isComplete: problemCount == 0 && results.allSatisfy(\.isComplete))
        }
    }
}
