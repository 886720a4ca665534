import SecurityPolicy
import TagStore
import Tags

/// What the writes of one request have in common.
struct WriteRun: Sendable {
    let principal: Principal
    let source: WriteSource
    /// A write that has not begun by then is not carried out.
    let deadline: ContinuousClock.Instant
}

extension WriteArbiter {
    /// As many intents as go into the audit log together.
    private static let intentsTogether = 512

    /// A write on its way through one request.
    private enum Step {
        case accepted(PreparedWrite)
        case done(WriteVerdict)
    }

    /// Carries out the writes of one request in order. The verdicts of one part are made durable together with the
    /// intents of the next.
    func carryOut(_ requests: [WriteRequest], _ run: WriteRun) async -> [WriteVerdict] {
        var verdicts: [WriteVerdict] = []
        verdicts.reserveCapacity(requests.count)
        /// The verdicts that are not durable yet, by their index, with their entries.
        var owed: [(index: Int, event: AuditEvent)] = []
        var start = 0
        while start < requests.count {
            let part = requests[start..<min(start + WriteArbiter.intentsTogether, requests.count)]
            start = part.endIndex
            var first: WriteLanes.Ticket?
            var steps = accept(part, run, &first)
            let intents = zip(part, steps).compactMap { request, step in
                if case .accepted(let write) = step { AuditEvent.intent(write, run) } else { nil }
            }
            if !intents.isEmpty {
                do throws(AuditError) {
                    try await journal.record(owed.map(\.event) + intents)
                    owed = []
                } catch {
                    if let first { leave(first) }
                    first = nil
                    steps = refuse(steps, part, run, "the audit log takes no entry: \(error)")
                }
            }
            for (request, step) in zip(part, steps) {
                switch step {
                case .done(let verdict): verdicts.append(verdict)
                case .accepted(let write):
                    let (verdict, event) = await carryOut(write, request, run, first)
                    first = nil
                    owed.append((verdicts.count, event))
                    verdicts.append(verdict)
                }
            }
        }
        await settle(owed, &verdicts)
        return verdicts
    }

    /// Decides each, and takes a place for the first that may run: so two requests for one tag run in the order in which
    /// they came, whatever the audit log takes for each.
    private func accept(
        _ part: ArraySlice<WriteRequest>, _ run: WriteRun, _ first: inout WriteLanes.Ticket?
    ) -> [Step] {
        part.map { request in
            switch prepare(request, run.principal, run.source) {
            case .failure(let rejection):
                journal.note(.refusal(rejection.verdict, request, by: run.principal, from: run.source))
                return .done(rejection.verdict)
            case .success(let write):
                guard first == nil else { return .accepted(write) }
                switch enter(write, mustBeginBy: run.deadline) {
                case .success(let ticket):
                    first = ticket
                    return .accepted(write)
                case .failure(let busy):
                    let verdict = WriteVerdict(
                        tag: write.definition.name.text, .rejected(.busy), reason: busy.reason)
                    journal.note(.refusal(verdict, request, by: run.principal, from: run.source))
                    return .done(verdict)
                }
            }
        }
    }

    /// No intent is durable: no device is touched.
    private func refuse(
        _ steps: [Step], _ part: ArraySlice<WriteRequest>, _ run: WriteRun, _ reason: String
    ) -> [Step] {
        zip(part, steps).map { request, step in
            guard case .accepted(let write) = step else { return step }
            let verdict = WriteVerdict(
                tag: write.definition.name.text, .rejected(.auditUnavailable), reason: reason)
            journal.note(.refusal(verdict, request, by: run.principal, from: run.source))
            return .done(verdict)
        }
    }

    /// One write whose intent is durable: waits for its turn, decides again, and touches the device.
    private func carryOut(
        _ write: PreparedWrite, _ request: WriteRequest, _ run: WriteRun, _ held: WriteLanes.Ticket?
    ) async -> (WriteVerdict, AuditEvent) {
        func end(_ outcome: WriteVerdict.Outcome, _ reason: String = "", old: TagData? = nil) -> (
            WriteVerdict, AuditEvent
        ) {
            let verdict = WriteVerdict(tag: write.definition.name.text, outcome, reason: reason)
            return (verdict, .verdict(verdict, write, old: old, run))
        }
        let ticket: WriteLanes.Ticket
        if let held {
            ticket = held
        } else {
            switch enter(write, mustBeginBy: run.deadline) {
            case .success(let admitted): ticket = admitted
            case .failure(let busy): return end(.rejected(.busy), busy.reason)
            }
        }
        switch await turn(of: ticket) {
        case .begun: break
        case .late:
            return end(.rejected(.busy), "its turn did not come within \(limits.patience); it was not carried out")
        case .stopping: return end(.rejected(.busy), "the gateway is stopping; it was not carried out")
        }
        guard ContinuousClock.now < run.deadline else {
            leave(ticket)
            return end(.rejected(.busy), "its turn did not come within \(limits.patience); it was not carried out")
        }
        let old = store.read([write.handle]).first?.data
        switch await execute(write, request, run, ticket) {
        case .answered(.confirmed): return end(.applied, old: old)
        case .answered(.refused(let refusal)):
            return end(.rejected(.init(rawValue: refusal.code.rawValue) ?? .deviceRefused), refusal.reason)
        case .answered(.unknown(let reason)): return end(.unknown, reason, old: old)
        case .overtaken(let verdict): return (verdict, .verdict(verdict, write, old: nil, run))
        }
    }

    /// Makes the last verdicts durable. One that cannot be is not told: its write was carried out or not, and who asks
    /// the log will find the intent alone.
    private func settle(_ owed: [(index: Int, event: AuditEvent)], _ verdicts: inout [WriteVerdict]) async {
        guard !owed.isEmpty else { return }
        do throws(AuditError) {
            try await journal.record(owed.map(\.event))
        } catch {
            for (index, _) in owed {
                let word = verdicts[index].word
                verdicts[index].outcome = .unknown
                verdicts[index].reason = "the verdict, \(word), could not be put into the audit log: \(error)"
            }
        }
    }
}
