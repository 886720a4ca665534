import Foundation
import GRDB
import Testing

@testable import SecurityPolicy

/// A data directory of one test's own with an audit log in it.
final class AuditFixture {
    let path: String
    var database: String { path + "/audit.sqlite" }
    var reader: AuditReader { AuditReader(dataDirectory: path) }

    init(in base: String = NSTemporaryDirectory()) throws {
        path = base + "/sallyport-audit-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func open(_ options: AuditOptions = AuditOptions()) async throws -> AuditLog {
        try await AuditLog.open(dataDirectory: path, options: options)
    }

    static func write(_ number: Int, reason: String = "") -> AuditEvent {
        AuditEvent(
            .write, of: "Plant.PLC1.Valve\(number)", by: "ann", kind: .user, address: "192.0.2.7", agent: "api",
            old: "\(number)", new: "\(number + 1)", outcome: .succeeded, reason: reason)
    }

    /// A log of so many entries, closed again.
    func fill(_ count: Int) async throws {
        let log = try await open()
        try await log.record((0..<count).map { Self.write($0) })
        await log.close()
    }

    /// Does to the file what somebody with a shell would, the triggers out of the way.
    func tamper(_ sql: String, dropping triggers: [String] = []) throws {
        let queue = try DatabaseQueue(path: database)
        try queue.write { db in
            for trigger in triggers { try db.execute(sql: "DROP TRIGGER \(trigger)") }
            try db.execute(sql: sql)
        }
        try queue.close()
    }

    func number(_ sql: String) throws -> Int {
        let queue = try DatabaseQueue(path: database)
        defer { try? queue.close() }
        return try queue.read { try Int.fetchOne($0, sql: sql) ?? 0 }
    }

    var exported: [String] {
        get throws {
            let folder = path + "/audit-exported"
            guard FileManager.default.fileExists(atPath: folder) else { return [] }
            return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { folder + "/" + $0 }
        }
    }
}

/// Waits for something to become true.
func eventually(_ what: String, within seconds: Int = 30, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(20))
    }
    Issue.record("never came: \(what)")
}
