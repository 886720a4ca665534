import NIOCore
import Testing

@testable import RESTServerAgent

/// What is not a request that may be served: a plain refusal, the connection closed, and the next client served.
@Suite(.timeLimit(.minutes(2)))
struct HostileTests {
    static let host = "Host: localhost\r\n"
    static let auth = Fixture.admin + "\r\n"
    static let post = "POST /iotgateway/read HTTP/1.1\r\n" + host + auth

    @Test(arguments: [
        ("no Host", "GET /healthz HTTP/1.1\r\n\r\n", 400),
        ("two Hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("two Hosts in other cases", "GET /healthz HTTP/1.1\r\nHOST: a\r\nhost: b\r\n\r\n", 400),
        ("empty Host", "GET /healthz HTTP/1.1\r\nHost: \r\n\r\n", 400),
        ("Host with user", "GET /healthz HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        ("Host with path", "GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("Host with bad port", "GET /healthz HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        ("Host list", "GET /healthz HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("Host with half a bracket", "GET /healthz HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        ("HTTP/1.0 without Host", "GET /healthz HTTP/1.0\r\n\r\n", 400),
        ("CL and TE", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("TE and CL", post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
        ("two CL", post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]x", 400),
        ("two equal CL", post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n[]", 400),
        ("CL list", post + "Content-Length: 2, 2\r\n\r\n[]", 400),
        ("CL with sign", post + "Content-Length: +2\r\n\r\n[]", 400),
        ("negative CL", post + "Content-Length: -2\r\n\r\n[]", 400),
        ("hex CL", post + "Content-Length: 0x2\r\n\r\n[]", 400),
        ("empty CL", post + "Content-Length: \r\n\r\n[]", 400),
        ("CL beyond 64 bits", post + "Content-Length: 99999999999999999999\r\n\r\n[]", 400),
        ("large CL", post + "Content-Length: 99999999999\r\n\r\n[]", 413),
        ("TE gzip", post + "Transfer-Encoding: gzip\r\n\r\n", 501),
        ("TE gzip, chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        ("TE twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("TE obscured", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        ("TE with space before colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        ("TE with tab", post + "Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n", 400),
        ("TE in 1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("bad chunk size", post + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n[]\r\n0\r\n\r\n", 400),
        ("chunk size beyond 64 bits", post + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", 400),
        ("chunk longer than said", post + "Transfer-Encoding: chunked\r\n\r\n1\r\n[]\r\n0\r\n\r\n", 400),
        ("folded header", "GET /healthz HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", 400),
        ("bare CR", "GET /healthz HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n", 400),
        ("NUL in a header", "GET /healthz HTTP/1.1\r\n" + host + "X: a\0b\r\n\r\n", 400),
        ("header without a name", "GET /healthz HTTP/1.1\r\n" + host + ": a\r\n\r\n", 400),
        ("header without a colon", "GET /healthz HTTP/1.1\r\n" + host + "abc\r\n\r\n", 400),
        ("space in the target", "GET /iotgateway/read?ids=a b HTTP/1.1\r\n" + host + "\r\n", 400),
        ("non-ASCII target", "GET /iotgateway/read?ids=é HTTP/1.1\r\n" + host + "\r\n", 400),
        ("absolute target", "GET http://localhost/healthz HTTP/1.1\r\n" + host + "\r\n", 400),
        ("star target", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 400),
        ("CONNECT", "CONNECT localhost:1 HTTP/1.1\r\n" + host + "\r\n", 400),
        ("no target", "GET HTTP/1.1\r\n" + host + "\r\n", 400),
        ("lower-case method", "get / HTTP/1.1\r\n" + host + "\r\n", 400),
        ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("HTTP/0.9", "GET /\r\n\r\n", 505),
        ("HTTP/3", "GET / HTTP/3.0\r\n" + host + "\r\n", 505),
        ("TLS to the plain port", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}", 400),
        ("garbage", "\u{7f}ELF\u{1}\u{2}\u{3}\r\n\r\n", 400),
        ("unknown Expect", post + "Expect: tea\r\nContent-Length: 2\r\n\r\n[]", 417),
        ("large header", "GET /healthz HTTP/1.1\r\n" + host + "X: \(String(repeating: "a", count: 9000))\r\n\r\n", 431),
        (
            "many headers",
            "GET /healthz HTTP/1.1\r\n" + host + String(repeating: "X: a\r\n", count: 101) + "\r\n", 431
        ),
        (
            "much in headers",
            "GET /healthz HTTP/1.1\r\n" + host
                + String(repeating: "X: \(String(repeating: "a", count: 2000))\r\n", count: 9)
                + "\r\n", 431
        ),
        ("endless header", "GET /healthz HTTP/1.1\r\n" + host + "X: " + String(repeating: "a", count: 300_000), 431),
        ("endless target", "GET /" + String(repeating: "a", count: 300_000), 431),
        ("long target", "GET /" + String(repeating: "a", count: 66_000) + " HTTP/1.1\r\n" + host + "\r\n", 414),
    ])
    func refused(_ what: String, _ bytes: String, _ status: Int) async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            // The server may close while an endless request is still being sent.
            try? await connection.send(bytes)
            let all = try await connection.receiveAll()
            #expect(all.hasPrefix("HTTP/1.1 \(status) "), "\(what): \(all)")
            #expect(all.contains("Connection: close\r\n"), "\(what)")
            #expect(all.ranges(of: "HTTP/1.1 \(status)").count == 1, "one answer only: \(all)")
            #expect(try await fixture.ask("GET", "/healthz").status == 200)
        }
    }

    @Test func smuggledRequestIsNotServed() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            let inner = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            try await connection.send(
                Self.post + "Content-Length: \(inner.utf8.count)\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner
            )
            let all = try await connection.receiveAll()
            #expect(all.hasPrefix("HTTP/1.1 400 "))
            #expect(!all.contains("alive"))
        }
    }

    @Test func bytesBehindAnUpgradeAreNotKept() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send(
                "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n")
            let all = try await connection.receiveAll()
            #expect(all.hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            let one = Fixture.request("GET", "/iotgateway/read?ids=Simulator.T2.5S")
            let other = Fixture.request("GET", "/healthz")
            try await connection.send(String(repeating: one + other, count: 50) + "garbage\r\n\r\n" + other)
            for _ in 0..<50 {
                #expect(try await connection.response().body.hasPrefix("{\"readResults\""))
                #expect(try await connection.response().body == "{\"alive\":true}")
            }
            #expect(try await connection.response().status == 400)
            #expect(try await connection.receiveAll() == "")
        }
    }

    @Test func halfClosedClientGetsItsAnswer() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send(Fixture.request("GET", "/iotgateway/browse"))
            connection.finishSending()
            #expect(try await connection.receiveAll().hasSuffix("\"reason\":\"\"}"))
        }
    }

    @Test func keepAliveAndClose() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            for _ in 0..<3 {
                try await connection.send(Fixture.request("GET", "/healthz", ["content-type: application/json"]))
                let reply = try await connection.response()
                #expect(reply.status == 200)
                #expect(reply.headers["connection"] == nil)
            }
            try await connection.send(Fixture.request("GET", "/healthz", ["Connection: close"]))
            #expect(try await connection.receiveAll().contains("Connection: close"))
            let old = try RawConnection(fixture.address)
            try await old.send("GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n")
            #expect(try await old.receiveAll().contains("Connection: close"))
        }
    }

    @Test func continueIsSaidWhereItIsExpected() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send(Self.post + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            #expect(try await connection.response().status == 100)
            try await connection.send("[]")
            #expect(try await connection.response().body == #"{"readResults":[]}"#)
        }
    }

    @Test func clientThatLeavesInTheMiddle() async throws {
        try await Fixture.run { fixture in
            for piece in [
                "", "GET", Self.post + "Content-Length: 10\r\n\r\n[",
                Self.post + "Transfer-Encoding: chunked\r\n\r\n5\r\n[",
            ] {
                let connection = try RawConnection(fixture.address)
                if !piece.isEmpty { try await connection.send(piece) }
                connection.finishSending()
                #expect(try await connection.receiveAll() == "")
            }
            #expect(try await fixture.ask("GET", "/healthz").status == 200)
        }
    }

    /// Requests with bytes changed, cut or doubled: whatever comes back, the server goes on serving.
    @Test func damagedRequestsNeverTrap() async throws {
        try await Fixture.run(timeouts: LimitTests.hasty) { fixture in
            let whole = Array(
                (Fixture.request("POST", "/iotgateway/read?ids=%41", body: #"["Simulator.T2.5S","\u00e9"]"#)
                    + Fixture.request("GET", "/iotgateway/read?ids=Simulator.T2.Array%5B0%5D&ids=a+b")
                    + Self.post + "Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\nX: y\r\n\r\n").utf8)
            var generator = SystemRandomNumberGenerator()
            for _ in 0..<150 {
                var bytes = whole
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    let place = Int.random(in: 0..<bytes.count, using: &generator)
                    switch Int.random(in: 0...3, using: &generator) {
                    case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
                    case 1: bytes.remove(at: place)
                    case 2: bytes.insert(bytes[place], at: place)
                    default: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &generator))
                    }
                }
                let connection = try RawConnection(fixture.address)
                try? await connection.send(bytes)
                connection.finishSending()
                let all = try await connection.receiveAll()
                #expect(all.isEmpty || all.hasPrefix("HTTP/1.1 "))
                #expect(!all.contains(" 500 "))
            }
            try await fixture.expect(200, "GET", "/iotgateway/browse")
        }
    }
}
