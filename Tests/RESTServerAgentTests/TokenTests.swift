import SecurityPolicy
import Testing

@testable import RESTServerAgent

@Suite("API tokens over HTTP", .timeLimit(.minutes(2)))
struct TokenTests {
    @Test func aTokenLogsInUntilItIsRevoked() async throws {
        try await Fixture.run { fixture in
            let token = try await fixture.users.createToken(name: "pump", groups: ["viewers"])
            for scheme in ["Bearer", "bearer", "BEARER "] {
                let reply = try await fixture.ask(
                    "GET", "/iotgateway/read?ids=Simulator.T2.5S", ["Authorization: \(scheme) \(token)"])
                #expect(reply.status == 200 && reply.body.contains("\"s\":true"))
            }
            let connection = try RawConnection(fixture.address)
            func status() async throws -> Int {
                try await connection.send(
                    Fixture.request("GET", "/iotgateway/browse", ["Authorization: Bearer \(token)"]))
                return try await connection.response().status
            }
            #expect(try await status() == 200)
            #expect(try await status() == 200)
            try await fixture.users.revokeToken(name: "pump")
            #expect(try await status() == 401)
            let logins = try await fixture.entries { $0.action == "login" && $0.outcome == "succeeded" }
            #expect(logins.map(\.principal) == ["pump"])
            #expect(logins.map(\.kind) == ["token"])
        }
    }

    @Test(arguments: ["", "=", "a b", "a=b", "a\u{e9}", String(repeating: "a", count: 600)])
    func whatIsNoToken(_ text: String) async throws {
        try await Fixture.run { fixture in
            let reply = try await fixture.ask("GET", "/iotgateway/browse", ["Authorization: Bearer \(text)"])
            #expect(reply.status == 401)
        }
    }
}
