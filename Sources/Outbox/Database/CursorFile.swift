import GRDB
import Glibc
import Synchronization

/// `outbox.cursors`, beside the database: up to where each agent's peer has taken its messages, written with every
/// acknowledgement and never synced. It outlives the process, so that a crash repeats what was on its way and nothing else;
/// the database's own cursors follow a little later, and alone count after a power cut.
///
/// It is believed only where it carries the token of the database's last opening, and where the database holds the very row.
final class CursorFile: Sendable {
    private static let slotSize = 128
    /// Of agents that have a place.
    private static let mostAgents: Int64 = 1 << 16

    private let token: [UInt8]
    /// nil: it was closed.
    private let file: Mutex<Int32?>

    /// nil where the disk does not allow it.
    ///
    /// - Parameter token: of the database's present opening.
    init?(beside database: String, token: String) {
        let path = CursorFile.path(beside: database)
        let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return nil }
        self.token = Array(token.utf8)
        self.file = Mutex(file)
    }

    deinit {
        close()
    }

    /// From now on nothing is written.
    func close() {
        let open = file.withLock { file in
            defer { file = nil }
            return file
        }
        if let open { Glibc.close(open) }
    }

    /// - Returns: whether it will be known after a crash.
    func write(_ cursor: OutboxCursor, of agent: Int64) -> Bool {
        guard (0..<CursorFile.mostAgents).contains(agent) else { return false }
        let slot = CursorFile.slot(cursor, agent, token)
        return file.withLock { file in
            guard let file else { return false }
            return unsafe pwrite(file, slot, slot.count, Int(agent) * CursorFile.slotSize) == slot.count
        }
    }

    private static func path(beside database: String) -> String {
        (database.hasSuffix(".sqlite") ? String(database.dropLast(7)) : database) + ".cursors"
    }

    // MARK: A slot

    private static func slot(_ cursor: OutboxCursor, _ agent: Int64, _ token: [UInt8]) -> [UInt8] {
        var slot: [UInt8] = []
        slot.reserveCapacity(slotSize)
        slot.append(contentsOf: token.prefix(32))
        for number in [
            agent, cursor.mark.row, cursor.mark.messages, cursor.mark.events, cursor.mark.bytes, cursor.sequence.epoch,
            Int64(clamping: cursor.sequence.number),
        ] {
            append(UInt64(bitPattern: number), to: &slot)
        }
        append(sum(slot), to: &slot)
        return slot
    }

    private static func append(_ number: UInt64, to slot: inout [UInt8]) {
        for shift in stride(from: 0, to: 64, by: 8) { slot.append(UInt8(truncatingIfNeeded: number >> UInt64(shift))) }
    }

    /// FNV-1a: against a slot that a power cut left half written, not against anybody's will.
    private static func sum(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }

    private static func cursor(in slot: [UInt8], _ agent: Int64, token: [UInt8]) -> OutboxCursor? {
        func number(_ index: Int) -> Int64 {
            let first = 32 + index * 8
            return Int64(bitPattern: slot[first..<first + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) })
        }
        guard slot.count == 96, token.count == 32, slot.starts(with: token),
            UInt64(bitPattern: number(7)) == sum(Array(slot[..<88])), number(0) == agent,
            (1...6).allSatisfy({ (-OutboxLimits.most...OutboxLimits.most).contains(number($0)) }), number(6) >= 0
        else { return nil }
        return OutboxCursor(
            mark: OutboxMark(row: number(1), messages: number(2), events: number(3), bytes: number(4)),
            sequence: OutboxSequence(epoch: number(5), number: UInt64(number(6))))
    }

    // MARK: After a crash

    static func read(beside database: String, token: String, of agent: Int64) -> OutboxCursor? {
        guard (0..<mostAgents).contains(agent) else { return nil }
        let file = unsafe open(path(beside: database), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return nil }
        defer { Glibc.close(file) }
        var slot = [UInt8](repeating: 0, count: 96)
        let count = unsafe pread(file, &slot, slot.count, Int(agent) * slotSize)
        return count == slot.count ? cursor(in: slot, agent, token: Array(token.utf8)) : nil
    }

    /// Moves the database's cursors to where the last process was, before that token is gone.
    static func adopt(beside database: String, token: String, _ db: Database) throws {
        for agent in try Int64.fetchAll(db, sql: "SELECT number FROM agents") {
            guard let cursor = read(beside: database, token: token, of: agent),
                try OutboxTable(number: agent).holds(cursor, db)
            else { continue }
            try db.execute(
                sql: """
                    UPDATE agents SET row = ?, messages = ?, events = ?, bytes = ?, epoch = ?, sequence = ?
                    WHERE number = ? AND row < ?
                    """,
                arguments: [
                    cursor.mark.row, cursor.mark.messages, cursor.mark.events, cursor.mark.bytes, cursor.sequence.epoch,
                    Int64(clamping: cursor.sequence.number), agent, cursor.mark.row,
                ])
        }
    }
}
