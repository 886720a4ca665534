import Foundation
import Glibc
import Synchronization
import Testing

@testable import SecurityPolicy

@Suite("The audit log when its process is killed", .timeLimit(.minutes(2)))
struct AuditCrashTests {
    @Test("has everything that was reported as recorded")
    func killed() async throws {
        let fixture = try AuditFixture()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = fixture.path as String] in
            try await recordUntilKilled(path)
        }
        let reported = try String(contentsOfFile: fixture.path + "/reported", encoding: .utf8).split(separator: "\n")
        #expect(reported.count >= 1500)
        let log = try await fixture.open()
        await log.close()
        let kept = Set(try fixture.reader.entries(AuditFilter(limit: 1_000_000)).map(\.object))
        #expect(reported.allSatisfy { kept.contains(String($0)) })
        let result = try fixture.reader.verify()
        #expect(result.isIntact, "\(result.problems)")
    }
}

/// Records with twenty callers, notes in a file what was reported, and is killed in the middle of it.
private func recordUntilKilled(_ path: String) async throws {
    let log = try await AuditLog.open(dataDirectory: path)
    let reported = open(path + "/reported", O_WRONLY | O_CREAT | O_APPEND, 0o600)
    let count = Counter()
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        for task in 0..<20 {
            tasks.addTask {
                for number in 0..<100_000 {
                    try await log.record(AuditFixture.write(task * 100_000 + number))
                    let line = "Plant.PLC1.Valve\(task * 100_000 + number)\n"
                    _ = line.withCString { write(reported, $0, strlen($0)) }
                    // In the middle of whatever the others do.
                    if count.next() == 1500 { kill(getpid(), SIGKILL) }
                }
            }
        }
        try await tasks.waitForAll()
    }
}

private final class Counter: Sendable {
    private let count = Mutex(0)

    func next() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}
