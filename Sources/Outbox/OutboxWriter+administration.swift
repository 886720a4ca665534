import GRDB
import Logging
import Synchronization

/// What the coordinator and the command line ask.
extension OutboxWriter {
    // MARK: Agents come and go

    func attach(_ agent: String, _ options: OutboxOptions) -> OutboxQueue {
        release(agent)
        let queue = OutboxQueue(agent: agent, options: options, exchange: exchange)
        var ledger = ledgers[agent] ?? OutboxLedger(record: newRecord(agent))
        ledger.record.begin(at: ages.now, end: ledger.end.row, maxAge: options.maxAge.components.seconds)
        let isNew = ledgers[agent] == nil
        ledgers[agent] = ledger
        writeDown(agent, isNew: isNew)
        // A disk that failed with it may have changed what is known of the agent.
        ledger = ledgers[agent] ?? ledger
        ledger.queue = queue
        begin(ledger)
        queue.take(inMemory: ledger.left.messages, sequence: ledger.left.announced)
        ledger.left = OutboxLedger.Left(announced: ledger.sequenceInMemory)
        ledgers[agent] = ledger
        if let waiting = queue.keepWhatWaits() {
            logger.warning(
                "More waits than max-bytes allows: it stays until it is sent or given up, and no more than that is kept",
                metadata: [
                    "agent": "\(agent)", "max-bytes": "\(options.maxBytes)", "bytes": "\(waiting)",
                    "to give it up": "sallyport outbox discard --waiting '\(agent)'",
                ])
        }
        return queue
    }

    /// That an agent runs, and for a new one its table. Where the disk does not take it, it begins in memory.
    private func writeDown(_ agent: String, isNew: Bool) {
        guard let database, failure == nil, let record = ledgers[agent]?.record else { return }
        do {
            var loaded: OutboxLedger?
            try database.commit(isSynced: isNew) { db in
                if isNew { loaded = try load(record, .other, db) } else { try OutboxDatabase.save(record, db) }
            }
            guard let loaded else { return }
            ledgers[agent] = loaded
            exchange.state.withLock { $0.tables[agent] = record.table }
        } catch {
            fail(OutboxDatabase.failure(error, path: path))
        }
    }

    /// What an agent leaves goes to the disk, also where it was to be in memory only: nobody else will hold it.
    ///
    /// - Parameter isPaused: whether the gateway goes on without it, and `max-age` does not.
    func release(_ agent: String, isPaused: Bool = false) {
        guard let ending = ledgers[agent], let queue = ending.queue else { return }
        commit(withRows: true)
        // What a publisher that ended badly left open: a next one of this lane is another message.
        queue.append(
            (ledgers[agent]?.lanes ?? [:]).map { number, lane in
                OutboxChunk(
                    lane: number, topic: lane.topic, bytes: [], events: 0, head: lane.head, tail: lane.tail,
                    time: lane.time)
            })
        commit(withRows: true)
        guard var ledger = ledgers[agent], let queue = ledger.queue else { return }
        let (messages, announced) = queue.close()
        ledger.queue = nil
        if isPaused { ledger.record.pausedAt = ages.now }
        ledger.left = OutboxLedger.Left(messages: messages, announced: announced)
        ledgers[agent] = ledger
        do {
            try store(messages, announced: announced, of: &ledger)
            if !messages.isEmpty { ledger.left = OutboxLedger.Left(announced: ledger.sequenceInMemory) }
            ledgers[agent] = ledger
        } catch {
            guard !messages.isEmpty else { return }
            logger.error(
                "Messages that are in memory only could not be written down",
                metadata: [
                    "agent": "\(agent)", "messages": "\(messages.count)",
                    "reason": "\(OutboxDatabase.failure(error, path: path))",
                ])
        }
    }

    /// Of no publisher: whole messages that come between the chunks of others.
    private static let ownLane = -1

    /// Writes messages down that were in memory only, and what is known of their agent.
    ///
    /// - Parameter announced: up to which of them the receiver needs no word of a gap.
    func store(_ messages: [StoredMessage], announced: UInt64, of ledger: inout OutboxLedger) throws {
        guard let database else { throw OutboxError(.unavailable, "\(path) is not open") }
        var changed = ledger
        var told = announced
        let epochs = try epochNumbers(for: messages.compactMap(\.epochText))
        let rows = messages.map { message -> StoredRow in
            var gap = message.gap
            if !message.isAgain {
                gap = message.sequence.number > told ? message.sequence.number - told - 1 : 0
                told = max(told, message.sequence.number)
            }
            changed.end.row += 1
            changed.end.messages += 1
            changed.end.events += Int64(max(0, message.events - message.counted.events))
            changed.end.bytes += Int64(max(0, message.content.size - message.counted.bytes))
            return StoredRow(
                mark: changed.end, lane: OutboxWriter.ownLane, first: changed.end.row,
                sequence: OutboxSequence(epoch: epochs[message.epochText ?? ""] ?? 0, number: message.sequence.number),
                offset: message.offset, isAgain: true, gap: gap, events: message.events, time: message.time,
                age: message.age,
                topic: message.topic, parts: message.parts, head: message.content.head, tail: message.content.tail,
                trims: [], bytes: message.content.body)
        }
        changed.record.openFrom = changed.openFrom
        try database.commit(isSynced: !rows.isEmpty) { db in
            try changed.record.table.insert(rows, db)
            try OutboxDatabase.save(changed.record, db)
        }
        ledger = changed
    }

    /// Numbers for epochs of messages that were in memory only; below zero, so that none is taken for the database's own.
    func epochNumbers(for texts: [String]) throws -> [String: Int64] {
        guard let database else { return [:] }
        var known = exchange.state.withLock { $0.epochs }
        var numbers: [String: Int64] = [:]
        for text in Set(texts) {
            if let number = known.first(where: { $0.value == text })?.key {
                numbers[text] = number
                continue
            }
            let number = min(0, known.keys.min() ?? 0) - 1
            try database.pool.write { db in
                try db.execute(
                    sql:
                        "INSERT INTO epochs (number, text, machine, inode, is_open, token) VALUES (?, ?, '', 0, 0, '')",
                    arguments: [number, text])
            }
            known[number] = text
            numbers[text] = number
        }
        exchange.state.withLock { [known] in $0.epochs = known }
        return numbers
    }

    // MARK: Status

    func overview() -> OutboxOverview {
        OutboxOverview(
            agents: ledgers.values.map(status).sorted { $0.agent < $1.agent }, path: path,
            fileBytes: OutboxWriter.size(of: path) + OutboxWriter.size(of: path + "-wal"),
            failure: failure?.description, quarantined: quarantined,
            commits: commits)
    }

    private func status(_ ledger: OutboxLedger) -> OutboxStatus {
        let cursor = ledger.record.cursor.mark
        let depth =
            ledger.queue?.depth
            ?? OutboxQueue.Depth(
                messages: Int(clamping: ledger.end.messages - cursor.messages) + ledger.left.messages.count,
                events: Int(clamping: ledger.end.events - cursor.events),
                bytes: Int(clamping: ledger.end.bytes - cursor.bytes), counts: OutboxQueue.Counts())
        let options = ledger.queue?.options
        let isInMemory = options?.durability == .memory
        return OutboxStatus(
            agent: ledger.record.name, isRunning: ledger.queue != nil, messages: depth.messages, events: depth.events,
            bytes: depth.bytes, maxBytes: options?.maxBytes, whenFull: options?.whenFull.rawValue,
            durability: options?.durability.rawValue, oldestAge: oldestAge(ledger, depth),
            bytesPerSecond: ledger.meter.rate,
            secondsToFull: ledger.growth.rate > 1
                ? options.map { Double(max(0, $0.maxBytes - depth.bytes)) / ledger.growth.rate } : nil,
            deadLetters: ledger.letters, droppedMessages: ledger.record.droppedMessages,
            droppedEvents: ledger.record.droppedEvents,
            epoch: isInMemory ? memoryEpoch : exchange.epochText(ledger.record.next.epoch),
            sequence: isInMemory ? ledger.sequenceInMemory : ledger.record.next.number - 1,
            committedEvents: ledger.end.events)
    }

    private func oldestAge(_ ledger: OutboxLedger, _ depth: OutboxQueue.Depth) -> Int64? {
        guard depth.messages > 0, let database else { return nil }
        var age: Int64?
        let row = ledger.record.cursor.mark.row
        try? database.pool.read { db in
            try ledger.record.table.each(after: row, db) { facts in
                age = facts.age
                return false
            }
        }
        return age.map { max(0, ages.now - $0) * 1000 } ?? 0
    }

    // MARK: Dead letters

    private func known(_ agent: String) throws -> (OutboxLedger, OutboxDatabase) {
        guard let ledger = ledgers[agent] else {
            let names = ledgers.keys.sorted().joined(separator: ", ")
            throw OutboxError(
                .noSuchAgent,
                "no agent \"\(agent)\" has an outbox" + (names.isEmpty ? "" : "; there is one of: \(names)"))
        }
        guard let database, failure == nil else {
            throw OutboxError(.unavailable, failure?.description ?? "\(path) is not open")
        }
        return (ledger, database)
    }

    func letters(of agent: String, limit: Int) throws -> [DeadLetterSummary] {
        let (ledger, database) = try known(agent)
        let limit = min(max(0, limit), OutboxWriter.lettersAtOnce)
        let letters = try database.pool.read { db in
            try OutboxDatabase.letters(of: ledger.record.number, limit: limit, db)
        }
        return letters.map { letter in
            DeadLetterSummary(
                epoch: exchange.epochText(letter.sequence.epoch), sequence: letter.sequence.number,
                offset: letter.offset, events: letter.events, bytes: letter.content.size, topic: letter.topic,
                reason: letter.reason, time: letter.time, setAside: letter.setAside)
        }
    }

    /// What one call of `retry` and `discardLetters` does, so that nothing else waits for long.
    static let lettersAtOnce = 500

    /// Puts dead letters behind what waits, each with the identity that it had.
    ///
    /// - Returns: how many, and how many are left.
    func retry(_ agent: String, sequence: UInt64?) throws -> (done: Int, left: Int) {
        commit(withRows: true)
        var (ledger, database) = try known(agent)
        let letters = try database.pool.read { db in
            try OutboxDatabase.letters(
                of: ledger.record.number, sequence: sequence, limit: OutboxWriter.lettersAtOnce, db)
        }
        try check(letters, sequence, agent)
        let age = ages.now
        let rows = letters.map { letter -> StoredRow in
            ledger.end.row += 1
            ledger.end.messages += 1
            ledger.end.events += Int64(letter.events)
            ledger.end.bytes += Int64(letter.content.size)
            return StoredRow(
                mark: ledger.end, lane: OutboxWriter.ownLane, first: ledger.end.row, sequence: letter.sequence,
                offset: letter.offset,
                isAgain: true, events: letter.events, time: letter.time, age: age, topic: letter.topic,
                head: letter.content.head, tail: letter.content.tail, trims: [], bytes: letter.content.body)
        }
        try database.commit(isSynced: true) { db in
            try ledger.record.table.insert(rows, db)
            try OutboxDatabase.deleteLetters(letters.map(\.number), db)
            ledger.record.openFrom = ledger.openFrom
            try OutboxDatabase.save(ledger.record, db)
        }
        ledger.letters -= letters.count
        ledger.letterBytes -= letters.reduce(0) { $0 + $1.content.size }
        ledgers[agent] = ledger
        ledger.queue?.rejoin(end: ledger.end, cursors: cursors(of: ledger))
        return (letters.count, sequence == nil ? ledger.letters : 0)
    }

    func discardLetters(of agent: String, sequence: UInt64?) throws -> (done: Int, left: Int) {
        let (ledger, database) = try known(agent)
        let letters = try database.pool.read { db in
            try OutboxDatabase.letters(
                of: ledger.record.number, sequence: sequence, limit: OutboxWriter.lettersAtOnce, db)
        }
        try check(letters, sequence, agent)
        try database.commit(isSynced: true) { db in try OutboxDatabase.deleteLetters(letters.map(\.number), db) }
        ledgers[agent]?.letters -= letters.count
        ledgers[agent]?.letterBytes -= letters.reduce(0) { $0 + $1.content.size }
        return (letters.count, sequence == nil ? ledger.letters - letters.count : 0)
    }

    private func check(_ letters: [DeadLetter], _ sequence: UInt64?, _ agent: String) throws {
        guard letters.isEmpty, let sequence else { return }
        throw OutboxError(.noSuchMessage, "agent \(agent) has no dead letter with sequence \(sequence)")
    }

    /// Gives up everything that waits; the next message says so with its gap.
    func discardWaiting(of agent: String) throws -> Int {
        commit(withRows: true)
        var (ledger, database) = try known(agent)
        let waiting = status(ledger).messages
        if let queue = ledger.queue {
            let dropped = queue.forget(through: ledger.end)
            ledger.record.droppedMessages += dropped.messages
            ledger.record.droppedEvents += dropped.events
            ledger.delete(through: ledger.end.row)
            ledgers[agent] = ledger
            commit(withRows: true)
            return waiting
        }
        // Nobody will say so for an agent that does not run: its sequence stays where it was, and the gap shows.
        ledger.left = OutboxLedger.Left(announced: ledger.sequenceInMemory)
        ledger.record.droppedMessages += ledger.end.messages - ledger.record.cursor.mark.messages
        ledger.record.droppedEvents += ledger.end.events - ledger.record.cursor.mark.events
        ledger.record.cursor.mark = ledger.end
        try database.commit(isSynced: true) { db in try OutboxDatabase.save(ledger.record, db) }
        ledger.delete(through: ledger.end.row)
        ledgers[agent] = ledger
        return waiting
    }
}

extension Outbox {
    package func overview() async throws -> OutboxOverview { try await perform { $0.overview() } }

    package func letters(of agent: String, limit: Int) async throws -> [DeadLetterSummary] {
        try await perform { try $0.letters(of: agent, limit: limit) }
    }

    /// Sends dead letters again, some at a time.
    ///
    /// - Parameter sequence: of one message, nil for all.
    package func retry(_ agent: String, sequence: UInt64?) async throws -> (done: Int, left: Int) {
        try await perform { try $0.retry(agent, sequence: sequence) }
    }

    /// Gives dead letters up, some at a time.
    package func discardLetters(of agent: String, sequence: UInt64?) async throws -> (done: Int, left: Int) {
        try await perform { try $0.discardLetters(of: agent, sequence: sequence) }
    }

    /// Gives up what waits.
    package func discardWaiting(of agent: String) async throws -> Int {
        try await perform { try $0.discardWaiting(of: agent) }
    }
}

extension Outbox {
    /// Brings what is in the write-ahead log into the file: before a backup, which copies the file alone.
    package func checkpoint() async throws {
        try await perform { writer in
            guard let database = writer.database else { return }
            _ = try database.pool.writeWithoutTransaction { db in
                try Row.fetchAll(db, sql: "PRAGMA wal_checkpoint(TRUNCATE)")
            }
        }
    }
}
