import Foundation
package import Logging
import Synchronization

/// The append-only log of who did what: `audit.sqlite` in the data directory, chained by hash and signed at intervals.
///
/// One process at a time: the gateway's lock on the data directory sees to that. Nothing here blocks the caller's thread.
package final class AuditLog: Sendable {
    private let exchange: AuditExchange
    package let dataDirectory: String

    private init(dataDirectory: String, exchange: AuditExchange) {
        self.dataDirectory = dataDirectory
        self.exchange = exchange
    }

    deinit {
        exchange.state.withLock { $0.isClosing = true }
        exchange.wake.signal()
    }

    /// Opens or makes the log. A disk that is full or does not answer is no error here: `record` says so until it is
    /// better. Throws for what only an operator can mend: a newer version's database, a bad key.
    package static func open(
        dataDirectory: String, options: AuditOptions = AuditOptions(), logger: Logger? = nil
    ) async throws(AuditError) -> AuditLog {
        let exchange = AuditExchange(options: options)
        let opened = await withCheckedContinuation { (done: CheckedContinuation<Result<Void, AuditError>, Never>) in
            let thread = Thread {
                let writer = AuditWriter(
                    dataDirectory: dataDirectory, exchange: exchange, options: options, logger: logger)
                guard writer.start(done) else { return }
                writer.work()
            }
            thread.name = "audit"
            thread.start()
        }
        try opened.get()
        return AuditLog(dataDirectory: dataDirectory, exchange: exchange)
    }

    /// Takes an event that nobody waits for: logins and refused decisions. Never blocks, bounded; what is alike within
    /// a second becomes one entry with its count.
    ///
    /// - Parameter isTold: false does the same work and takes nothing, so that the time of an answer does not tell what
    ///   the log hears of from what it does not.
    package func note(_ event: AuditEvent, isTold: Bool = true) {
        let event = event.bounded
        let isFirst = exchange.state.withLock { state in
            guard !state.isClosed else { return false }
            return isTold ? state.notes.add(event, now: .now) : state.notes.knows(event)
        }
        // The thread then knows when the second is over.
        if isFirst, isTold { exchange.wake.signal() }
    }

    /// Durable when it returns: writes and administration. May use the reserve.
    package func record(_ events: [AuditEvent]) async throws(AuditError) {
        guard !events.isEmpty else { return }
        let events = events.map(\.bounded)
        try await answered { (state, done) in
            guard state.waitingEvents + events.count <= AuditExchange.waitingLimit || state.requests.isEmpty else {
                return .database(path: self.path, reason: "too many entries wait for the disk")
            }
            state.requests.append(.init(events: events, done: done))
            state.waitingEvents += events.count
            return nil
        }
    }

    package func record(_ event: AuditEvent) async throws(AuditError) { try await record([event]) }

    /// Everything noted so far is durable when it returns.
    package func flush() async throws(AuditError) {
        try await answered { (state, done) in
            state.flushes.append(done)
            return nil
        }
    }

    /// Signs the end of the log as it is now, to be kept elsewhere.
    package func head() async throws(AuditError) -> AuditHead {
        try await answered { (state, done) in
            state.headRequests.append(done)
            return nil
        }
    }

    /// Bounds count from the next entry on.
    package func update(options: AuditOptions) {
        exchange.state.withLock { $0.options = options }
        exchange.wake.signal()
    }

    /// Writes what is noted, signs the head and closes the database. Nothing can be recorded afterwards.
    package func close() async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            let isClosed = exchange.state.withLock { state in
                if !state.isClosed { state.closing.append(done) }
                state.isClosing = true
                return state.isClosed
            }
            if isClosed { done.resume() } else { exchange.wake.signal() }
        }
    }

    package var status: AuditStatus { exchange.state.withLock { $0.status } }

    /// Reads the same log.
    package var reader: AuditReader { AuditReader(dataDirectory: dataDirectory) }

    /// One element after each commit, at most one waiting; it ends with the log.
    package func commits() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let exchange = exchange
        let number = exchange.state.withLock { state -> Int? in
            guard !state.isClosed else { return nil }
            state.nextListener += 1
            state.listeners[state.nextListener] = continuation
            return state.nextListener
        }
        guard let number else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { _ in
            // Taken out first and let go outside the lock, which its end takes again.
            let gone = exchange.state.withLock { $0.listeners.removeValue(forKey: number) }
            withExtendedLifetime(gone) {}
        }
        return stream
    }

    private var path: String { dataDirectory + "/audit.sqlite" }

    /// Puts a request before the thread and waits for its answer; a refusal by `place` is the answer.
    private func answered<Value: Sendable>(
        _ place: (inout AuditExchange.State, CheckedContinuation<Result<Value, AuditError>, Never>) -> AuditError?
    ) async throws(AuditError) -> Value {
        let result = await withCheckedContinuation { (done: CheckedContinuation<Result<Value, AuditError>, Never>) in
            let refusal = exchange.state.withLock { state -> AuditError? in
                state.isClosed ? .database(path: path, reason: "it is closed") : place(&state, done)
            }
            if let refusal { done.resume(returning: .failure(refusal)) } else { exchange.wake.signal() }
        }
        return try result.get()
    }
}

extension AuditWriter {
    /// Opens at the start; false when the log cannot be had at all.
    fileprivate func start(_ done: CheckedContinuation<Result<Void, AuditError>, Never>) -> Bool {
        do throws(AuditError) {
            try openFirst()
            done.resume(returning: .success(()))
            return true
        } catch {
            done.resume(returning: .failure(error))
            return false
        }
    }
}
