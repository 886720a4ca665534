import Tags
import Testing

@testable import Writes

/// Whose turn it is, without a clock and without a device.
@Suite("Write lanes", .timeLimit(.minutes(1)))
struct WriteLanesTests {
    let start = ContinuousClock.now
    let limits = WriteLimits(perTag: 2, perDevice: 3, patience: .seconds(10), longestWrite: .seconds(30))

    func tag(_ index: UInt32) -> TagHandle { TagHandle(index: index) }

    func enter(
        _ lanes: inout WriteLanes, _ device: String, _ index: UInt32, at now: ContinuousClock.Instant
    ) throws -> WriteLanes.Ticket {
        let admission = lanes.enter(device: device, tag: tag(index), mustBeginBy: now + limits.patience)
        guard case .admitted(let ticket) = admission else { throw Full() }
        return ticket
    }

    struct Full: Error {}

    @Test func oneAtATimeForADeviceInOrder() throws {
        var lanes = WriteLanes(limits: limits)
        let a = try enter(&lanes, "P.1", 1, at: start)
        let b = try enter(&lanes, "P.1", 2, at: start)
        let other = try enter(&lanes, "P.2", 3, at: start)
        // The second is ready before the first: it waits all the same, and nobody else does.
        #expect(lanes.makeReady(b, at: start) == .waiting)
        #expect(lanes.makeReady(other, at: start) == .begun)
        #expect(lanes.makeReady(a, at: start) == .begun)
        #expect(lanes.leave(a, at: start) == b)
        #expect(lanes.leave(b, at: start) == nil)
        #expect(!lanes.isEmpty)
        #expect(lanes.leave(other, at: start) == nil)
        #expect(lanes.isEmpty)
        #expect(lanes.leave(a, at: start) == nil, "leaving twice does no harm")
        #expect(lanes.makeReady(a, at: start) == .gone)
    }

    @Test func onesWhoseIntentFailedDoNotHoldTheLane() throws {
        var lanes = WriteLanes(limits: limits)
        let a = try enter(&lanes, "P.1", 1, at: start)
        let b = try enter(&lanes, "P.1", 1, at: start)
        #expect(lanes.makeReady(b, at: start) == .waiting)
        #expect(lanes.leave(a, at: start) == b)
    }

    @Test func aFullTagAndAFullDeviceRefuse() throws {
        var lanes = WriteLanes(limits: limits)
        let running = try enter(&lanes, "P.1", 1, at: start)
        #expect(lanes.makeReady(running, at: start) == .begun)
        _ = try enter(&lanes, "P.1", 1, at: start)
        _ = try enter(&lanes, "P.1", 1, at: start)
        #expect(lanes.enter(device: "P.1", tag: tag(1), mustBeginBy: start) == .tagIsFull(2))
        _ = try enter(&lanes, "P.1", 2, at: start)
        #expect(lanes.enter(device: "P.1", tag: tag(3), mustBeginBy: start) == .deviceIsFull(3))
        _ = try enter(&lanes, "P.2", 4, at: start)
    }

    @Test func whatWaitsTooLongLeavesAndWhatRunsTooLongKeepsItsLane() throws {
        var lanes = WriteLanes(limits: limits)
        let running = try enter(&lanes, "P.1", 1, at: start)
        #expect(lanes.makeReady(running, at: start) == .begun)
        let waiting = try enter(&lanes, "P.1", 2, at: start)
        #expect(lanes.makeReady(waiting, at: start) == .waiting)
        #expect(lanes.expire(at: start + .seconds(9)) == .init())
        #expect(lanes.expire(at: start + .seconds(10)) == .init(late: [waiting]))
        let second = try enter(&lanes, "P.1", 2, at: start + .seconds(29))
        #expect(lanes.makeReady(second, at: start + .seconds(29)) == .waiting)
        #expect(lanes.expire(at: start + .seconds(30)) == .init(overdue: [running]))
        #expect(lanes.expire(at: start + .seconds(31)) == .init(), "told once")
        // The driver answers after all.
        #expect(lanes.leave(running, at: start + .seconds(32)) == second)
    }

    @Test func oneThatNeverBecameReadyLetsTheNextBegin() throws {
        var lanes = WriteLanes(limits: limits)
        let arriving = try enter(&lanes, "P.1", 1, at: start)
        let next = try enter(&lanes, "P.1", 2, at: start + .seconds(5))
        #expect(lanes.makeReady(next, at: start + .seconds(5)) == .waiting)
        #expect(lanes.expire(at: start + .seconds(10)) == .init(late: [arriving], begun: [next]))
        #expect(lanes.makeReady(arriving, at: start + .seconds(10)) == .gone)
    }

    @Test func givingUpLeavesOnlyWhatRuns() throws {
        var lanes = WriteLanes(limits: limits)
        let running = try enter(&lanes, "P.1", 1, at: start)
        #expect(lanes.makeReady(running, at: start) == .begun)
        let waiting = try enter(&lanes, "P.1", 2, at: start)
        #expect(lanes.makeReady(waiting, at: start) == .waiting)
        let other = try enter(&lanes, "P.2", 3, at: start)
        #expect(Set(lanes.giveUpWaiting(at: start)) == [waiting, other])
        #expect(lanes.leave(running, at: start) == nil)
        #expect(lanes.isEmpty)
    }

    /// Random comings and goings: never two at once for a device, always in order, nobody forgotten.
    @Test func randomOrdersKeepTheRules() throws {
        for _ in 0..<200 {
            var lanes = WriteLanes(limits: WriteLimits(perTag: 5, perDevice: 8))
            var running: [String: WriteLanes.Ticket] = [:]
            var entered: [String: [WriteLanes.Ticket]] = [:]
            var arriving: [(ticket: WriteLanes.Ticket, device: String)] = []
            func begins(_ ticket: WriteLanes.Ticket, _ device: String) {
                #expect(running[device] == nil)
                #expect(entered[device]?.first == ticket)
                running[device] = ticket
            }
            for _ in 0..<300 {
                let device = "P.\(Int.random(in: 0..<3))"
                switch Int.random(in: 0..<3) {
                case 0:
                    let tag = tag(UInt32.random(in: 0..<4))
                    if case .admitted(let ticket) = lanes.enter(
                        device: device, tag: tag, mustBeginBy: start + .seconds(60))
                    {
                        entered[device, default: []].append(ticket)
                        arriving.append((ticket, device))
                    }
                case 1:
                    guard let index = arriving.indices.randomElement() else { continue }
                    let (ticket, device) = arriving.remove(at: index)
                    if lanes.makeReady(ticket, at: start) == .begun { begins(ticket, device) }
                default:
                    guard let ticket = running.removeValue(forKey: device) else { continue }
                    entered[device]?.removeFirst()
                    if let next = lanes.leave(ticket, at: start) { begins(next, device) }
                }
            }
        }
    }
}
