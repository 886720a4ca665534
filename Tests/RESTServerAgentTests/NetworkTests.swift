import Logging
import Testing

@testable import RESTServerAgent

@Suite("Networks and proxies", .timeLimit(.minutes(2)))
struct NetworkTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.1"), ("0.0.0.0/0", "0.0.0.0/0"), ("::/0", "::/0"),
        ("10.0.0.1/32", "10.0.0.1"), ("2001:DB8::/32", "2001:db8::/32"), ("::1", "::1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"), ("::ffff:10.1.2.3", "10.1.2.3"), ("10.128.0.0/9", "10.128.0.0/9"),
    ])
    func parses(_ text: String, _ canonical: String) throws {
        #expect(try IPNetwork(parsing: text).description == canonical)
    }

    @Test(arguments: [
        "", "/", "10", "10.0.0", "10.0.0.0/",
        "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0.0/33", "10.0.0.0/08",
        "::/129", "10.0.0.0 /8", "010.0.0.1", "fe80::1%eth0", "example.com", "10.0.0.0/8.0", "10.0.0.1\0", "1.2.3.4.5",
        "10.0.0.0/99999999999999999999", "2001:db8::1::", "10.1.2.3/8", "2001:db8::1/32",
    ])
    func refuses(_ text: String) {
        #expect(throws: IPNetwork.ParseFailure.self) { try IPNetwork(parsing: text) }
    }

    @Test func namesTheNetworkThatWasMeant() {
        #expect(throws: IPNetwork.ParseFailure.hostBits(IPNetwork(bytes: [10, 128, 0, 0], prefix: 9))) {
            try IPNetwork(parsing: "10.129.2.3/9")
        }
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false),
        ("10.128.0.0/9", "10.127.255.255", false), ("10.128.0.0/9", "10.128.0.1", true),
        ("10.0.0.0/8", "::ffff:10.1.1.1", true), ("::/0", "10.1.1.1", false), ("0.0.0.0/0", "::1", false),
        ("::/0", "2001:db8::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
        ("2001:db8::/33", "2001:db8:7fff::1", true), ("10.0.0.1", "10.0.0.1", true), ("10.0.0.1", "10.0.0.2", false),
    ])
    func contains(_ network: String, _ address: String, _ isIn: Bool) throws {
        let address = try #require(IPAddress(address))
        #expect(try IPNetwork(parsing: network).contains(address) == isIn)
    }

    private static func rules(_ allowed: [String] = [], _ proxies: [String] = []) throws -> NetworkRules {
        NetworkRules(
            allowed: try allowed.map { try IPNetwork(parsing: $0) },
            proxies: try proxies.map { try IPNetwork(parsing: $0) })
    }

    @Test(arguments: [
        ([], "10.0.0.1"), (["203.0.113.7"], "203.0.113.7"), (["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.0.0.2"], "203.0.113.7"), (["203.0.113.7", "10.0.0.2"], "203.0.113.7"),
        (["garbage, 203.0.113.7, 10.0.0.2"], "203.0.113.7"), (["10.0.0.3,10.0.0.2"], "10.0.0.3"),
        (["2001:db8::7"], "2001:db8::7"), (["[2001:db8::7]:443"], "2001:db8::7"), (["203.0.113.7:80"], "203.0.113.7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"), (["\t203.0.113.7 "], "203.0.113.7"),
    ])
    func rightmostUntrustedIsTheClient(_ fields: [String], _ expected: String) throws {
        let client = try Self.rules([], ["10.0.0.0/8"]).client(of: ClientAddress("10.0.0.1"), forwardedFor: fields)
        #expect(client.description == expected)
    }

    @Test(arguments: [
        [""], ["unknown"], ["203.0.113.7,"], ["203.0.113.7, ,10.0.0.2"], ["[203.0.113.7]"], ["[2001:db8::7"],
        ["203.0.113.7:"], ["203.0.113.7:x"], ["203.0.113.7:999999"], ["1.2.3"], ["fe80::1%eth0"], ["[::1]x"],
        [String(repeating: "10.0.0.2,", count: 40) + "10.0.0.2"],
    ])
    func refusesWhatIsNoList(_ fields: [String]) throws {
        let rules = try Self.rules([], ["10.0.0.0/8"])
        #expect(throws: NetworkRules.MalformedForwarding.self) {
            try rules.client(of: ClientAddress("10.0.0.1"), forwardedFor: fields)
        }
    }

    @Test func whoIsNotAllowedIsClosedAtOnce() async throws {
        var options = try Fixture.options()
        options.allowFrom = [try IPNetwork(parsing: "192.0.2.0/24")]
        let lines = LogLines()
        try await Fixture.run(options, logger: .init(label: "test") { _ in lines }) { fixture in
            for _ in 0..<20 {
                let connection = try RawConnection(fixture.address)
                try? await connection.send(Fixture.request("GET", "/healthz"))
                #expect(try await connection.receiveAll() == "")
            }
        }
        let told = lines.text.split(separator: "\n").count { $0.contains("allow-from") }
        #expect((1...10).contains(told))
    }

    /// A flood that is refused for one reason hides nobody who is refused for another.
    @Test func eachReasonOfARefusalIsTold() async throws {
        var options = try Fixture.options()
        options.allowFrom = [try IPNetwork(parsing: "127.0.0.1")]
        options.limits.connectionsPerAddress = 1
        let lines = LogLines()
        try await Fixture.run(options, logger: .init(label: "test") { _ in lines }) { fixture in
            func refused(from source: String) async throws {
                let connection = try RawConnection(fixture.address, from: source)
                #expect(try await connection.receiveAll() == "")
            }
            let kept = try RawConnection(fixture.address, from: "127.0.0.1")
            try await kept.send(Fixture.request("GET", "/healthz"))
            #expect(try await kept.response().status == 200)
            for _ in 0..<5 { try await refused(from: "127.0.0.2") }
            try await refused(from: "127.0.0.1")
            for _ in 0..<5 { try await refused(from: "127.0.0.2") }
            withExtendedLifetime(kept) {}
        }
        let told = lines.text.split(separator: "\n").filter { $0.contains("Connection refused") }
        #expect(told.contains { $0.contains("allow-from") } && told.contains { $0.contains("per-address") }, "\(told)")
    }

    @Test func aTrustedProxySpeaksForItsClient() async throws {
        var options = try Fixture.options()
        options.allowFrom = [try IPNetwork(parsing: "192.0.2.0/24")]
        options.trustedProxies = [try IPNetwork(parsing: "127.0.0.0/8")]
        try await Fixture.run(options) { fixture in
            func expect(_ status: Int, _ forwarded: [String]) async throws {
                let headers = [Fixture.viewer] + forwarded.map { "X-Forwarded-For: \($0)" }
                try await fixture.expect(status, "GET", "/iotgateway/browse", headers)
                try await fixture.expect(status, "GET", "/healthz", headers)
            }
            try await expect(200, ["192.0.2.7"])
            try await expect(200, ["10.0.0.1, 192.0.2.7"])
            try await expect(403, ["10.0.0.1"])
            try await expect(403, ["192.0.2.7, 10.0.0.1"])
            try await expect(403, [])
            try await expect(400, ["nobody"])
            try await expect(400, ["192.0.2.7", ""])
            // A body is not awaited before the refusal.
            let early = try await fixture.ask(
                "POST", "/iotgateway/read", [Fixture.viewer, "X-Forwarded-For: 10.0.0.1"], body: "[]")
            #expect(early.status == 403)
            #expect(early.headers["connection"] == "close")
        }
    }

    @Test func nobodyElseSpeaksForAnother() async throws {
        var options = try Fixture.options()
        options.allowFrom = [try IPNetwork(parsing: "127.0.0.1")]
        try await Fixture.run(options) { fixture in
            for value in ["10.0.0.1", "nobody", ""] {
                try await fixture.expect(
                    200, "GET", "/iotgateway/browse", [Fixture.viewer, "X-Forwarded-For: \(value)"])
            }
        }
    }

    /// The clients behind a proxy do not share the cap on one address.
    @Test func aProxyMayHoldMoreConnections() async throws {
        var options = try Fixture.options()
        options.limits.connectionsPerAddress = 1
        options.trustedProxies = [try IPNetwork(parsing: "127.0.0.1")]
        try await Fixture.run(options) { fixture in
            let kept = try (0..<3).map { _ in try RawConnection(fixture.address) }
            for one in kept {
                try await one.send(Fixture.request("GET", "/healthz"))
                #expect(try await one.response().status == 200)
            }
        }
    }
}
