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

    func adopt(_ database: OutboxDatabase) throws(OutboxError) {
        do {
            let records = try database.records()
            let epochs = try database.epochs()
            let letters = try database.letterCounts()
            if ledgers.isEmpty, let last = records.max(by: { $0.age < $1.age }) {
                ages = AgeClock(age: last.age, time: last.ageTime)
            }
            self.database = database
            exchange.state.withLock { state in
                state.database = database
                state.epochs = epochs
                state.tables = [:]
            }
            let names = Set(records.map(\.name)).union(ledgers.keys)
            for name in names.sorted() {
                var record = records.first { $0.name == name } ?? newRecord(name, numbers: records.map(\.number))
                try load(&record)
                let own = letters[record.number] ?? (0, 0)
                ledgers[name]?.letters = own.count
                ledgers[name]?.letterBytes = own.bytes
            }
            logInode = OutboxWriter.inode(of: path + "-wal")
        } catch {
            self.database = nil
            exchange.state.withLock { $0.database = nil }
            throw OutboxDatabase.failure(error, path: path)
        }
        if let renewal = database.renewal {
            logger.warning(
                "The outbox counts anew", metadata: ["reason": "\(renewal)", "epoch": "\(database.epoch.text)"])
        }
    }

    func newRecord(_ name: String, numbers: [Int64] = []) -> AgentRecord {
        let known = numbers + ledgers.values.map(\.record.number)
        return AgentRecord(
            number: (known.max() ?? 0) + 1, name: name,
            next: OutboxSequence(epoch: database?.epoch.number ?? 1, number: 1))
    }

    /// Makes the ledger of an agent what the disk says, and messages of the chunks that a crash left.
    func load(_ record: inout AgentRecord) throws {
        guard let database else { return }
        let earlier = ledgers[record.name]
        if record.next.epoch != database.epoch.number {
            record.next = OutboxSequence(epoch: database.epoch.number, number: 1)
        }
        if let earlier, earlier.record.next.epoch == record.next.epoch {
            record.next.number = max(record.next.number, earlier.record.next.number)
            record.droppedMessages = max(record.droppedMessages, earlier.record.droppedMessages)
            record.droppedEvents = max(record.droppedEvents, earlier.record.droppedEvents)
            if earlier.record.cursor.mark.row > record.cursor.mark.row { record.cursor = earlier.record.cursor }
        }
        var ledger = OutboxLedger(record: record)
        ledger.queue = earlier?.queue
        ledger.sequenceInMemory = earlier?.sequenceInMemory ?? 0
        ledger.left = earlier?.left ?? OutboxLedger.Left()
        ledger.meter = earlier?.meter ?? RateMeter()
        ledger.letters = earlier?.letters ?? 0
        ledger.letterBytes = earlier?.letterBytes ?? 0
        // What grows in memory goes to the disk with all it has, and on there.
        let grown = earlier?.lanes.filter { !$0.value.isStored } ?? [:]
        // What grows there already goes on.
        ledger.lanes = earlier?.lanes.filter(\.value.isStored) ?? [:]
        let table = record.table
        let orphans = earlier?.orphans ?? []
        let age = ages.now
        try database.commit(isSynced: true) { db in
            try table.create(db)
            for orphan in orphans { try table.deleteLoose(orphan.rows, lane: orphan.lane, db) }
            ledger.end = record.cursor.mark
            if let end = try table.end(db), end.row > ledger.end.row { ledger.end = end }
            let end = ledger.end, cursor = record.cursor.mark
            guard end.messages >= cursor.messages, end.events >= cursor.events, end.bytes >= cursor.bytes else {
                throw OutboxError(.damaged, "\(path): what agent \(record.name) has delivered is more than it has")
            }
            try freeze(
                table.loose(from: record.openFrom, db).filter { ledger.lanes[$0.key] == nil }, &ledger, table, age,
                db)
            for (number, lane) in grown { try write(lane, number, &ledger, table, age, db) }
            ledger.record.openFrom = ledger.openFrom
            ledger.deletedThrough = try table.firstRow(db).map { $0 - 1 } ?? record.cursor.mark.row
            try OutboxDatabase.save(ledger.record, db)
        }
        ledger.delete(through: record.cursor.mark.row)
        record = ledger.record
        ledgers[record.name] = ledger
        exchange.state.withLock { $0.tables[record.name] = table }
    }

    /// Makes the chunks that were in memory one on the disk.
    private func write(
        _ lane: OutboxLedger.OpenLane, _ number: Int, _ ledger: inout OutboxLedger, _ table: OutboxTable, _ age: Int64,
        _ db: Database
    ) throws {
        var lane = lane
        let bytes = Array((lane.chunks ?? []).joined())
        ledger.end.row += 1
        ledger.end.events += Int64(lane.events)
        ledger.end.bytes += Int64(bytes.count + OutboxChunk.overhead)
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
        if error.code == .damaged { loseDatabase(error) }
    }

    /// What cannot be read any more is moved aside and another one begun.
    func loseDatabase(_ error: OutboxError, isMovedAside: Bool = true) {
        guard let lost = database else { return }
        let epochs = exchange.state.withLock { $0.epochs }
        for name in Array(ledgers.keys) {
            guard var ledger = ledgers[name] else { continue }
            ledger.queue?.leaveDisk { epochs[$0] ?? "" }
            // What they held is gone with the file.
            ledger.lanes = ledger.lanes.filter { $0.value.chunks != nil }.mapValues { lane in
                var lane = lane
                lane.isStored = false
                return lane
            }
            ledger.orphans = []
            // The next database has an epoch of its own, and may give it the same number.
            ledger.record.next = OutboxSequence(epoch: 0, number: 1)
            ledgers[name] = ledger
        }
        database = nil
        exchange.state.withLock { $0.database = nil }
        lost.abandon()
        do throws(OutboxError) {
            if isMovedAside { try quarantine(error) }
            try adopt(OutboxDatabase(path: path, machine: machine))
            for ledger in ledgers.values { begin(ledger) }
            failure = nil
        } catch {
            failure = error
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
        guard unsafe rename(path, aside) == 0 else {
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
            if let database, failure?.isFull == false { try reopen(database) }
            let isNew = database == nil
            if let database { try adopt(database) } else { try open() }
            for name in Array(ledgers.keys) { try rejoin(name, isNew: isNew) }
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
    private func rejoin(_ name: String, isNew: Bool) throws(OutboxError) {
        guard var ledger = ledgers[name], let queue = ledger.queue else { return }
        if isNew { begin(ledger) }
        if queue.options.durability != .memory {
            let messages = queue.takeInMemory()
            do {
                try store(messages, of: &ledger)
            } catch {
                queue.take(inMemory: messages, sequence: ledger.sequenceInMemory)
                throw OutboxDatabase.failure(error, path: path)
            }
            ledgers[name] = ledger
        }
        queue.rejoin(end: ledger.end, cursors: cursors(of: ledger))
    }

    /// Closes and opens the same file again: what an I/O error or a lost log leaves of a connection is not trusted.
    func reopen(_ old: OutboxDatabase) throws(OutboxError) {
        old.close()
        database = nil
        exchange.state.withLock { $0.database = nil }
        let database = try OutboxDatabase(path: path, machine: machine)
        self.database = database
        logInode = OutboxWriter.inode(of: path + "-wal")
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
            .unavailable,
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

extension OutboxError {
    /// The disk has no room, which passes, and leaves the connection as it was.
    var isFull: Bool { description.contains("full") }
}
