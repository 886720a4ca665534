import FoundationEssentials
import GRDB

/// What the database keeps of each agent beside its messages.
struct AgentRecord: Sendable, Equatable {
    var number: Int64
    var name: String
    var cursor = OutboxCursor()
    var next: OutboxSequence
    /// The row from which on there may be chunks without a message.
    var openFrom: Int64 = 0
    var droppedMessages: Int64 = 0
    var droppedEvents: Int64 = 0
    /// What the `AgeClock` showed when this was written, and the time of day.
    var age: Int64 = 0
    var ageTime: Int64 = 0
    /// Since when the agent does not run, by the `AgeClock`; nil: it runs, or did when the gateway ended.
    var pausedAt: Int64?
    /// Its `max-age`, in seconds.
    var maxAge: Int64?
    /// So much longer than `max-age`, in seconds, what ends up to `restRow` may wait.
    var rest: Int64 = 0
    var restRow: Int64 = 0

    /// The agent runs again: what waited meanwhile is not older for it, and stays for as long as the `max-age` allowed under
    /// which it came.
    ///
    /// - Parameters:
    ///   - end: the last row.
    ///   - maxAge: from now on, in seconds.
    mutating func begin(at age: Int64, end: Int64, maxAge: Int64) {
        let more = max(0, age - (pausedAt ?? age)) + max(0, (self.maxAge ?? maxAge) - maxAge)
        pausedAt = nil
        self.maxAge = maxAge
        guard more > 0 else { return }
        // What came between two such times may stay for the first one as well: longer than it must, never shorter.
        rest = more + (cursor.mark.row < restRow ? rest : 0)
        restRow = end
    }

    /// Whether a message is older than it may be.
    func isOlder(_ facts: OutboxTable.Facts, than age: Int64) -> Bool {
        facts.age + (facts.mark.row <= restRow ? rest : 0) < age
    }

    var table: OutboxTable { OutboxTable(number: number) }
}

/// A message that its peer refused for good.
struct DeadLetter: Sendable {
    var number: Int64
    var agent: Int64
    var sequence: OutboxSequence
    var offset: Int
    var events: Int
    var time: Int64
    var setAside: Int64
    var reason: String
    var topic: String?
    var content: OutboxContent
    /// Where the sequence's epoch is not in the table.
    var epochText: String?
}

extension OutboxDatabase {
    private static let recordColumns = """
        number, name, row, messages, events, bytes, epoch, sequence, next_epoch, next_sequence, open_from,
        dropped_messages, dropped_events, age, age_time, paused_at, rest_row, rest, max_age
        """

    func records() throws -> [AgentRecord] {
        try pool.read { db in
            try Row.fetchAll(db, sql: "SELECT \(OutboxDatabase.recordColumns) FROM agents ORDER BY number").map {
                row in
                guard let number = row.integer(0), let name = row.text(1) else {
                    throw OutboxError(.damaged, "\(path): an agent has no name")
                }
                return AgentRecord(
                    number: number, name: name,
                    cursor: OutboxCursor(
                        mark: OutboxMark(
                            row: try row.count(2), messages: try row.count(3), events: try row.count(4),
                            bytes: try row.count(5)),
                        sequence: OutboxSequence(
                            epoch: try row.count(6, from: -OutboxLimits.most), number: UInt64(try row.count(7)))),
                    next: OutboxSequence(epoch: try row.count(8), number: UInt64(try row.count(9, from: 1))),
                    openFrom: try row.count(10), droppedMessages: try row.count(11), droppedEvents: try row.count(12),
                    age: try row.count(13), ageTime: try row.count(14), pausedAt: row.integer(15),
                    maxAge: row.integer(18), rest: try row.count(17), restRow: try row.count(16))
            }
        }
    }

    static func save(_ record: AgentRecord, _ db: Database) throws {
        let statement = try RowStatement(
            db,
            // Not INSERT OR REPLACE, which writes the index of the names as well, with every cursor.
            sql: """
                INSERT INTO agents (\(recordColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (number) DO UPDATE SET
                    row = excluded.row, messages = excluded.messages, events = excluded.events, bytes = excluded.bytes,
                    epoch = excluded.epoch, sequence = excluded.sequence, next_epoch = excluded.next_epoch,
                    next_sequence = excluded.next_sequence, open_from = excluded.open_from,
                    dropped_messages = excluded.dropped_messages, dropped_events = excluded.dropped_events,
                    age = excluded.age, age_time = excluded.age_time, paused_at = excluded.paused_at,
                    rest_row = excluded.rest_row, rest = excluded.rest, max_age = excluded.max_age
                """)
        try statement.run { binder in
            try binder.bind(record.number)
            try binder.bind(record.name)
            try binder.bind(record.cursor.mark.row)
            try binder.bind(record.cursor.mark.messages)
            try binder.bind(record.cursor.mark.events)
            try binder.bind(record.cursor.mark.bytes)
            try binder.bind(record.cursor.sequence.epoch)
            try binder.bind(Int64(clamping: record.cursor.sequence.number))
            try binder.bind(record.next.epoch)
            try binder.bind(Int64(clamping: record.next.number))
            try binder.bind(record.openFrom)
            try binder.bind(record.droppedMessages)
            try binder.bind(record.droppedEvents)
            try binder.bind(record.age)
            try binder.bind(record.ageTime)
            try binder.bind(record.pausedAt)
            try binder.bind(record.restRow)
            try binder.bind(record.rest)
            try binder.bind(record.maxAge)
        }
    }

    static func remove(_ record: AgentRecord, _ db: Database) throws {
        try record.table.drop(db)
        try db.execute(sql: "DELETE FROM dead_letters WHERE agent = ?", arguments: [record.number])
        try db.execute(sql: "DELETE FROM agents WHERE number = ?", arguments: [record.number])
    }

    // MARK: Dead letters

    private static let letterColumns = """
        number, agent, epoch, sequence, offset, events, time, set_aside, reason, topic, head, body, tail
        """

    static func insert(_ letter: DeadLetter, _ db: Database) throws {
        let statement = try RowStatement(
            db,
            sql: """
                INSERT INTO dead_letters (agent, epoch, sequence, offset, events, time, set_aside, reason, topic, head,
                    body, tail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        try statement.run { binder in
            try binder.bind(letter.agent)
            try binder.bind(letter.sequence.epoch)
            try binder.bind(Int64(clamping: letter.sequence.number))
            try binder.bind(letter.offset)
            try binder.bind(letter.events)
            try binder.bind(letter.time)
            try binder.bind(letter.setAside)
            try binder.bind(letter.reason)
            try binder.bind(letter.topic)
            try binder.bind(letter.content.head)
            try binder.bind(letter.content.body)
            try binder.bind(letter.content.tail)
        }
    }

    static func deleteLetters(_ numbers: [Int64], _ db: Database) throws {
        let statement = try RowStatement(db, sql: "DELETE FROM dead_letters WHERE number = ?")
        for number in numbers { try statement.run { try $0.bind(number) } }
    }

    /// The dead letters of an agent, the oldest first.
    ///
    /// - Parameter sequence: of that message alone.
    static func letters(
        of agent: Int64, after number: Int64 = 0, sequence: UInt64? = nil, limit: Int, _ db: Database
    ) throws -> [DeadLetter] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT \(letterColumns) FROM dead_letters
                WHERE agent = ? AND number > ? AND (? IS NULL OR sequence = ?) ORDER BY number LIMIT ?
                """,
            arguments: [
                agent, number, sequence.map { Int64(clamping: $0) }, sequence.map { Int64(clamping: $0) }, limit,
            ]
        ).map { row in
            DeadLetter(
                number: row.integer(0) ?? 0, agent: row.integer(1) ?? 0,
                sequence: OutboxSequence(
                    epoch: try row.count(2, from: -OutboxLimits.most), number: UInt64(try row.count(3))),
                offset: Int(try row.count(4)), events: Int(try row.count(5)),
                time: row.integer(6) ?? 0, setAside: row.integer(7) ?? 0, reason: row.text(8) ?? "",
                topic: row.text(9),
                content: OutboxContent(head: row.bytes(10), tail: row.bytes(12), chunks: [row.bytes(11)], trims: []))
        }
    }

    /// How many there are of each agent, and their bytes.
    func letterCounts() throws -> [Int64: (count: Int, bytes: Int)] {
        try pool.read { db in
            var counts: [Int64: (count: Int, bytes: Int)] = [:]
            let sql = "SELECT agent, count(*), sum(length(body)) FROM dead_letters GROUP BY agent"
            for row in try Row.fetchAll(db, sql: sql) {
                counts[row.integer(0) ?? 0] = (Int(try row.count(1)), Int(try row.count(2)))
            }
            return counts
        }
    }
}
