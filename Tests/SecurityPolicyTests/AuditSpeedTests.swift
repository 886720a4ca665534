import Foundation
import Testing

@testable import SecurityPolicy

/// Figures for docs/audit-log.md: SALLYPORT_MEASURE=1 swift test --filter AuditSpeed
@Suite(
    "Speed of the audit log", .serialized, .timeLimit(.minutes(3)),
    .enabled(if: ProcessInfo.processInfo.environment["SALLYPORT_MEASURE"] != nil))
struct AuditSpeedTests {
    @Test("record with one and with a hundred callers", arguments: [1, 100])
    func record(_ callers: Int) async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        let each = 20_000 / callers
        let clock = ContinuousClock()
        let time = try await clock.measure {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<callers {
                    tasks.addTask { for number in 0..<each { try await log.record(AuditFixture.write(number)) } }
                }
                try await tasks.waitForAll()
            }
        }
        print("\(callers) callers: \(Int(20_000 / (time / .seconds(1)))) entries a second")
        await log.close()
        let bytes = try FileManager.default.attributesOfItem(atPath: fixture.database)[.size] as? Int ?? 0
        print("\(bytes / 20_000) bytes an entry")
        let verify = try clock.measure { _ = try fixture.reader.verify() }
        print("verify: \(Int(20_000 / (verify / .seconds(1)))) entries a second")
    }

    @Test("note") func note() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open()
        let event = AuditEvent(
            .login, of: "api", by: "eve", kind: .user, address: "192.0.2.9", agent: "api", outcome: .refused,
            reason: "wrong password")
        let time = ContinuousClock().measure { for _ in 0..<200_000 { log.note(event) } }
        print("note: \(time / .nanoseconds(1) / 200_000) ns")
        await log.close()
    }
}
