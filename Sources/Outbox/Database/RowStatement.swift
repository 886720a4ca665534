import GRDB
import GRDBSQLite

/// A prepared statement whose arguments go to SQLite without a detour: GRDB boxes each of them, which took two thirds of
/// the time of an insert.
///
/// The only file of this target with pointers. They are lent by SQLite and GRDB for the length of a call, and what is bound
/// is copied by SQLite (`SQLITE_TRANSIENT`), or outlives the step that uses it.
@safe struct RowStatement {
    private let statement: Statement
    private let handle: OpaquePointer
    private let database: Database

    init(_ database: Database, sql: String) throws {
        statement = try database.cachedStatement(sql: sql)
        unsafe handle = statement.sqliteStatement
        self.database = database
    }

    /// Binds and runs it once; a statement that gives no rows.
    func run(_ bind: (inout Binder) throws -> Void) throws {
        var binder = unsafe Binder(handle: handle)
        unsafe sqlite3_reset(handle)
        try bind(&binder)
        let code = unsafe sqlite3_step(handle)
        // Not before the error was read: a reset would put it away.
        let message = code == SQLITE_DONE ? nil : unsafe String(cString: sqlite3_errmsg(database.sqliteConnection))
        unsafe sqlite3_reset(handle)
        unsafe sqlite3_clear_bindings(handle)
        guard code == SQLITE_DONE else {
            throw DatabaseError(resultCode: ResultCode(rawValue: code), message: message)
        }
    }

    /// Binds, runs it, and calls `body` with row after row until it says false.
    func each(_ bind: (inout Binder) throws -> Void, _ body: (Columns) throws -> Bool) throws {
        var binder = unsafe Binder(handle: handle)
        unsafe sqlite3_reset(handle)
        defer {
            unsafe sqlite3_reset(handle)
            unsafe sqlite3_clear_bindings(handle)
        }
        try bind(&binder)
        while true {
            let code = unsafe sqlite3_step(handle)
            switch code {
            case SQLITE_ROW: guard try body(unsafe Columns(handle: handle)) else { return }
            case SQLITE_DONE: return
            default:
                throw DatabaseError(
                    resultCode: ResultCode(rawValue: code),
                    message: unsafe String(cString: sqlite3_errmsg(database.sqliteConnection)))
            }
        }
    }

    /// The row that a statement has come to; not to be kept for longer.
    @safe struct Columns: StoredColumns {
        private let handle: OpaquePointer

        fileprivate init(handle: OpaquePointer) {
            unsafe self.handle = handle
        }

        func integer(_ column: Int) -> Int64? {
            let column = Int32(truncatingIfNeeded: column)
            guard unsafe sqlite3_column_type(handle, column) == SQLITE_INTEGER else { return nil }
            return unsafe sqlite3_column_int64(handle, column)
        }

        func text(_ column: Int) -> String? {
            let column = Int32(truncatingIfNeeded: column)
            guard unsafe sqlite3_column_type(handle, column) == SQLITE_TEXT else { return nil }
            return unsafe withBytes(column) { unsafe String(decoding: $0, as: UTF8.self) }
        }

        func bytes(_ column: Int) -> [UInt8] {
            unsafe withBytes(Int32(truncatingIfNeeded: column)) { unsafe [UInt8]($0) }
        }

        /// The same array again where it holds the same bytes, as what stands around events mostly does.
        func bytes(_ column: Int, likely: [UInt8]) -> [UInt8] {
            unsafe withBytes(Int32(truncatingIfNeeded: column)) { found in
                unsafe found.elementsEqual(likely) ? likely : unsafe [UInt8](found)
            }
        }

        private func withBytes<Value>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> Value) -> Value {
            // Nothing and no bytes are a null pointer.
            let start = unsafe sqlite3_column_blob(handle, column)
            let count = unsafe start == nil ? 0 : Int(sqlite3_column_bytes(handle, column))
            return unsafe body(UnsafeRawBufferPointer(start: start, count: count))
        }
    }

    /// Takes the arguments in order.
    @safe struct Binder {
        fileprivate let handle: OpaquePointer
        private var index: Int32 = 0

        fileprivate init(handle: OpaquePointer) {
            unsafe self.handle = handle
        }

        private mutating func check(_ code: Int32) throws {
            guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
        }

        mutating func bind(_ value: Int64?) throws {
            index += 1
            guard let value else { return try check(unsafe sqlite3_bind_null(handle, index)) }
            try check(unsafe sqlite3_bind_int64(handle, index, value))
        }

        mutating func bind(_ value: Int) throws { try bind(Int64(value)) }

        mutating func bind(_ text: String?) throws {
            index += 1
            guard var text else { return try check(unsafe sqlite3_bind_null(handle, index)) }
            let (handle, index) = unsafe (handle, index)
            let code = text.withUTF8 { utf8 in
                unsafe utf8.withMemoryRebound(to: CChar.self) {
                    unsafe sqlite3_bind_text(handle, index, $0.baseAddress, Int32(clamping: $0.count), transient)
                }
            }
            try check(code)
        }

        mutating func bind(_ bytes: [UInt8]) throws {
            index += 1
            let (handle, index) = unsafe (handle, index)
            let code = unsafe bytes.withUnsafeBytes {
                // No bytes are a null pointer, which would be bound as null.
                unsafe $0.isEmpty
                    ? unsafe sqlite3_bind_zeroblob(handle, index, 0)
                    : unsafe sqlite3_bind_blob(handle, index, $0.baseAddress, Int32(clamping: $0.count), transient)
            }
            try check(code)
        }
    }
}

/// SQLite's word for "copy it".
private var transient: sqlite3_destructor_type {
    unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
}

/// Columns as they are stored: in a damaged file anything may stand anywhere.
protocol StoredColumns {
    /// nil where it is no integer.
    func integer(_ column: Int) -> Int64?
}

extension StoredColumns {
    /// A number that is counted with: far enough from the ends of what fits that sums of some never leave it.
    func count(_ column: Int, from least: Int64 = 0) throws -> Int64 {
        guard let number = integer(column), (least...OutboxLimits.most).contains(number) else {
            throw OutboxError(.damaged, "the outbox holds a number that nobody wrote")
        }
        return number
    }
}

extension Row: StoredColumns {
    func integer(_ column: Int) -> Int64? {
        let value: DatabaseValue = self[column]
        if case .int64(let number) = value.storage { return number }
        return nil
    }

    func text(_ column: Int) -> String? {
        let value: DatabaseValue = self[column]
        if case .string(let text) = value.storage { return text }
        return nil
    }

    func bytes(_ column: Int) -> [UInt8] {
        do {
            return try withUnsafeData(atIndex: column) { $0.map { [UInt8]($0) } ?? [] }
        } catch {
            return []
        }
    }
}

enum OutboxLimits {
    /// Beyond any count of bytes, events, seconds and rows that comes about.
    static let most: Int64 = 1 << 53
}
