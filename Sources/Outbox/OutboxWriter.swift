import Dispatch
import GRDB
import Logging
import Synchronization

/// The outbox's one writer, on a thread of its own. What came from all agents while it rested or committed goes together
/// into the next commit.
final class OutboxWriter {
    /// Commits of what was appended are so far apart, which is what an event waits at most for, beside the commit itself.
    static let spacing = Duration.milliseconds(20)
    /// So long a cursor may be behind where little happens.
    private static let cursorDelay = Duration.milliseconds(50)
    private static let slicesAtEnd = 50
    /// Bytes of delivered messages that may lie there until there is time to delete them: beside a backlog that is sent
    /// they would hold it up.
    private static let mostDeletable: Int64 = 64 << 20
    static let retryPause = Duration.seconds(1)
    static let housekeepingPause = Duration.seconds(1)

    let path: String
    let machine: String
    let exchange: OutboxExchange
    let logger: Logger

    var database: OutboxDatabase?
    /// Of the database that the ledgers speak of, also where it is not open at present.
    var knownEpoch: OutboxDatabase.Epoch?
    /// By agent's name.
    var ledgers: [String: OutboxLedger] = [:]
    var ages = AgeClock(age: 0, time: WallClock.milliseconds)
    /// Of what is in memory only.
    let memoryEpoch = OutboxDatabase.randomEpoch()
    /// Why nothing can be written at present; said once.
    var failure: OutboxError?
    var retryAt = ContinuousClock.now
    private var lastCommit = ContinuousClock.now - .seconds(1)
    private var cursorsSince: ContinuousClock.Instant?
    var nextHousekeeping = ContinuousClock.now
    var commits: UInt64 = 0
    /// Databases that were moved aside since the start.
    var quarantined = 0
    var logInode: UInt64?
    private var isClosed = false
    /// Whether it serves a gateway; else it leaves a damaged database alone.
    let movesDamagedAside: Bool
    /// Bytes of the file system that are left to others, to the audit log above all.
    let reserve: Int64

    init(
        path: String, machine: String, exchange: OutboxExchange, movesDamagedAside: Bool, reserve: Int64,
        logger: Logger
    ) {
        self.movesDamagedAside = movesDamagedAside
        self.reserve = reserve
        self.path = path
        self.machine = machine
        self.exchange = exchange
        self.logger = logger
    }

    // MARK: The thread

    func work() {
        while !isClosed {
            let isWoken = exchange.wake.wait(timeout: .now() + .milliseconds(pause())) == .success
            let jobs = exchange.state.withLock { state in
                defer { state.jobs = [] }
                if isWoken { state.isSignalled = false }
                return state.jobs
            }
            for job in jobs { job(self) }
            noticeReadFailure()
            if !isClosed { commitWhatIsDue() }
            if !isClosed, ContinuousClock.now >= nextHousekeeping { keepHouse() }
        }
        // Who asked while it closed is answered as well.
        for job in exchange.state.withLock({ $0.jobs }) { job(self) }
    }

    /// Milliseconds until something is due by itself.
    private func pause() -> Int {
        let now = ContinuousClock.now
        var due = nextHousekeeping
        for queue in ledgers.values.lazy.compactMap(\.queue) {
            let wants = queue.wants
            // It became so while the last commit was under way: nobody will say so again.
            if wants.isUrgent, failure == nil { return 0 }
            if wants.rows { due = min(due, lastCommit + Self.spacing) }
        }
        if let cursorsSince { due = min(due, cursorsSince + Self.cursorDelay) }
        return max(0, Int(now.duration(to: due) / .milliseconds(1)) + 1)
    }

    private func commitWhatIsDue() {
        let now = ContinuousClock.now
        let wants = ledgers.values.compactMap { $0.queue?.wants }
        let hasRows = wants.contains { $0.rows }
        let hasCursors = wants.contains { $0.cursor }
        if hasCursors { cursorsSince = cursorsSince ?? now } else { cursorsSince = nil }
        let isRowsTime = hasRows && now >= lastCommit + Self.spacing
        let isCursorTime = wants.contains { $0.isUrgent } || cursorsSince.map { now >= $0 + Self.cursorDelay } ?? false
        guard isRowsTime || isCursorTime else { return }
        if isRowsTime { lastCommit = now }
        cursorsSince = nil
        commit(withRows: isRowsTime)
        if ledgers.values.contains(where: { $0.deletableBytes >= Self.mostDeletable }) { deleteSlices() }
    }

    /// Commits all there is and ends the thread.
    func close() {
        guard !isClosed else { return }
        commit(withRows: true)
        for name in Array(ledgers.keys) { release(name) }
        // As much as a moment allows; the rest is found by the cursor.
        for _ in 0..<Self.slicesAtEnd where ledgers.values.contains(where: { $0.deletableRows > 0 }) { deleteSlices() }
        database?.close()
        database = nil
        exchange.state.withLock { $0.database = nil }
        isClosed = true
    }

    // MARK: Committing

    /// What goes into one commit for one agent.
    private struct Share {
        var name: String
        var ledger: OutboxLedger
        var taken: OutboxQueue.Taken
        var rows: [StoredRow] = []
        var messages: [StoredMessage?] = []
        var inMemory: [StoredMessage] = []
    }

    func commit(withRows: Bool) {
        if database == nil || failure != nil { recover() }
        var shares: [Share] = []
        var isFull = false
        for (name, ledger) in ledgers {
            guard let queue = ledger.queue else { continue }
            let taken = queue.take(rows: withRows)
            guard !taken.isEmpty else { continue }
            var share = Share(name: name, ledger: ledger, taken: taken)
            if taken.options.durability == .memory || database == nil || failure != nil {
                takeInMemory(&share)
            } else {
                prepare(&share)
                // A cut that a power cut takes back would be made elsewhere the next time.
                let isBinding = !share.rows.isEmpty || !taken.cuts.isEmpty || !taken.letters.isEmpty
                if taken.options.durability == .full, isBinding { isFull = true }
            }
            shares.append(share)
        }
        guard !shares.isEmpty else { return }
        if Mutant.acknowledgesBeforeCommit { for share in shares { finish(share) } }
        Failpoint.beforeCommit.reach()
        do {
            try write(shares, isFull: isFull)
        } catch {
            // First, so that a file that is given up takes its row numbers and epochs out of what is put back.
            for share in shares { undo(share) }
            fail(OutboxDatabase.failure(error, path: path))
            return
        }
        Failpoint.afterCommit.reach()
        if !Mutant.acknowledgesBeforeCommit { for share in shares { finish(share) } }
        // When all is taken in: what cannot be read makes everything else begin anew.
        for share in shares where !share.rows.isEmpty && failure == nil {
            guard let queue = share.ledger.queue, queue.isOver else { continue }
            let cap = queue.dropTarget
            drop(share.name, .full) { _, waiting in waiting > cap }
        }
    }

    private func prepare(_ share: inout Share) {
        let age = ages.now
        for pending in share.taken.pending {
            switch pending {
            case .chunk(let chunk):
                guard let (row, message) = share.ledger.row(for: chunk, age: age) else { continue }
                share.rows.append(row)
                if chunk.isLast { share.messages.append(message) }
            case .dropped(let messages, let events): count(dropped: messages, events: events, &share.ledger)
            }
        }
        if let cursor = share.taken.cursor { share.ledger.record.cursor = cursor }
        share.ledger.record.openFrom = share.ledger.openFrom
    }

    private func takeInMemory(_ share: inout Share) {
        let age = ages.now
        for pending in share.taken.pending {
            switch pending {
            case .chunk(let chunk):
                if let message = share.ledger.message(inMemory: chunk, epoch: memoryEpoch, age: age) {
                    share.inMemory.append(message)
                }
            case .dropped(let messages, let events):
                share.ledger.sequenceInMemory += UInt64(messages)
                count(dropped: messages, events: events, &share.ledger, isNumbered: false)
            }
        }
        if let cursor = share.taken.cursor { share.ledger.record.cursor = cursor }
        if failure != nil, let queue = share.ledger.queue {
            queue.keep(share.taken.letters)
            share.taken.letters = []
        }
    }

    private func count(dropped messages: Int, events: Int, _ ledger: inout OutboxLedger, isNumbered: Bool = true) {
        // Its number is used up: that is how the receiver hears of it.
        if isNumbered { ledger.record.next.number += UInt64(clamping: messages) }
        ledger.record.droppedMessages += Int64(messages)
        ledger.record.droppedEvents += Int64(events)
        tellDrop(&ledger, .full)
    }

    private func write(_ shares: [Share], isFull: Bool) throws {
        guard let database, failure == nil else { return }
        let epochs = try epochNumbers(for: shares.flatMap { $0.taken.letters.compactMap(\.epochText) })
        let (age, now) = (ages.now, WallClock.milliseconds)
        // A cursor that a power cut takes back costs a message sent twice, and no waiting for the disk.
        try database.commit(isSynced: isFull) { db in
            for share in shares {
                let table = share.ledger.record.table
                try table.insert(share.rows, db)
                for cut in share.taken.cuts { try table.cut(row: cut.row, at: cut.parts, db) }
                for var letter in share.taken.letters {
                    letter.agent = share.ledger.record.number
                    if let text = letter.epochText { letter.sequence.epoch = epochs[text] ?? 0 }
                    try OutboxDatabase.insert(letter, db)
                }
                var record = share.ledger.record
                (record.age, record.ageTime) = (age, max(0, now))
                try OutboxDatabase.save(record, db)
            }
        }
        commits += 1
    }

    private func finish(_ share: Share) {
        var ledger = share.ledger
        ledger.meter.add(share.inMemory.reduce(0) { $0 + $1.content.size })
        let cursor = ledger.record.cursor.mark.row
        ledger.delete(through: cursor)
        ledger.meter.add(share.rows.reduce(0) { $0 + $1.bytes.count })
        ledger.letters += share.taken.letters.count
        ledger.letterBytes += share.taken.letters.reduce(0) { $0 + $1.content.size }
        if let queue = ledger.queue {
            queue.finish(share.taken, end: ledger.end, messages: share.messages, inMemory: share.inMemory)
        }
        ledgers[share.name] = ledger
        guard !share.rows.isEmpty else { return }
        // What tests and auditors hold against what arrived.
        logger.trace(
            "Committed",
            metadata: [
                "agent": "\(share.name)", "epoch": "\(exchange.epochText(ledger.record.next.epoch))",
                "sequence": "\(ledger.record.next.number - 1)", "events": "\(ledger.end.events)",
            ])
    }

    /// The commit failed: what was taken is put back, and goes on in memory until the disk is better.
    private func undo(_ share: Share) {
        guard let queue = share.ledger.queue else { return }
        queue.putBack(share.taken)
    }

    // MARK: Dropping

    /// Drops messages from the oldest on, as long as a condition holds for one and the bytes that wait with it; the newest
    /// always stays.
    func drop(_ name: String, _ why: DropReason, while isDropped: (OutboxTable.Facts, Int) -> Bool) {
        guard let database, let ledger = ledgers[name], let queue = ledger.queue else { return }
        let (start, waiting) = queue.dropStart
        var floor: OutboxMark?
        let end = ledger.end
        let table = ledger.record.table
        do {
            try database.pool.read { db in
                try table.each(after: start.row, db) { facts in
                    let left = waiting - Int(clamping: (floor ?? start).bytes - start.bytes)
                    guard facts.mark.messages < end.messages, isDropped(facts, left) else { return false }
                    floor = facts.mark
                    return true
                }
            }
        } catch {
            // What is known of the agent may be another then.
            return fail(OutboxDatabase.failure(error, path: path))
        }
        guard let floor, let dropped = queue.raise(floor: floor), var ledger = ledgers[name] else { return }
        ledger.record.droppedMessages += dropped.messages
        ledger.record.droppedEvents += dropped.events
        ledger.delete(dropped.rows)
        tellDrop(&ledger, why)
        ledgers[name] = ledger
    }

    enum DropReason {
        case full
        case old
    }

    func tellDrop(_ ledger: inout OutboxLedger, _ why: DropReason) {
        guard !ledger.isDropping else { return }
        ledger.isDropping = true
        let options = ledger.queue?.options ?? OutboxOptions()
        switch why {
        case .full where failure != nil || options.durability == .memory:
            logger.warning(
                "Messages are dropped: they are in memory only, which holds no more of them",
                metadata: [
                    "agent": "\(ledger.record.name)", "when-full": "\(options.whenFull.rawValue)",
                    "bytes": "\(min(options.maxBytes, OutboxOptions.mostInMemory))",
                ])
        case .full:
            logger.warning(
                "Messages are dropped: more wait than max-bytes allows",
                metadata: [
                    "agent": "\(ledger.record.name)", "max-bytes": "\(options.maxBytes)",
                    "when-full": "\(options.whenFull.rawValue)",
                ])
        case .old:
            logger.warning(
                "Messages are dropped: they are older than max-age",
                metadata: ["agent": "\(ledger.record.name)", "max-age": "\(options.maxAge.components.seconds) s"])
        }
    }

    private func noticeReadFailure() {
        let failure = exchange.state.withLock { state in
            defer { state.readFailure = nil }
            return state.readFailure
        }
        // Of one that was left meanwhile it is no news.
        if let failure, failure.database === database { fail(failure.error) }
    }
}
