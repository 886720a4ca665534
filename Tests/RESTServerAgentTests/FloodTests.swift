import NIOCore
import Testing

@testable import RESTServerAgent

/// Much at once from one client: it is bounded, and others are served meanwhile.
@Suite(.timeLimit(.minutes(3)))
struct FloodTests {
    @Test func tenThousandPipelinedRequests() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            let one = Fixture.request("GET", "/iotgateway/read?ids=Simulator.T2.5S")
            let requests = Array(
                (String(repeating: one, count: 10_000)
                    + Fixture.request("GET", "/healthz", ["Connection: close"])).utf8)
            async let sending: Void = connection.send(requests)
            let all = try await connection.receiveAll()
            try await sending
            #expect(all.ranges(of: #"{"readResults":[{"id":"Simulator.T2.5S","s":true"#).count == 10_000)
            #expect(all.hasSuffix(#"{"alive":true}"#))
        }
    }

    /// Whoever sends without end and takes no answer is held up, and the memory for its answers is bounded.
    @Test func clientThatOnlySends() async throws {
        try await Fixture.run(timeouts: LimitTests.hasty) { fixture in
            let connection = try RawConnection(fixture.address)
            let requests = Array(String(repeating: Fixture.request("GET", "/iotgateway/browse"), count: 1000).utf8)
            var sent = 0
            while sent < 2000, (try? await connection.send(requests)) != nil { sent += 1 }
            #expect(sent < 2000)
            #expect(try await fixture.ask("GET", "/healthz", []).status == 200)
        }
    }

    @Test func handshakesThatAreNeverFinished() async throws {
        var options = try Fixture.options()
        options.limits.connectionsPerAddress = 40
        try await Fixture.run(options, tls: try SelfSigned.configuration(), timeouts: LimitTests.hasty) { fixture in
            for _ in 0..<3 {
                // The beginning of a hello of TLS 1.3.
                var open: [RawConnection] = []
                for _ in 0..<60 {
                    guard let connection = try? RawConnection(fixture.address) else { continue }
                    try? await connection.send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3])
                    open.append(connection)
                }
                for connection in open {
                    let answer = try await connection.receiveAll()
                    #expect(answer == "")
                }
            }
            let url = "https://127.0.0.1:\(fixture.address.port ?? 0)/healthz"
            let answer = try await SelfSigned.run("curl", ["-sS", "-k", "--retry", "5", url])
            #expect(answer == #"{"alive":true}"#)
        }
    }

    /// What a proxy in front may have taken for another path is no path here.
    @Test(arguments: [
        "/iotgateway/../", "//iotgateway/read", "/%69otgateway/browse", "/iotgateway/read/..;/browse", "/iotgateway/.",
        "/healthz/", "/healthz%20", "/readyz/../iotgateway/browse", "/iotgateway/read%3Fids=a", "/healthz;x",
        "/./healthz",
    ])
    func pathsAreTakenAsTheyAre(_ path: String) async throws {
        try await Fixture.run { fixture in
            try await fixture.expect(401, "GET", path, [])
            try await fixture.expect(404, "GET", path)
            try await fixture.expect(404, "HEAD", path)
            try await fixture.expect(404, "OPTIONS", path)
        }
    }
}
