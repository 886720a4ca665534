package import SecurityPolicy
package import TagStore
package import Tags

/// Gives each write one decision, one execution and one verdict.
///
/// A write is decided twice: when it comes, and again when its turn has come. In between its intent is made durable in the
/// audit log, and it waits in the lane of its device. Its verdict is durable before anybody hears of it. Whose turn it is
/// stands in `WriteLanes`, what a value becomes in `ValueCoercion`; here is the order in which things happen.
package actor WriteArbiter {
    /// Who writes to a tag; nil for a tag without a driver that runs. Cheap: it is asked twice for every write.
    package typealias Writers = @Sendable (TagHandle) -> WriteTarget?
    /// The principal as of now, with its groups of now; nil when it may no longer do anything.
    package typealias Principals = @Sendable (Principal) -> Principal?

    /// What the wait for a turn ends in.
    enum Turn {
        case begun
        case late
        case stopping
    }

    /// What a write whose turn has come ends in.
    enum Ending {
        case answered(WriteOutcome)
        /// It is no longer allowed, or no longer the same: the device was not touched.
        case overtaken(WriteVerdict)
    }

    nonisolated let store: TagStore
    nonisolated let policy: PolicyBox
    nonisolated let journal: WriteJournal
    nonisolated let writers: Writers
    nonisolated let principals: Principals
    nonisolated let limits: WriteLimits

    private var lanes: WriteLanes
    private var turns: [WriteLanes.Ticket: CheckedContinuation<Turn, Never>] = [:]
    private var endings: [WriteLanes.Ticket: CheckedContinuation<Ending, Never>] = [:]
    private var open = 0
    /// Of each principal that has any, by its description, which names its kind.
    private var openByPrincipal: [String: Int] = [:]
    private var isStopping = false
    private var waitingForEnd: [CheckedContinuation<Void, Never>] = []
    private var ticks: Task<Void, Never>?

    /// How often what waits too long is looked for.
    private static let tick = Duration.milliseconds(100)

    /// - Parameter principals: looks up again who asked, when a write's turn has come.
    package init(
        store: TagStore, policy: PolicyBox, audit: AuditLog, limits: WriteLimits = WriteLimits(),
        principals: @escaping Principals = { $0 }, writers: @escaping Writers
    ) {
        self.init(
            store: store, policy: policy, journal: WriteJournal(audit), limits: limits, principals: principals,
            writers: writers)
    }

    /// Tests bring a journal that fails.
    init(
        store: TagStore, policy: PolicyBox, journal: WriteJournal, limits: WriteLimits = WriteLimits(),
        principals: @escaping Principals = { $0 }, writers: @escaping Writers
    ) {
        self.store = store
        self.policy = policy
        self.journal = journal
        self.writers = writers
        self.principals = principals
        self.limits = limits
        lanes = WriteLanes(limits: limits)
    }

    /// One verdict for each request, in order. Durable in the audit log when it returns.
    ///
    /// The writes are carried out one after the other, and to the end whether or not the caller is cancelled: what has
    /// begun has a verdict.
    package func perform(
        _ requests: [WriteRequest], by principal: Principal, from source: WriteSource
    ) async -> [WriteVerdict] {
        guard !isStopping else { return refuseAll(requests, "the gateway is stopping", principal, source) }
        guard requests.count <= limits.inAll - open else {
            return refuseAll(
                requests, "\(open) writes have no verdict yet, and at most \(limits.inAll) may", principal, source)
        }
        let asker = principal.description
        let own = openByPrincipal[asker, default: 0]
        guard requests.count <= limits.perPrincipal - own else {
            return refuseAll(
                requests, "\(own) writes of \(asker) have no verdict yet, and at most \(limits.perPrincipal) may",
                principal, source)
        }
        open += requests.count
        openByPrincipal[asker] = own + requests.count
        let run = WriteRun(principal: principal, source: source, deadline: .now + limits.patience)
        // Not a child of the caller, whose cancellation it must outlive; waited for right here.
        let verdicts = await Task { await self.carryOut(requests, run) }.value
        open -= requests.count
        let left = openByPrincipal[asker, default: 0] - requests.count
        openByPrincipal[asker] = left > 0 ? left : nil
        if open == 0 { ended() }
        return verdicts
    }

    /// Takes no more writes, gives up those that wait, and returns when those that have begun have their verdicts, or
    /// after `limit`.
    ///
    /// - Returns: whether all have their verdicts.
    @discardableResult
    package func stop(within limit: Duration) async -> Bool {
        isStopping = true
        for ticket in lanes.giveUpWaiting(at: .now) { turns.removeValue(forKey: ticket)?.resume(returning: .stopping) }
        guard open > 0 else { return true }
        let alarm = Task {
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            ended()
        }
        await withCheckedContinuation { waitingForEnd.append($0) }
        alarm.cancel()
        return open == 0
    }

    private func ended() {
        let waiting = waitingForEnd
        waitingForEnd = []
        for waiter in waiting { waiter.resume() }
    }

    private func refuseAll(
        _ requests: [WriteRequest], _ reason: String, _ principal: Principal, _ source: WriteSource
    ) -> [WriteVerdict] {
        requests.map { request in
            let verdict = WriteVerdict(tag: request.tag, .rejected(.busy), reason: reason)
            journal.note(.refusal(verdict, request, by: principal, from: source))
            return verdict
        }
    }

    // MARK: Turns

    /// A place for a write that was accepted, or why there is none.
    func enter(_ write: PreparedWrite, mustBeginBy deadline: ContinuousClock.Instant) -> Result<WriteLanes.Ticket, Busy>
    {
        if isStopping { return .failure(Busy(reason: "the gateway is stopping")) }
        switch lanes.enter(device: write.target.device, tag: write.handle, mustBeginBy: deadline) {
        case .admitted(let ticket):
            startTicking()
            return .success(ticket)
        case .tagIsFull(let count): return .failure(Busy(reason: "\(count) writes to the tag are already waiting"))
        case .deviceIsFull(let count):
            return .failure(Busy(reason: "\(count) writes to the device are already waiting"))
        }
    }

    struct Busy: Error {
        let reason: String
    }

    /// Waits until it is this one's turn; when it is not to be, the place is given up.
    func turn(of ticket: WriteLanes.Ticket) async -> Turn {
        switch lanes.makeReady(ticket, at: .now) {
        case .begun: return .begun
        case .gone: return isStopping ? .stopping : .late
        case .waiting: return await withCheckedContinuation { turns[ticket] = $0 }
        }
    }

    func leave(_ ticket: WriteLanes.Ticket) {
        if let next = lanes.leave(ticket, at: .now) { turns.removeValue(forKey: next)?.resume(returning: .begun) }
    }

    /// Decides again, hands the value to the driver, and leaves the lane when that has answered, waited for or not.
    func execute(
        _ write: PreparedWrite, _ request: WriteRequest, _ run: WriteRun, _ ticket: WriteLanes.Ticket
    ) async -> Ending {
        await withCheckedContinuation { continuation in
            endings[ticket] = continuation
            // Ends with the driver's answer, which its contract bounds.
            Task {
                let ending = await attempt(write, request, run)
                endings.removeValue(forKey: ticket)?.resume(returning: ending)
                leave(ticket)
            }
        }
    }

    private func attempt(_ write: PreparedWrite, _ request: WriteRequest, _ run: WriteRun) async -> Ending {
        // With nothing between it and the driver: what was allowed when the write came may not be any more.
        guard run.source.isOpen() else {
            return .overtaken(
                WriteVerdict(
                    tag: write.definition.name.text, .rejected(.writesOff),
                    reason: "the agent was stopped or changed while the write waited; it was not carried out"))
        }
        switch prepare(request, run.principal, run.source) {
        case .success(let now) where now.isSame(as: write):
            return .answered(await now.target.writer.write(now.data, to: now.handle))
        case .success:
            return .overtaken(
                WriteVerdict(
                    tag: write.definition.name.text, .rejected(.busy),
                    reason: "the tag's configuration changed while the write waited; it was not carried out"))
        case .failure(let rejection): return .overtaken(rejection.verdict)
        }
    }

    /// Looks for what waits too long, as long as anything is under way.
    private func startTicking() {
        guard ticks == nil else { return }
        ticks = Task {
            while !lanes.isEmpty {
                try? await Task.sleep(for: WriteArbiter.tick)
                expire()
            }
            ticks = nil
        }
    }

    private func expire() {
        let expiry = lanes.expire(at: .now)
        for ticket in expiry.late { turns.removeValue(forKey: ticket)?.resume(returning: .late) }
        for ticket in expiry.begun { turns.removeValue(forKey: ticket)?.resume(returning: .begun) }
        for ticket in expiry.overdue {
            let reason = "the driver has not answered within \(limits.longestWrite)"
            endings.removeValue(forKey: ticket)?.resume(returning: .answered(.unknown(reason: reason)))
        }
    }
}
