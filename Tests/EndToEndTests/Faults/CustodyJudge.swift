import FoundationEssentials
import TestPeers

/// Holds what a gateway said that it has custody of against what arrived.
struct CustodyJudge {
    /// The furthest that was reported as committed, of one agent.
    struct Watermark: Equatable {
        var epoch: String
        var sequence: Int
        /// Since the outbox was made.
        var events: Int
        /// When the gateway that said so had ended, in milliseconds since 1970: what it took was before, what others took
        /// comes after. By their numbers alone nobody could tell: what was not committed gives them to others.
        var until: Int64
    }

    struct Verdict: CustomStringConvertible {
        var kills = 0
        var committedEvents = 0
        var committedMessages = 0
        var receivedEvents = 0
        var lostMessages: [Int] = []
        /// Values of a counter that are missing between two that came.
        var missingValues: [String] = []
        var duplicates = 0
        /// Between two beginnings of the gateway.
        var mostDuplicatesAtOnce = 0
        var reordered = 0

        /// At one of the ends.
        var lostEvents = 0
        var isLossless: Bool { lostMessages.isEmpty && missingValues.isEmpty && lostEvents == 0 }

        var description: String {
            "\(kills) kills, \(committedMessages) messages and \(committedEvents) events committed, "
                + "\(receivedEvents) events received, lost \(lostMessages.count) messages and \(lostEvents) events, "
                + "\(missingValues.count) values missing, \(duplicates) duplicates (at most \(mostDuplicatesAtOnce) after "
                + "one kill), \(reordered) out of order"
        }
    }

    /// What the gateway needed for it, at most.
    struct Use: CustomStringConvertible {
        /// From a start until something arrived.
        var recovery = Duration.zero
        /// Bytes, of any run.
        var memory = 0
        /// Bytes, after any run.
        var disk = 0

        mutating func note(recovery: Duration?, memory: Int, disk: Int) {
            self.recovery = max(self.recovery, recovery ?? .zero)
            self.memory = max(self.memory, memory)
            self.disk = max(self.disk, disk)
        }

        var description: String {
            "at most \(recovery.components.seconds * 1000 + recovery.components.attoseconds / 1_000_000_000_000_000) ms "
                + "from a start to the first arrival, \(memory >> 20) MiB of memory, \(disk >> 10) KiB on the disk"
        }
    }

    var use = Use()
    /// By agent.
    private(set) var watermarks: [String: [Watermark]] = [:]
    private(set) var kills = 0
    /// When runs ended, in milliseconds since 1970.
    private var ends: [Int64] = []

    /// Takes what one run of the gateway logged at level trace.
    ///
    /// - Parameter end: when it had ended, in milliseconds since 1970.
    mutating func take(_ log: [String], until end: Int64, isKilled: Bool) {
        if isKilled { kills += 1 }
        ends.append(end)
        var last: [String: Watermark] = [:]
        for line in log where line.contains(" Committed ") {
            var words: [Substring: Substring] = [:]
            for word in line.split(separator: " ") {
                let parts = word.split(separator: "=", maxSplits: 1)
                if parts.count == 2 { words[parts[0]] = parts[1] }
            }
            guard let agent = words["agent"], let epoch = words["epoch"],
                let sequence = words["sequence"].flatMap({ Int($0) }), let events = words["events"].flatMap({ Int($0) })
            else { continue }
            last[String(agent)] = Watermark(epoch: String(epoch), sequence: sequence, events: events, until: end)
        }
        for (agent, watermark) in last { watermarks[agent, default: []].append(watermark) }
    }

    /// What became of one agent's events.
    ///
    /// - Parameters:
    ///   - records: of its receiver, in the order in which they came.
    ///   - counter: a tag that counts up by one, from 0 when the gateway starts.
    func verdict(of agent: String, _ records: [Recorded], counter: String) -> Verdict {
        var verdict = Verdict(kills: kills)
        let own = records.filter { $0.agent == agent && $0.isAccepted && $0.identity != nil }
        var first: [Recorded.Identity: Recorded] = [:]
        var order: [Recorded] = []
        var highest: [String: Int] = [:]
        // Of what came twice, since something new did.
        var again: Set<Recorded.Identity> = []
        for record in own {
            guard let identity = record.identity else { continue }
            guard first[identity] == nil else {
                verdict.duplicates += 1
                again.insert(identity)
                verdict.mostDuplicatesAtOnce = max(verdict.mostDuplicatesAtOnce, again.count)
                continue
            }
            again = []
            first[identity] = record
            order.append(record)
            let before = highest[identity.epoch] ?? 0
            if identity.sequence < before { verdict.reordered += 1 }
            highest[identity.epoch] = max(before, identity.sequence)
        }
        let events = order.flatMap { CustodyJudge.events(in: $0.payload ?? "") }
        verdict.receivedEvents = events.count
        for (epoch, marks) in Dictionary(grouping: watermarks[agent] ?? [], by: \.epoch) {
            let most = marks.map(\.sequence).max() ?? 0
            let seen = Set(first.keys.lazy.filter { $0.epoch == epoch }.map(\.sequence))
            verdict.committedMessages += most
            if most > 0 { verdict.lostMessages += (1...most).filter { !seen.contains($0) } }
        }
        let times = events.map(\.t).sorted()
        for mark in watermarks[agent] ?? [] {
            let received = times.firstIndex { $0 > mark.until } ?? times.count
            verdict.lostEvents = max(verdict.lostEvents, mark.events - received)
            verdict.committedEvents = max(verdict.committedEvents, mark.events)
        }
        verdict.missingValues = missing(events.filter { $0.id == counter })
        return verdict
    }

    /// Where a counter jumps within a run. How far it came before a kill nobody knows, nor where the next run was first
    /// looked at.
    private func missing(_ events: [Payload.Event]) -> [String] {
        zip(events, events.dropFirst()).compactMap { last, next in
            let isNewRun = ends.contains { last.t <= $0 && $0 < next.t }
            guard let before = last.v, let now = next.v, !isNewRun, now != before + 1 else { return nil }
            return "\(before) → \(now)"
        }
    }

    private struct Payload: Decodable {
        struct Event: Decodable {
            let id: String
            let v: Int?
            let t: Int64
        }

        let values: [Event]
    }

    private static func events(in payload: String) -> [Payload.Event] {
        (try? JSONDecoder().decode(Payload.self, from: Data(payload.utf8)))?.values ?? []
    }
}
