import FoundationEssentials
import GRDB

/// The rows of one agent.
struct OutboxTable: Sendable {
    let number: Int64
    private var name: String { "messages_\(number)" }

    private static let columns = """
        row, lane, first, epoch, sequence, offset, again, events, all_messages, all_events, all_bytes, time, age, topic,
        parts, trims, head, tail, bytes, gap
        """

    func create(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS \(name) (
                    row INTEGER PRIMARY KEY,
                    lane INTEGER NOT NULL, first INTEGER NOT NULL,
                    -- Null: a chunk of a message that goes on.
                    epoch INTEGER, sequence INTEGER,
                    -- gap: of one that is sent again, how many sequences were dropped directly before it.
                    offset INTEGER NOT NULL, again INTEGER NOT NULL, gap INTEGER NOT NULL, events INTEGER NOT NULL,
                    -- Of all rows up to this one: what waits is a difference, and nothing need be counted.
                    all_messages INTEGER NOT NULL, all_events INTEGER NOT NULL, all_bytes INTEGER NOT NULL,
                    time INTEGER NOT NULL, age INTEGER NOT NULL,
                    topic TEXT, parts TEXT, trims TEXT, head BLOB NOT NULL, tail BLOB NOT NULL, bytes BLOB NOT NULL
                ) STRICT
                """)
    }

    /// From format 1.
    func addGap(_ db: Database) throws {
        try create(db)
        let columns = try Row.fetchAll(db, sql: "SELECT name FROM pragma_table_info('\(name)')").map { $0.text(0) }
        guard !columns.contains("gap") else { return }
        try db.execute(sql: "ALTER TABLE \(name) ADD COLUMN gap INTEGER NOT NULL DEFAULT 0")
    }

    func drop(_ db: Database) throws { try db.execute(sql: "DROP TABLE IF EXISTS \(name)") }

    // MARK: Writing

    func insert(_ rows: [StoredRow], _ db: Database) throws {
        guard !rows.isEmpty else { return }
        let statement = try RowStatement(
            db,
            sql: """
                INSERT INTO \(name) (\(OutboxTable.columns))
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        for row in rows {
            try statement.run { binder in
                try binder.bind(row.mark.row)
                try binder.bind(row.lane)
                try binder.bind(row.first)
                try binder.bind(row.sequence?.epoch)
                try binder.bind(row.sequence.map { Int64(clamping: $0.number) })
                try binder.bind(row.offset)
                try binder.bind(row.isAgain ? 1 : 0)
                try binder.bind(row.events)
                try binder.bind(row.mark.messages)
                try binder.bind(row.mark.events)
                try binder.bind(row.mark.bytes)
                try binder.bind(row.time)
                try binder.bind(row.age)
                try binder.bind(row.topic)
                try binder.bind(row.parts.stored)
                try binder.bind(row.trims.stored)
                try binder.bind(row.head)
                try binder.bind(row.tail)
                try binder.bind(row.bytes)
                try binder.bind(Int64(clamping: row.gap))
            }
        }
    }

    /// Where a message is cut from now on.
    func cut(row: Int64, at parts: [Int], _ db: Database) throws {
        try db.execute(sql: "UPDATE \(name) SET parts = ? WHERE row = ?", arguments: [parts.stored, row])
    }

    /// Deletes the messages that end in so many rows, with their chunks, which may begin before. A chunk of a message that
    /// ends later stays.
    func delete(_ rows: ClosedRange<Int64>, _ db: Database) throws {
        let grown = try Row.fetchAll(
            db,
            sql: """
                SELECT first, row, lane FROM \(name)
                WHERE row BETWEEN ? AND ? AND sequence IS NOT NULL AND first < row
                """, arguments: [rows.lowerBound, rows.upperBound])
        for row in grown {
            try db.execute(
                sql: "DELETE FROM \(name) WHERE row >= ? AND row < ? AND lane = ? AND sequence IS NULL",
                arguments: [row.integer(0), row.integer(1), row.integer(2)])
        }
        try db.execute(
            sql: "DELETE FROM \(name) WHERE row BETWEEN ? AND ? AND sequence IS NOT NULL",
            arguments: [rows.lowerBound, rows.upperBound])
    }

    /// Deletes chunks of a lane that no message has.
    func deleteLoose(_ rows: ClosedRange<Int64>, lane: Int, _ db: Database) throws {
        try db.execute(
            sql: "DELETE FROM \(name) WHERE row BETWEEN ? AND ? AND lane = ? AND sequence IS NULL",
            arguments: [rows.lowerBound, rows.upperBound, lane])
    }

    // MARK: Reading

    func firstRow(_ db: Database) throws -> Int64? {
        guard let row = try Row.fetchOne(db, sql: "SELECT row FROM \(name) ORDER BY row LIMIT 1") else { return nil }
        return try row.count(0)
    }

    /// Whether a message ends where a cursor stands, and is the one that it means.
    func holds(_ cursor: OutboxCursor, _ db: Database) throws -> Bool {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT row, all_messages, all_events, all_bytes, epoch, sequence, again FROM \(name)
                WHERE row = ? AND sequence IS NOT NULL
                """, arguments: [cursor.mark.row])
        guard let row, try OutboxTable.mark(row) == cursor.mark else { return false }
        // One that is sent again does not move the sequence.
        return row.integer(6) == 1
            || row.integer(4) == cursor.sequence.epoch && row.integer(5) == Int64(clamping: cursor.sequence.number)
    }

    /// The messages that end behind one row and not behind another, in order, as far as they fit.
    ///
    /// - Parameter bytes: after these no further one is read; one is always.
    func messages(after row: Int64, through last: Int64, limit: Int, bytes: Int, _ db: Database) throws
        -> [StoredMessage]
    {
        let statement = try RowStatement(
            db,
            sql: """
                SELECT \(OutboxTable.columns) FROM \(name)
                WHERE row > ? AND row <= ? AND sequence IS NOT NULL ORDER BY row LIMIT ?
                """)
        var messages: [StoredMessage] = []
        var size = 0
        try statement.each {
            try $0.bind(row)
            try $0.bind(last)
            try $0.bind(limit)
        } _: { row in
            var message = try OutboxTable.message(row, like: messages.last)
            if let first = row.integer(2), first < message.mark.row {
                message.content.chunks =
                    try chunks(from: first, before: message.mark.row, lane: row.integer(1) ?? 0, db)
                    + message.content.chunks
            }
            size += message.content.size
            messages.append(message)
            return size < bytes
        }
        return messages
    }

    private func chunks(from first: Int64, before row: Int64, lane: Int64, _ db: Database) throws -> [[UInt8]] {
        let statement = try RowStatement(
            db, sql: "SELECT bytes FROM \(name) WHERE row >= ? AND row < ? AND lane = ? ORDER BY row")
        var chunks: [[UInt8]] = []
        try statement.each {
            try $0.bind(first)
            try $0.bind(row)
            try $0.bind(lane)
        } _: { row in
            chunks.append(row.bytes(0))
            return true
        }
        return chunks
    }

    private static func message(_ row: RowStatement.Columns, like last: StoredMessage?) throws -> StoredMessage {
        StoredMessage(
            mark: OutboxMark(
                row: try row.count(0), messages: try row.count(8), events: try row.count(9), bytes: try row.count(10)),
            sequence: OutboxSequence(
                epoch: try row.count(3, from: -OutboxLimits.most), number: UInt64(try row.count(4))),
            offset: Int(try row.count(5)), isAgain: row.integer(6) == 1, gap: UInt64(try row.count(19)),
            events: Int(try row.count(7)),
            time: row.integer(11) ?? 0, age: try row.count(12), topic: row.text(13), parts: [Int](stored: row.text(14)),
            content: OutboxContent(
                head: row.bytes(16, likely: last?.content.head ?? []),
                tail: row.bytes(17, likely: last?.content.tail ?? []), chunks: [row.bytes(18)],
                trims: [OutboxChunk.Trim](stored: row.text(15))))
    }

    /// What a message says of itself, without what it says.
    struct Facts: Sendable {
        var mark: OutboxMark
        var age: Int64
    }

    /// Calls `body` with message after message behind a row until it says false.
    func each(after row: Int64, _ db: Database, _ body: (Facts) throws -> Bool) throws {
        let rows = try Row.fetchCursor(
            db.cachedStatement(
                sql: """
                    SELECT row, all_messages, all_events, all_bytes, age
                    FROM \(name) WHERE row > ? AND sequence IS NOT NULL ORDER BY row
                    """), arguments: [row])
        while let row = try rows.next() {
            let facts = Facts(
                mark: try OutboxTable.mark(row), age: try row.count(4))
            guard try body(facts) else { return }
        }
    }

    private static func mark(_ row: Row) throws -> OutboxMark {
        OutboxMark(
            row: try row.count(0), messages: try row.count(1), events: try row.count(2), bytes: try row.count(3))
    }

    /// Up to where there are rows.
    func end(_ db: Database) throws -> OutboxMark? {
        try Row.fetchOne(
            db, sql: "SELECT row, all_messages, all_events, all_bytes FROM \(name) ORDER BY row DESC LIMIT 1"
        ).map { try OutboxTable.mark($0) }
    }

    /// The chunks from a row on that no message has, by lane; what a crash left.
    func loose(from row: Int64, _ db: Database) throws -> [Int: LooseChunks] {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT row, lane, sequence, events, time, topic, trims, head, tail FROM \(name)
                WHERE row >= ? ORDER BY row
                """, arguments: [row])
        var loose: [Int: LooseChunks] = [:]
        while let row = try rows.next() {
            let lane = Int(clamping: row.integer(1) ?? 0)
            guard row.integer(2) == nil else {
                loose[lane] = nil
                continue
            }
            var chunks = try loose[lane] ?? LooseChunks(first: row.count(0))
            chunks.events += Int(try row.count(3))
            chunks.time = row.integer(4) ?? 0
            chunks.topic = row.text(5)
            chunks.trims = [OutboxChunk.Trim](stored: row.text(6))
            chunks.head = row.bytes(7)
            chunks.tail = row.bytes(8)
            loose[lane] = chunks
        }
        return loose
    }

    /// What the message would be that ended with the last of them.
    struct LooseChunks {
        let first: Int64
        var events = 0
        var time: Int64 = 0
        var topic: String?
        var trims: [OutboxChunk.Trim] = []
        var head: [UInt8] = []
        var tail: [UInt8] = []

        init(first: Int64) {
            self.first = first
        }
    }
}
