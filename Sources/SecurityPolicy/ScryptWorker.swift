import Foundation
import Synchronization

/// Computes one scrypt at a time on a thread of its own at low priority, with a short queue: a flood of passwords
/// costs one core's idle time and 32 MiB, and slows nobody else.
final class ScryptWorker: Sendable {
    /// Waiting computations beyond which a check is refused.
    static let queueLimit = 16
    /// Places of these that are kept for who logged in before.
    static let reserve = 4
    /// How many one applicant may have waiting or under way: one client cannot fill the queue.
    static let limitPerApplicant = 2

    /// Who asks, for a fair share of the queue.
    struct Applicant: Sendable {
        /// What the share is counted by: a client's address, and for who logged in before the name with it.
        var key: String
        /// Whether the same name logged in from there before.
        var isKnown = false
    }

    private struct Job {
        let password: [UInt8]
        let salt: [UInt8]
        let parameters: PasswordHash.Parameters
        let applicant: Applicant?
        let done: CheckedContinuation<Answer, Never>
    }

    private enum Answer {
        /// nil when the parameters cannot be computed.
        case digest([UInt8]?)
        case refused
    }

    private struct State {
        var waiting: [Job] = []
        /// Who waits for what is being computed; nil once nobody does.
        var underWay: CheckedContinuation<Answer, Never>?
        /// Nothing is computed any more.
        var isClosed = false
        /// Of each applicant, waiting or under way.
        var shares: [String: Int] = [:]
        var stopped = false
        var threadStarted = false

        func admits(_ applicant: Applicant?) -> Bool {
            guard let applicant else { return waiting.count < queueLimit - reserve }
            guard shares[applicant.key, default: 0] < limitPerApplicant else { return false }
            return waiting.count < (applicant.isKnown ? queueLimit : queueLimit - reserve)
        }

        mutating func leave(_ applicant: Applicant?) {
            guard let key = applicant?.key, let share = shares[key] else { return }
            shares[key] = share > 1 ? share - 1 : nil
        }
    }

    /// What the thread holds, so that it does not keep the worker itself alive.
    private final class Core: Sendable {
        let state = Mutex(State())
        let wake = DispatchSemaphore(value: 0)

        func work() {
            // With `who` 0 Linux changes the calling thread alone; a refusal only means ordinary priority.
            _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
            while true {
                wake.wait()
                let (job, stopped) = state.withLock { state -> (Job?, Bool) in
                    guard !state.waiting.isEmpty else { return (nil, state.stopped) }
                    let job = state.waiting.removeFirst()
                    state.underWay = job.done
                    return (job, false)
                }
                if stopped { return }
                guard let job else { continue }
                let digest = PasswordHash.digest(of: job.password, salt: job.salt, parameters: job.parameters)
                let waits = state.withLock { state -> CheckedContinuation<Answer, Never>? in
                    state.leave(job.applicant)
                    defer { state.underWay = nil }
                    return state.underWay
                }
                waits?.resume(returning: .digest(digest))
            }
        }
    }

    private let core = Core()
    /// How many have been computed, for tests.
    private let computed = Atomic<Int>(0)

    var computations: Int { computed.load(ordering: .relaxed) }

    deinit {
        // Nobody awaits any more: whoever does holds the worker.
        core.state.withLock { $0.stopped = true }
        core.wake.signal()
    }

    /// The digest, or nil when the parameters cannot be computed. Throws `busy` when the queue or the applicant's share
    /// of it is full; `always` joins it all the same, for what an operator does.
    func digest(
        of password: [UInt8], salt: [UInt8], parameters: PasswordHash.Parameters, for applicant: Applicant? = nil,
        always: Bool = false
    ) async throws(SecurityPolicyError) -> [UInt8]? {
        let answer = await withCheckedContinuation { (done: CheckedContinuation<Answer, Never>) in
            let job = Job(
                password: password, salt: salt, parameters: parameters, applicant: applicant, done: done)
            let (accepted, startThread) = core.state.withLock { state -> (Bool, Bool) in
                guard !state.isClosed, always || state.admits(applicant) else { return (false, false) }
                state.waiting.append(job)
                if let key = applicant?.key { state.shares[key, default: 0] += 1 }
                defer { state.threadStarted = true }
                return (true, !state.threadStarted)
            }
            guard accepted else { return done.resume(returning: .refused) }
            if startThread {
                let core = core
                let thread = Thread { core.work() }
                thread.name = "scrypt"
                thread.start()
            }
            core.wake.signal()
        }
        guard case .digest(let digest) = answer else { throw .busy }
        computed.add(1, ordering: .relaxed)
        return digest
    }

    /// Computes nothing any more. Who waits is told at once that it is busy, also who waits for what is under way: with a
    /// full queue that may take longer than a stop.
    func close() {
        let given = core.state.withLock { state in
            state.isClosed = true
            let given = state.waiting.map(\.done) + (state.underWay.map { [$0] } ?? [])
            for job in state.waiting { state.leave(job.applicant) }
            state.waiting = []
            state.underWay = nil
            return given
        }
        for waiter in given { waiter.resume(returning: .refused) }
    }
}
