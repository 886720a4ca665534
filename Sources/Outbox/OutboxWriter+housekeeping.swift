import GRDB
import Glibc
import Logging

extension OutboxWriter {
    /// Of each second.
    private static let deletingTime = Duration.milliseconds(50)
    /// So much of the file may be free before it is given back.
    private static let spareBytes: Int64 = 16 << 20
    /// The most dead letters that are kept of one agent.
    static let mostLetters = 10_000
    /// They may have a quarter of `max-bytes`, and this in any case.
    private static let leastLetterBytes = 16 << 20

    func keepHouse() {
        nextHousekeeping = .now + OutboxWriter.housekeepingPause
        recoverIfNothingWaits()
        watchFiles()
        if failure == nil, let error = roomProblem() { fail(error) }
        guard failure == nil, database != nil else {
            for (name, ledger) in ledgers {
                guard let queue = ledger.queue else { continue }
                countDroppedInMemory(name, queue, .full)
                queue.nudge()
            }
            return
        }
        for name in Array(ledgers.keys) {
            ledgers[name]?.meter.tick()
            guard let ledger = ledgers[name], let queue = ledger.queue else { continue }
            let bytes = queue.depth.bytes
            ledgers[name]?.growth.add(bytes - ledger.lastBytes)
            ledgers[name]?.growth.tick()
            ledgers[name]?.lastBytes = bytes
            let options = queue.options
            let oldest = ages.now - options.maxAge.components.seconds
            drop(name, .old) { facts, _ in ledger.record.isOlder(facts, than: oldest) }
            countDroppedInMemory(name, queue, .full)
            queue.dropInMemory(olderThan: oldest)
            countDroppedInMemory(name, queue, .old)
            if ledger.isDropping, queue.depth.bytes <= options.maxBytes / 2 { ledgers[name]?.isDropping = false }
        }
        let end = ContinuousClock.now + OutboxWriter.deletingTime
        repeat {
            deleteSlices()
        } while ledgers.values.contains { $0.deletableRows > 0 } && failure == nil
            && ContinuousClock.now < end
        forgetOldLetters()
        shrink()
    }

    private func countDroppedInMemory(_ name: String, _ queue: OutboxQueue, _ why: DropReason) {
        let dropped = queue.takeDroppedInMemory()
        guard dropped.messages > 0, var ledger = ledgers[name] else { return }
        ledger.record.droppedMessages += Int64(dropped.messages)
        ledger.record.droppedEvents += Int64(dropped.events)
        tellDrop(&ledger, why)
        ledgers[name] = ledger
    }

    private func recoverIfNothingWaits() { if failure != nil { recover() } }

    /// Takes a slice of what is not needed any more off each agent.
    func deleteSlices() {
        guard let database, failure == nil else { return }
        Failpoint.afterCursor.reach()
        do {
            try database.commit(isSynced: false) { db in
                for name in Array(ledgers.keys) {
                    guard let slice = ledgers[name]?.nextSlice() else { continue }
                    try ledgers[name]?.record.table.delete(slice, db)
                }
            }
        } catch {
            // What was to be deleted stays until the next start, which finds it by the cursor.
            fail(OutboxDatabase.failure(error, path: path))
        }
    }

    private func forgetOldLetters() {
        for (name, ledger) in ledgers {
            let mostBytes = max(OutboxWriter.leastLetterBytes, (ledger.queue?.options.maxBytes ?? .max) / 4)
            guard let database, ledger.letters > OutboxWriter.mostLetters || ledger.letterBytes > mostBytes else {
                continue
            }
            let excess = min(
                OutboxWriter.lettersAtOnce, max(ledger.letters - OutboxWriter.mostLetters, ledger.letters / 16 + 1))
            do {
                let oldest = try database.pool.write { db in
                    let oldest = try OutboxDatabase.letters(of: ledger.record.number, limit: excess, db)
                    try OutboxDatabase.deleteLetters(oldest.map(\.number), db)
                    return oldest
                }
                ledgers[name]?.letters -= oldest.count
                ledgers[name]?.letterBytes -= oldest.reduce(0) { $0 + $1.content.size }
                ledgers[name]?.record.droppedMessages += Int64(oldest.count)
                ledgers[name]?.record.droppedEvents += oldest.reduce(0) { $0 + Int64($1.events) }
                logger.warning(
                    "Dead letters are forgotten: there are too many",
                    metadata: ["agent": "\(name)", "messages": "\(excess)"])
            } catch {
                fail(OutboxDatabase.failure(error, path: path))
            }
        }
    }

    private func shrink() {
        guard let database, ledgers.values.allSatisfy({ $0.deletableRows == 0 }) else { return }
        do {
            guard try database.sizes().free > OutboxWriter.spareBytes else { return }
            try database.shrink(pages: 512)
        } catch {
            fail(OutboxDatabase.failure(error, path: path))
        }
    }

    /// A log that somebody deleted goes on without a name: what is written to it would be gone with the process.
    private func watchFiles() {
        guard let database, failure == nil, commits > 0 else { return }
        let file = OutboxWriter.inode(of: path)
        guard file == database.inode else { return rescue(database, isReplaced: file != nil) }
        let inode = OutboxWriter.inode(of: path + "-wal")
        if logInode == nil { logInode = inode }
        guard inode != logInode else { return }
        logger.error("The outbox's write-ahead log was deleted or replaced while it was in use; it is made anew")
        do throws(OutboxError) {
            try adopt(reopen(database))
        } catch {
            fail(error)
        }
    }

    /// The file itself was deleted, or another one put in its place, while it was in use: what it held is still readable, and
    /// would be gone with the process.
    private func rescue(_ database: OutboxDatabase, isReplaced: Bool) {
        let rescued = "\(path).rescued-\(WallClock.milliseconds)"
        do {
            try database.pool.writeWithoutTransaction { try $0.execute(sql: "VACUUM INTO ?", arguments: [rescued]) }
        } catch {
            return fail(OutboxDatabase.failure(error, path: path))
        }
        logger.error(
            "The outbox was deleted or replaced while it was in use",
            metadata: ["what it held": isReplaced ? "\(rescued)" : "saved and used again"])
        if isReplaced { return loseDatabase(OutboxError(.damaged, "\(path) was replaced"), isMovedAside: false) }
        database.abandon()
        for ending in ["-wal", "-shm"] { unsafe unlink(path + ending) }
        guard unsafe rename(rescued, path) == 0 else {
            return fail(OutboxError(.unavailable, "\(rescued) cannot be renamed"))
        }
        self.database = nil
        fail(OutboxError(.unavailable, "\(path) was deleted"))
        retryAt = .now
        recover()
    }
}
