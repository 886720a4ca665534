import Tags

/// Whose turn it is: one write at a time for each device, and so for each tag, in the order in which they came.
///
/// Pure: it is told what happens and answers who may begin. A device has a lane of its own, so that one that hangs holds
/// up nobody else's writes.
struct WriteLanes: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// A place in a lane.
    struct Ticket: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    enum Admission: Equatable {
        case admitted(Ticket)
        /// So many wait already.
        case tagIsFull(Int)
        case deviceIsFull(Int)
    }

    /// What the clock brought about.
    struct Expiry: Equatable {
        /// They waited too long, and have left.
        var late: [Ticket] = []
        /// Begun so long ago that nobody waits any more. They keep their lane until they leave.
        var overdue: [Ticket] = []
        /// Whose turn it is because others left.
        var begun: [Ticket] = []
    }

    private enum State {
        /// The intent is not durable yet: the place is kept.
        case arriving
        case waiting
        case running
        /// Running, with nobody who waits.
        case abandoned
    }

    private struct Place {
        var device: String
        var tag: TagHandle
        var state: State
        /// Until when it must have begun; once it has, until when it is waited for.
        var deadline: Instant
    }

    private let limits: WriteLimits
    private var places: [Ticket: Place] = [:]
    /// By device, the first one being the one that runs or is next.
    private var lanes: [String: [Ticket]] = [:]
    private var last: UInt64 = 0

    init(limits: WriteLimits) {
        self.limits = limits
    }

    var isEmpty: Bool { places.isEmpty }

    /// Takes a place at the end of the device's lane. It begins only after `makeReady`.
    mutating func enter(device: String, tag: TagHandle, mustBeginBy deadline: Instant) -> Admission {
        let lane = lanes[device] ?? []
        // The one that runs does not wait.
        let waiting = lane.filter { places[$0].map { $0.state == .arriving || $0.state == .waiting } ?? false }
        guard waiting.count < limits.perDevice else { return .deviceIsFull(waiting.count) }
        let same = waiting.count { places[$0]?.tag == tag }
        guard same < limits.perTag else { return .tagIsFull(same) }
        last += 1
        let ticket = Ticket(number: last)
        places[ticket] = Place(device: device, tag: tag, state: .arriving, deadline: deadline)
        lanes[device, default: []].append(ticket)
        return .admitted(ticket)
    }

    enum Readiness: Equatable {
        case begun
        case waiting
        /// It waited too long already, and has left.
        case gone
    }

    /// Says that a place may be called, and whether it is at once.
    mutating func makeReady(_ ticket: Ticket, at now: Instant) -> Readiness {
        guard let place = places[ticket], place.state == .arriving else { return .gone }
        places[ticket]?.state = .waiting
        return call(place.device, at: now) == ticket ? .begun : .waiting
    }

    /// Gives a place up, begun or not; whose turn it is now.
    mutating func leave(_ ticket: Ticket, at now: Instant) -> Ticket? {
        guard let place = places.removeValue(forKey: ticket) else { return nil }
        lanes[place.device]?.removeAll { $0 == ticket }
        if lanes[place.device]?.isEmpty ?? false { lanes[place.device] = nil }
        return call(place.device, at: now)
    }

    /// What has waited too long.
    mutating func expire(at now: Instant) -> Expiry {
        removeWaiting(at: now) { $0 <= now }
    }

    /// Nobody who waits is called any more.
    mutating func giveUpWaiting(at now: Instant) -> [Ticket] {
        removeWaiting(at: now) { _ in true }.late
    }

    private mutating func removeWaiting(at now: Instant, if isLate: (Instant) -> Bool) -> Expiry {
        var expiry = Expiry()
        for (ticket, place) in places {
            switch place.state {
            // Its owner will find it gone.
            case .arriving, .waiting: if isLate(place.deadline) { expiry.late.append(ticket) }
            case .running: if place.deadline <= now { expiry.overdue.append(ticket) }
            case .abandoned: break
            }
        }
        expiry.late.sort { $0.number < $1.number }
        expiry.overdue.sort { $0.number < $1.number }
        for ticket in expiry.overdue { places[ticket]?.state = .abandoned }
        for ticket in expiry.late {
            if let next = leave(ticket, at: now) { expiry.begun.append(next) }
        }
        // One that was called because another left may itself be late.
        expiry.begun.removeAll { places[$0] == nil }
        return expiry
    }

    private mutating func call(_ device: String, at now: Instant) -> Ticket? {
        guard let first = lanes[device]?.first, places[first]?.state == .waiting else { return nil }
        places[first]?.state = .running
        places[first]?.deadline = now + limits.longestWrite
        return first
    }
}
