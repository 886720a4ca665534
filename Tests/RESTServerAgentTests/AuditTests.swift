import NIOCore
import NIOHTTP1
import SecurityPolicy
import Testing

@testable import RESTServerAgent

/// What of logins and refused decisions reaches the audit log.
@Suite("What the audit log hears", .timeLimit(.minutes(2)))
struct AuditTests {
    private static let wrong = AuthenticationTests.basic("viewer:wrong wrong wrong")

    @Test func aLoginOncePerClientAndEveryFailure() async throws {
        try await Fixture.run { fixture in
            for _ in 0..<3 { try await fixture.expect(200, "GET", "/iotgateway/browse", [Fixture.viewer]) }
            try await fixture.expect(200, "GET", "/iotgateway/browse", [Fixture.admin])
            try await fixture.expect(401, "GET", "/iotgateway/browse", [])
            #expect(try await fixture.logins() == ["viewer succeeded", "admin succeeded"])
            try await fixture.expect(401, "GET", "/", [Self.wrong])
            // A success after a failure is worth another entry.
            try await fixture.expect(200, "GET", "/iotgateway/browse", [Fixture.viewer])
            #expect(
                try await fixture.logins() == [
                    "viewer succeeded", "admin succeeded", "viewer refused", "viewer succeeded",
                ])
            let events = try await fixture.entries { $0.action == "login" }
            #expect(events.allSatisfy { $0.address == "127.0.0.1" && $0.agent == "api" && $0.kind == "user" })
            #expect(events.allSatisfy { !$0.reason.contains("wrong wrong") })
        }
    }

    @Test func refusedTagsOnceARequestAndNothingElse() async throws {
        try await Fixture.run { fixture in
            func read(_ ids: String...) async throws {
                let query = ids.map { "ids=\($0)" }.joined(separator: "&")
                try await fixture.expect(200, "GET", "/iotgateway/read?\(query)", [Fixture.viewer])
            }
            try await read("Simulator.T2.5S", "Nothing.Of.This")
            try await fixture.expect(200, "GET", "/iotgateway/browse", [Fixture.viewer])
            let nothing = try await fixture.entries { ["browse", "read", "write"].contains($0.action) }
            #expect(nothing == [])
            try await read("Nothing", "Simulator.T2.NoRead", "Secret.PLC.Key", "Simulator.T2.5S")
            try await read("Outside.D.T")
            try await fixture.expect(403, "POST", "/iotgateway/write", [Fixture.viewer], body: "[]")
            let events = try await fixture.entries { ["browse", "read", "write"].contains($0.action) }
            #expect(events.map(\.object).prefix(2) == ["Simulator.T2.NoRead", "Outside.D.T"])
            #expect(events.map(\.count) == [2, 1, 1])
            #expect(events.map(\.action) == ["read", "read", "write"])
            #expect(events.allSatisfy { $0.principal == "viewer" && $0.outcome == "refused" && !$0.reason.isEmpty })
        }
    }
}
