import Dispatch
import Foundation
import Logging
import Synchronization
import Tags

/// What callers and the audit log's thread share.
final class AuditExchange: Sendable {
    struct Request: Sendable {
        var events: [AuditEvent]
        var done: CheckedContinuation<Result<Void, AuditError>, Never>
    }

    struct State: Sendable {
        var options: AuditOptions
        var requests: [Request] = []
        var waitingEvents = 0
        var notes = AuditNotes()
        /// Who waits for everything noted so far.
        var flushes: [CheckedContinuation<Result<Void, AuditError>, Never>] = []
        var headRequests: [CheckedContinuation<Result<AuditHead, AuditError>, Never>] = []
        /// What the export of a segment came to.
        var segment: Result<AuditCheckpoint, AuditError>?
        var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
        var nextListener = 0
        var closing: [CheckedContinuation<Void, Never>] = []
        var isClosing = false
        var isClosed = false
        var status = AuditStatus()
    }

    /// Waiting events beyond which `record` is refused: the disk does not answer.
    static let waitingLimit = 20_000

    let state: Mutex<State>
    let wake = DispatchSemaphore(value: 0)

    init(options: AuditOptions) {
        state = Mutex(State(options: options))
    }
}

/// The audit log's one writer, on a thread of its own. What waits while it commits goes together into the next commit.
final class AuditWriter {
    /// Entries after which a head is signed, and the time after which one is.
    static let headEvery: Int64 = 1000
    static let headInterval = Duration.seconds(600)
    /// After a failure that needs the database to be opened again.
    private static let reopenPause = Duration.milliseconds(500)
    private static let exportPause = Duration.seconds(5)

    let dataDirectory: String
    let path: String
    let exchange: AuditExchange
    let logger: Logger?
    let exports = DispatchQueue(label: "audit-export")

    var database: AuditDatabase?
    var key: AuditKey?
    var options: AuditOptions
    /// Why nothing can be written at present; said once.
    var failure: AuditError?
    /// Whether that is something that does not pass by itself.
    var needsOperator = false
    private var lastAttempt: ContinuousClock.Instant?
    private var lastHead = ContinuousClock.now
    var isExporting = false
    private var lastExportFailure: ContinuousClock.Instant?
    /// Noted events that were not written since the last one that was.
    private var dropped = 0
    /// What the log says about itself with the next commit.
    var announcements: [AuditEvent] = []
    /// The furthest that callers were told is durable.
    private var promised: (chain: [UInt8], sequence: Int64)?

    init(dataDirectory: String, exchange: AuditExchange, options: AuditOptions, logger: Logger?) {
        self.dataDirectory = dataDirectory
        path = dataDirectory + "/audit.sqlite"
        self.exchange = exchange
        self.options = options
        self.logger = logger
    }

    // MARK: The thread

    /// The first opening. What may pass is kept as the failure that `record` answers with; the rest is thrown.
    func openFirst() throws(AuditError) {
        do throws(AuditError) {
            try open()
        } catch {
            if needsOperator { throw error }
            fail(error)
        }
        if !announcements.isEmpty { _ = append([]) }
        if database != nil { _ = currentHead() }
        publishStatus()
    }

    func work() {
        while true {
            _ = exchange.wake.wait(timeout: .now() + .milliseconds(pause()))
            let work = take()
            commit(work)
            maintain()
            for request in work.headRequests { request.resume(returning: currentHead()) }
            publishStatus()
            guard work.isClosing, exchange.state.withLock({ $0.requests.isEmpty && $0.notes.isEmpty }) else { continue }
            close()
            return
        }
    }

    /// How long the thread may sleep, in milliseconds.
    private func pause() -> Int {
        let opened = exchange.state.withLock { $0.notes.opened }
        // Something was dropped: whether there is room again is looked for, with or without an event.
        guard let opened else { return dropped > 0 ? 1000 : 30_000 }
        let left = AuditNotes.window - opened.duration(to: .now)
        return max(0, min(1000, Int(left / .milliseconds(1)) + 1))
    }

    private struct Work {
        var requests: [AuditExchange.Request]
        var notes: [AuditEvent]
        var flushes: [CheckedContinuation<Result<Void, AuditError>, Never>]
        var headRequests: [CheckedContinuation<Result<AuditHead, AuditError>, Never>]
        var isClosing: Bool
    }

    private func take() -> Work {
        let (work, options) = exchange.state.withLock { state in
            let isDue =
                state.isClosing || !state.flushes.isEmpty
                || state.notes.opened.map { $0.duration(to: .now) >= AuditNotes.window } ?? false
            let work = Work(
                requests: state.requests, notes: isDue ? state.notes.take() : [], flushes: state.flushes,
                headRequests: state.headRequests, isClosing: state.isClosing)
            state.requests = []
            state.waitingEvents = 0
            state.flushes = []
            state.headRequests = []
            return (work, state.options)
        }
        if options != self.options {
            self.options = options
            do { try database?.limit(to: options.maximumBytes) } catch { fail(error) }
        }
        return work
    }

    // MARK: Committing

    private func commit(_ work: Work) {
        let records = work.requests.flatMap(\.events)
        let notesFit = hasRoomForNotes()
        var notes = work.notes
        if dropped > 0, notesFit {
            notes.append(
                AuditEvent(
                    .auditLog, of: "entries", by: "sallyport", kind: .localOperator, outcome: .failed,
                    reason: "not written because the log could not take them", count: dropped))
        }
        guard !records.isEmpty || !notes.isEmpty || !announcements.isEmpty else {
            for flush in work.flushes { flush.resume(returning: .success(())) }
            return
        }
        let noteCount = work.notes.reduce(0) { $0 + $1.count }
        var result = append(records + (notesFit ? notes : []))
        var notesResult: Result<Void, AuditError> =
            notesFit ? result : .failure(.full(path: path, reason: "only the reserve is left"))
        if case .failure(.full) = result {
            makeRoom()
            result = append(records)
            notesResult = records.isEmpty ? .failure(failure ?? .full(path: path, reason: "full")) : notesResult
        }
        switch notesResult {
        case .success: dropped = 0
        case .failure: dropped += noteCount
        }
        // Who hears of the outcome may ask at once.
        publishStatus()
        for request in work.requests { request.done.resume(returning: result) }
        for flush in work.flushes { flush.resume(returning: notes.isEmpty ? result : notesResult) }
    }

    private func append(_ events: [AuditEvent]) -> Result<Void, AuditError> {
        guard !events.isEmpty || !announcements.isEmpty else { return .success(()) }
        do {
            // An opening may have something to announce.
            let (database, key) = try opened()
            try database.append(announcements + events, key: key, headEvery: AuditWriter.headEvery)
            announcements = []
            promised = (database.chain, database.last)
            recovered()
            let listeners = exchange.state.withLock { Array($0.listeners.values) }
            for listener in listeners { listener.yield() }
            return .success(())
        } catch {
            return .failure(fail(error))
        }
    }

    /// The database, opened again after a failure that closed it.
    private func opened() throws(AuditError) -> (AuditDatabase, AuditKey) {
        if let database, let key { return (database, key) }
        if let failure, let lastAttempt, lastAttempt.duration(to: .now) < AuditWriter.reopenPause { throw failure }
        lastAttempt = .now
        try open()
        guard let database, let key else { throw .database(path: path, reason: "it is not open") }
        if let promised, promised.chain == database.chain, database.last < promised.sequence {
            tell("entries \(database.last + 1) to \(promised.sequence) are gone although they were durable")
        }
        return (database, key)
    }

    @discardableResult
    private func fail(_ error: any Error) -> AuditError {
        let described = (error as? AuditError) ?? AuditError(error, path: path)
        // A full disk is answered the same way again; after anything else the connection is not to be trusted.
        if case .database = described {
            database?.close()
            database = nil
        }
        if failure == nil {
            logger?.error(
                "The audit log cannot be written: writes to devices are refused until it can",
                metadata: ["reason": "\(described)"])
        }
        failure = described
        return described
    }

    private func recovered() {
        guard failure != nil else { return }
        failure = nil
        logger?.notice("The audit log is written again", metadata: ["dropped": "\(dropped)"])
    }

    // MARK: Heads

    private func currentHead() -> Result<AuditHead, AuditError> {
        do {
            let (database, key) = try opened()
            lastHead = .now
            return .success(try database.sign(with: key))
        } catch {
            return .failure((error as? AuditError) ?? AuditError(error, path: path))
        }
    }

    // MARK: Room

    /// What is exported and taken out when the log reaches its size: this far below what may be used.
    private var threshold: Int64 { (options.maximumBytes - options.reserve) / 16 * 15 }

    private func hasRoomForNotes() -> Bool {
        guard let used = try? database?.usedBytes() else { return true }
        return used < options.maximumBytes - options.reserve
    }

    private func maintain() {
        takeSegment()
        if lastHead.duration(to: .now) >= AuditWriter.headInterval, database != nil { _ = currentHead() }
        startExport()
    }

    /// Starts the export of the oldest entries when there are too many or too old ones. It runs beside the writing.
    private func startExport() {
        guard !isExporting, let database, let key, database.last >= database.first,
            lastExportFailure.map({ $0.duration(to: .now) >= AuditWriter.exportPause }) ?? true
        else { return }
        let count = database.last - database.first + 1
        let segment = max(1, min(count / 8, 50_000))
        do {
            var last: Int64?
            if try database.usedBytes() > threshold {
                last = database.first + segment - 1
            } else if try database.lastEntry(olderThan: .now - options.maximumAge, among: 1) != nil {
                // A day's worth at once, not one file for every entry that comes of age.
                let early = min(Duration.seconds(86_400), options.maximumAge / 16)
                last = try database.lastEntry(olderThan: .now - (options.maximumAge - early), among: 50_000)
            }
            guard let last else { return }
            let range = database.first...last
            isExporting = true
            let reader = AuditReader(dataDirectory: dataDirectory), exchange = exchange
            exports.async {
                let result = Result { () throws(AuditError) in try reader.exportSegment(range, key: key) }
                exchange.state.withLock { $0.segment = result }
                exchange.wake.signal()
            }
        } catch {
            fail(error)
        }
    }

    /// Puts the checkpoint of an exported segment in its place.
    private func takeSegment() {
        let segment = exchange.state.withLock { state in
            defer { state.segment = nil }
            return state.segment
        }
        guard let segment else { return }
        isExporting = false
        do {
            let checkpoint = try segment.get()
            // The database may have been moved aside meanwhile.
            guard let database, checkpoint.chain == Hexadecimal.text(database.chain),
                checkpoint.first == database.first
            else { return }
            try database.replace(with: checkpoint)
            lastExportFailure = nil
            logger?.info(
                "Audit entries exported",
                metadata: ["entries": "\(checkpoint.count)", "file": "\(AuditExport.folder)/\(checkpoint.file)"])
        } catch {
            if lastExportFailure == nil {
                logger?.error("Audit entries cannot be exported", metadata: ["reason": "\(error)"])
            }
            lastExportFailure = .now
        }
    }

    /// Waits for room when even the reserve is used up: the export that goes on, or one started now.
    private func makeRoom() {
        startExport()
        guard isExporting else { return }
        exports.sync {}
        takeSegment()
    }

    // MARK: The end

    private func close() {
        exports.sync {}
        takeSegment()
        if database != nil { _ = currentHead() }
        database?.close()
        database = nil
        let (closing, listeners) = exchange.state.withLock { state in
            state.isClosed = true
            defer { (state.closing, state.listeners) = ([], [:]) }
            return (state.closing, Array(state.listeners.values))
        }
        // Their end takes the lock again.
        for listener in listeners { listener.finish() }
        for waiting in closing { waiting.resume() }
        // Who came between the last look and the mark.
        let left = exchange.state.withLock { state in
            defer { (state.requests, state.flushes, state.headRequests) = ([], [], []) }
            return (state.requests, state.flushes, state.headRequests)
        }
        let error = AuditError.database(path: path, reason: "it is closed")
        for request in left.0 { request.done.resume(returning: .failure(error)) }
        for flush in left.1 { flush.resume(returning: .failure(error)) }
        for head in left.2 { head.resume(returning: .failure(error)) }
    }

    private func publishStatus() {
        let status = AuditStatus(
            failure: failure, dropped: dropped, first: database?.first ?? 0, last: database?.last ?? 0)
        exchange.state.withLock { $0.status = status }
    }
}

/// How the log does.
package struct AuditStatus: Sendable, Equatable {
    /// Why nothing can be written at present.
    package var failure: AuditError?
    /// Noted events that were not written since then.
    package var dropped = 0
    package var first: Int64 = 0
    package var last: Int64 = 0
}

extension Timestamp {
    fileprivate static func - (time: Timestamp, duration: Duration) -> Timestamp {
        let (seconds, attoseconds) = duration.components
        let micros = seconds.multipliedReportingOverflow(by: 1_000_000).partialValue &+ attoseconds / 1_000_000_000_000
        return Timestamp(microseconds: time.microseconds &- micros)
    }
}
