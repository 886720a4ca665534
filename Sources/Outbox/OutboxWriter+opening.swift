import GRDB
import Glibc
import Logging
import Synchronization

extension OutboxWriter {
    /// The first opening.
    func openFirst() throws(OutboxError) {
        do throws(OutboxError) {
            try open()
        } catch {
            // A newer version's messages are not ours to leave behind.
            guard error.code != .newer, movesDamagedAside else { throw error }
            fail(error)
        }
    }

    private func open() throws(OutboxError) {
        let database: OutboxDatabase
        do throws(OutboxError) {
            database = try OutboxDatabase(path: path, machine: machine)
            try adopt(database)
        } catch {
            // Whoever only looks leaves it where it is.
            guard error.code == .damaged || error.code == .inconsistent, movesDamagedAside else { throw error }
            try quarantine(error)
            try adopt(OutboxDatabase(path: path, machine: machine))
        }
    }

    /// How a database that is opened stands to what is known of the agents.
    enum Continuity {
        /// It is the one it was.
        case same
        /// It is the one it was, but what was committed last may be missing.
        case cut
        /// Its rows are others: what is known of the agents says nothing about it.
        case other
    }

    private func continuity(of epoch: OutboxDatabase.Epoch, _ epochs: [Int64: String]) -> Continuity {
        guard let knownEpoch else { return .other }
        // Not by their numbers: those of two databases both begin with 1.
        if epoch.text == knownEpoch.text { return .same }
        return epochs.values.contains(knownEpoch.text) ? .cut : .other
    }

    /// Goes on with a database that was just opened, or is used again: what is known of the agents is made what the disk says,
    /// and it gets what is in memory only. All of it, or the database is not open.
    func adopt(_ database: OutboxDatabase) throws(OutboxError) {
        do {
            let records = try database.records()
            let epochs = try database.epochs()
            let letters = try database.letterCounts()
            let continuity = continuity(of: database.epoch, epochs)
            if ledgers.isEmpty, let last = records.max(by: { $0.age < $1.age }) {
                ages = AgeClock(age: last.age, time: last.ageTime)
            }
            if continuity == .other { leaveDisk() }
            self.database = database
            let names = Set(records.map(\.name)).union(ledgers.keys)
            var loaded: [String: OutboxLedger] = [:]
            try database.commit(isSynced: true) { db in
                for name in names.sorted() {
                    var record = records.first { $0.name == name } ?? newRecord(name, numbers: records.map(\.number))
                    // Until it begins it does not run; whoever only looks changes nothing.
                    if ledgers[name]?.queue == nil, movesDamagedAside { record.pausedAt = record.pausedAt ?? ages.now }
                    var ledger = try load(record, continuity, db)
                    (ledger.letters, ledger.letterBytes) = letters[record.number] ?? (0, 0)
                    loaded[name] = ledger
                }
            }
            let earlierEpochs = exchange.state.withLock { $0.epochs }
            for ledger in loaded.values {
                switch continuity {
                case .same: break
                case .cut:
                    ledger.queue?.leaveDisk(after: ledger.opened.row) { earlierEpochs[$0] ?? "" }
                    ledger.queue?.goOn(through: ledger.opened)
                case .other: begin(ledger)
                }
            }
            ledgers = loaded
            knownEpoch = database.epoch
            // Last: whoever sends reads from it as soon as it is there.
            exchange.state.withLock { state in
                state.database = database
                state.epochs = epochs
                state.tables = loaded.mapValues(\.record.table)
            }
            for name in Array(ledgers.keys) { try rejoin(name) }
            logInode = OutboxWriter.inode(of: path + "-wal")
        } catch {
            self.database = nil
            exchange.state.withLock { $0.database = nil }
            throw OutboxDatabase.failure(error, path: path)
        }
        if let renewal = database.renewal {
            logger.warning(
                "The outbox begins a new epoch: receivers see sequences from 1 again",
                metadata: ["reason": "\(renewal)", "epoch": "\(database.epoch.text)"])
        }
    }

    func newRecord(_ name: String, numbers: [Int64] = []) -> AgentRecord {
        let known = numbers + ledgers.values.map(\.record.number)
        return AgentRecord(
            number: (known.max() ?? 0) + 1, name: name,
            next: OutboxSequence(epoch: database?.epoch.number ?? 1, number: 1))
    }

    /// The ledger of an agent as the disk says, and messages of the chunks that a crash left.
    func load(_ stored: AgentRecord, _ continuity: Continuity, _ db: Database) throws -> OutboxLedger {
        guard let database else { throw OutboxError(.unavailable, "\(path) is not open") }
        var record = stored
        var earlier = ledgers[record.name]
        let table = record.table
        try table.create(db)
        let last = try table.end(db)
        if record.next.epoch != database.epoch.number {
            record.next = OutboxSequence(epoch: database.epoch.number, number: 1)
        }
        if let known = earlier?.record, continuity != .other {
            if continuity == .same { record.next.number = max(record.next.number, known.next.number) }
            record.droppedMessages = max(record.droppedMessages, known.droppedMessages)
            record.droppedEvents = max(record.droppedEvents, known.droppedEvents)
            if known.cursor.mark.row > record.cursor.mark.row {
                record.cursor.sequence = known.cursor.sequence
                record.cursor.mark = known.cursor.mark
            }
            (record.pausedAt, record.rest, record.restRow) = (known.pausedAt, known.rest, known.restRow)
            record.maxAge = known.maxAge
        }
        if continuity == .cut {
            let end = max(last?.row ?? 0, stored.cursor.mark.row)
            if record.cursor.mark.row > end { record.cursor.mark = last ?? stored.cursor.mark }
            earlier?.leaveDisk(after: end)
        }
        var ledger = OutboxLedger(record: record)
        ledger.end = record.cursor.mark
        if let last, last.row > ledger.end.row { ledger.end = last }
        ledger.opened = ledger.end
        if let earlier {
            ledger.queue = earlier.queue
            ledger.sequenceInMemory = earlier.sequenceInMemory
            ledger.left = earlier.left
            ledger.meter = earlier.meter
            ledger.growth = earlier.growth
            ledger.lastBytes = earlier.lastBytes
            ledger.isDropping = earlier.isDropping
            ledger.cutLanes = earlier.cutLanes
            // What grows there already goes on.
            ledger.lanes = earlier.lanes.filter(\.value.isStored)
            for orphan in earlier.orphans { try table.deleteLoose(orphan.rows, lane: orphan.lane, db) }
        }
        let end = ledger.end, cursor = record.cursor.mark
        guard end.messages >= cursor.messages, end.events >= cursor.events, end.bytes >= cursor.bytes else {
            throw OutboxError(.damaged, "\(path): what agent \(record.name) has delivered is more than it has")
        }
        let age = ages.now
        try freeze(
            table.loose(from: record.openFrom, db).filter { ledger.lanes[$0.key] == nil }, &ledger, table, age, db)
        // What grows in memory goes to the disk with all it has, and on there.
        for (number, lane) in earlier?.lanes.filter({ !$0.value.isStored }) ?? [:] {
            try write(lane, number, &ledger, table, age, db)
        }
        ledger.record.openFrom = ledger.openFrom
        ledger.deletedThrough = try table.firstRow(db).map { $0 - 1 } ?? record.cursor.mark.row
        try OutboxDatabase.save(ledger.record, db)
        ledger.delete(through: record.cursor.mark.row)
        return ledger
    }

    /// Makes the chunks that were in memory one on the disk.
    private func write(
        _ lane: OutboxLedger.OpenLane, _ number: Int, _ ledger: inout OutboxLedger, _ table: OutboxTable, _ age: Int64,
        _ db: Database
    ) throws {
        var lane = lane
        let bytes = Array((lane.chunks ?? []).joined())
        ledger.end.row += 1
        ledger.end.events += Int64(max(0, lane.events - lane.counted.events))
        ledger.end.bytes += Int64(max(0, bytes.count + OutboxChunk.overhead - lane.counted.bytes))
        try table.insert(
            [
                StoredRow(
                    mark: ledger.end, lane: number, first: ledger.end.row, sequence: nil, events: lane.events,
                    time: lane.time, age: age, topic: lane.topic, head: lane.head, tail: lane.tail, trims: lane.trims,
                    bytes: bytes)
            ], db)
        lane = OutboxLedger.OpenLane(
            first: ledger.end.row, events: lane.events, chunks: [bytes], bytes: bytes.count, trims: lane.trims,
            isStored: true, topic: lane.topic, head: lane.head, tail: lane.tail, time: lane.time)
        ledger.lanes[number] = lane
    }

    private func freeze(
        _ loose: [Int: OutboxTable.LooseChunks], _ ledger: inout OutboxLedger, _ table: OutboxTable, _ age: Int64,
        _ db: Database
    ) throws {
        for (lane, chunks) in loose.sorted(by: { $0.value.first < $1.value.first }) {
            ledger.end.row += 1
            ledger.end.messages += 1
            try table.insert(
                [
                    StoredRow(
                        mark: ledger.end, lane: lane, first: chunks.first, sequence: ledger.record.next,
                        events: chunks.events, time: chunks.time, age: age, topic: chunks.topic, head: chunks.head,
                        tail: chunks.tail, trims: chunks.trims, bytes: [])
                ], db)
            ledger.record.next.number += 1
        }
    }

    // MARK: Failing and recovering

    func fail(_ error: OutboxError) {
        retryAt = .now + OutboxWriter.retryPause
        if failure == nil {
            logger.error(
                "The outbox cannot be written: messages are in memory only until it can",
                metadata: ["reason": "\(error)"])
        }
        failure = error
        if error.code == .damaged, knownEpoch != nil { loseDatabase(error) }
    }

    /// What cannot be read any more is moved aside and another one begun.
    func loseDatabase(_ error: OutboxError, isMovedAside: Bool = true) {
        leaveDisk()
        database?.abandon()
        database = nil
        exchange.state.withLock { $0.database = nil }
        do throws(OutboxError) {
            if isMovedAside { try quarantine(error) }
            try adopt(OutboxDatabase(path: path, machine: machine))
            failure = nil
        } catch {
            failure = error
        }
    }

    /// The database is lost: what is in memory of it goes on from there.
    private func leaveDisk() {
        let epochs = exchange.state.withLock { $0.epochs }
        knownEpoch = nil
        for name in Array(ledgers.keys) {
            ledgers[name]?.queue?.leaveDisk(after: 0) { epochs[$0] ?? "" }
            ledgers[name]?.leaveDisk(after: 0)
            // The next database has an epoch of its own, and may give it the same number.
            ledgers[name]?.record.next = OutboxSequence(epoch: 0, number: 1)
        }
    }

    /// The agent's queue, where it has one, begins where the disk says.
    func begin(_ ledger: OutboxLedger) {
        ledger.queue?.begin(cursor: ledger.record.cursor, end: ledger.end, cursors: cursors(of: ledger))
    }

    func cursors(of ledger: OutboxLedger) -> (CursorFile, Int64)? {
        database?.cursors.map { ($0, ledger.record.number) }
    }

    private func quarantine(_ error: OutboxError) throws(OutboxError) {
        let aside = "\(path).damaged-\(WallClock.milliseconds)"
        guard unsafe rename(path, aside) == 0 || errno == ENOENT else {
            throw OutboxError(.unavailable, "\(error), and it cannot be moved aside")
        }
        for ending in ["-wal", "-shm"] { unsafe rename(path + ending, aside + ending) }
        quarantined += 1
        logger.error(
            "The outbox is damaged: it was moved aside and a new one is begun; what waited in it is not sent",
            metadata: ["reason": "\(error)", "moved-to": "\(aside)"])
    }

    /// Tries, now and then, whether the disk can be written again.
    func recover() {
        guard failure != nil, ContinuousClock.now >= retryAt else { return }
        retryAt = .now + OutboxWriter.retryPause
        do throws(OutboxError) {
            if let error = roomProblem(beyond: reserve / 8) { throw error }
            if let database {
                // A disk that was full leaves the connection as it was.
                try adopt(failure?.code == .full ? database : reopen(database))
            } else {
                try open()
            }
            failure = nil
            logger.notice("The outbox is written again")
        } catch {
            // What does not fit together twice will not the next time.
            if error.code == .damaged || error.code == .inconsistent, failure?.code == .inconsistent {
                loseDatabase(error)
            } else {
                failure = error
            }
        }
    }

    /// The agent's queue goes on with the disk, which gets what was in memory only meanwhile.
    private func rejoin(_ name: String) throws {
        guard var ledger = ledgers[name], let queue = ledger.queue else { return }
        if queue.options.durability != .memory {
            let (messages, announced) = queue.takeInMemory()
            // There is none in memory any more that would say so.
            ledger.record.next.number += queue.tellInMemory(through: ledger.sequenceInMemory)
            do {
                if !messages.isEmpty { try store(messages, announced: announced, of: &ledger) }
            } catch {
                queue.take(inMemory: messages, sequence: announced)
                throw error
            }
            ledgers[name] = ledger
        }
        queue.rejoin(end: ledger.end, cursors: cursors(of: ledger))
    }

    /// Closes and opens the same file again: what an I/O error or a lost log leaves of a connection is not trusted.
    func reopen(_ old: OutboxDatabase) throws(OutboxError) -> OutboxDatabase {
        old.close()
        database = nil
        exchange.state.withLock { $0.database = nil }
        return try OutboxDatabase(path: path, machine: machine)
    }

    /// Why nothing is to be written, although it could: others need the rest of the disk.
    ///
    /// - Parameter more: beside the reserve, so that not every message changes the answer.
    func roomProblem(beyond more: Int64 = 0) -> OutboxError? {
        var facts = statvfs()
        guard unsafe statvfs(path, &facts) == 0 else { return nil }
        let free = Int64(clamping: facts.f_bavail).multipliedReportingOverflow(by: Int64(clamping: facts.f_frsize))
        guard !free.overflow, free.partialValue < reserve + more else { return nil }
        return OutboxError(
            .full,
            "the disk of \(path) is nearly full: \(free.partialValue >> 20) MiB are free, and \(reserve >> 20) MiB are left to "
                + "the audit log and others")
    }

    static func size(of path: String) -> Int64 {
        var facts = stat()
        return unsafe stat(path, &facts) == 0 ? Int64(facts.st_size) : 0
    }

    static func inode(of path: String) -> UInt64? {
        var facts = stat()
        return unsafe stat(path, &facts) == 0 ? UInt64(facts.st_ino) : nil
    }
}
