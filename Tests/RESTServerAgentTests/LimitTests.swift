import Logging
import NIOCore
import SecurityPolicy
import Tags
import Testing

@testable import RESTServerAgent

@Suite(.timeLimit(.minutes(2)))
struct LimitTests {
    /// Short, so that a test waits for a deadline no longer than it must.
    static let hasty = ConnectionState.Timeouts(
        handshake: .milliseconds(400), request: .milliseconds(400), idle: .seconds(30), linger: .milliseconds(200)
    )

    static func options(_ change: (inout RESTServerAgentOptions.Limits) -> Void) throws -> RESTServerAgentOptions {
        var options = try Fixture.options()
        change(&options.limits)
        return options
    }

    /// Most clients send a whole body before they look for an answer: closed in the middle they would see none.
    @Test func whoIsRefusedEarlySeesWhy() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            let head = "POST /iotgateway/read HTTP/1.1\r\nHost: a\r\nContent-Length: \(1 << 20)\r\n\r\n"
            try await connection.send(head)
            // Answered before a byte of the body has come, and closed only on the server's side.
            #expect(try await connection.response().status == 401)
            for _ in 0..<64 { try await connection.send([UInt8](repeating: 0x20, count: 1 << 14)) }
        }
    }

    @Test func bodyLimitHoldsForBothFramings() async throws {
        try await Fixture.run(try Self.options { $0.body = 64 }) { fixture in
            let ids = "[\"" + String(repeating: "a", count: 100) + "\"]"
            let whole = try await fixture.ask("POST", "/iotgateway/read", body: ids)
            #expect(whole.status == 413)
            #expect(whole.body.contains("limits.body"))
            let connection = try RawConnection(fixture.address)
            try await connection.send(HostileTests.post + "Transfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<10 { try? await connection.send("8\r\n        \r\n") }
            #expect(try await connection.response().status == 413)
            let fits = try await fixture.ask(
                "POST", "/iotgateway/read", body: "[\"\(String(repeating: "a", count: 60))\"]")
            #expect(fits.status == 200)
        }
    }

    /// A client that looks at the answer only when it has sent all of its body gets it.
    @Test func whoSendsAllOfALargeBodySeesTheAnswer() async throws {
        try await Fixture.run(try Self.options { $0.body = 64 }) { fixture in
            let connection = try RawConnection(fixture.address)
            // More than the kernel keeps for somebody who does not read.
            let body = String(repeating: " ", count: 20_000_000)
            try await connection.send(HostileTests.post + "Content-Length: \(body.utf8.count)\r\n\r\n" + body)
            #expect(try await connection.response().status == 413)
        }
    }

    @Test func idsPerRequest() async throws {
        try await Fixture.run(try Self.options { $0.idsPerRequest = 3 }) { fixture in
            for (target, body) in [("/iotgateway/read?ids=a&ids=b&ids=c", ""), ("/iotgateway/read", #"["a","b","c"]"#)]
            {
                #expect(try await fixture.ask(body.isEmpty ? "GET" : "POST", target, body: body).status == 200)
            }
            let query = try await fixture.ask("GET", "/iotgateway/read?ids=a&ids=b&ids=c&ids=d")
            #expect(query.status == 400)
            let body = try await fixture.ask("POST", "/iotgateway/read", body: #"["a","b","c","d"]"#)
            #expect(body.status == 400)
            #expect(body.body.contains("line 1, column 14"))
        }
    }

    @Test(arguments: [
        ("GET", "/iotgateway/read", "", "no ids"),
        ("GET", "/iotgateway/read?ids=%", "", "hexadecimal"),
        ("GET", "/iotgateway/read?ids=%4", "", "hexadecimal"),
        ("GET", "/iotgateway/read?ids=%zz", "", "hexadecimal"),
        ("GET", "/iotgateway/read?ids=a&ids=%ff", "", "id 2 is not UTF-8"),
        ("GET", "/iotgateway/read?ids=" + String(repeating: "a", count: 4097), "", "longer than 4096"),
        ("POST", "/iotgateway/read", "", "ends too early"),
        ("POST", "/iotgateway/read", "{}", "line 1, column 1"),
        ("POST", "/iotgateway/read", "\"a\"", "an array of strings"),
        ("POST", "/iotgateway/read", "[\"a\",\n 1]", "line 2, column 2 (byte 7)"),
        ("POST", "/iotgateway/read", "[\"a\"", "ends too early"),
        ("POST", "/iotgateway/read", "[\"a\"]x", "something follows"),
        ("POST", "/iotgateway/read", "[\"a\",]", "a string should be"),
        ("POST", "/iotgateway/read", "[[\"a\"]]", "a string should be"),
        ("POST", "/iotgateway/read", "[\"\\ud800\"]", "surrogate"),
        ("POST", "/iotgateway/read", "\u{feff}[]", "byte order mark"),
    ])
    func malformedIDs(_ method: String, _ target: String, _ body: String, _ reason: String) async throws {
        try await Fixture.run { fixture in
            let reply = try await fixture.ask(method, target, body: body)
            #expect(reply.status == 400)
            #expect(reply.body.hasPrefix(#"{"succeeded":false,"reason":""#))
            #expect(reply.body.contains(reason), "\(reply.body)")
        }
    }

    @Test func connectionsInAllAndPerAddress() async throws {
        for change in [{ $0.connections = 2 }, { $0.connectionsPerAddress = 2 }]
            as [(inout RESTServerAgentOptions.Limits) -> Void]
        {
            try await Fixture.run(try Self.options(change)) { fixture in
                let kept = try [RawConnection(fixture.address), RawConnection(fixture.address)]
                for one in kept {
                    // Logged in: they make no room for who comes later.
                    try await one.send(Fixture.request("GET", "/iotgateway/browse"))
                    #expect(try await one.response().status == 200)
                }
                let extra = try RawConnection(fixture.address)
                #expect(try await extra.receiveAll() == "")
                // A place that has become free is used again.
                try await kept[0].send(Fixture.request("GET", "/healthz", ["Connection: close"]))
                _ = try await kept[0].receiveAll()
                kept[0].finishSending()
                var status = 0
                while status != 200 { status = (try? await fixture.ask("GET", "/healthz").status) ?? 0 }
                try await kept[1].send(Fixture.request("GET", "/healthz"))
                #expect(try await kept[1].response().status == 200)
            }
        }
    }

    /// Who only holds connections keeps nobody out: the oldest on which nobody has logged in makes room.
    @Test func newcomersMakeRoom() async throws {
        let log = LogLines()
        try await Fixture.run(try Self.options { $0.connections = 3 }, logger: Logger(label: "test") { _ in log }) {
            fixture in
            let user = try RawConnection(fixture.address)
            try await user.send(Fixture.request("GET", "/iotgateway/browse"))
            #expect(try await user.response().status == 200)
            let silent = try RawConnection(fixture.address)
            let slow = try RawConnection(fixture.address)
            try await slow.send(Fixture.request("GET", "/healthz") + "GET /healthz HTTP/1.1\r\n")
            #expect(try await slow.response().status == 200)
            // Those that have just been served may not have gone yet.
            var served = 0
            while served < 20 { served += (try? await fixture.ask("GET", "/iotgateway/browse"))?.status == 200 ? 1 : 0 }
            #expect(try await silent.receiveAll() == "")
            // Its head was half there.
            #expect(try await slow.receiveAll() == "")
            try await user.send(Fixture.request("GET", "/iotgateway/browse"))
            #expect(try await user.response().status == 200)
            #expect(log.text.contains("Connection ended to make room"))
        }
    }

    /// A stream is an answer that goes on, also where nobody has logged in for it.
    @Test func aStreamMakesNoRoom() async throws {
        var options = try Self.options { $0.connections = 3 }
        options.anonymous = true
        try await Fixture.run(options) { fixture in
            let rule = PermissionRule(tags: try TagPattern("Simulator.T2.5S"), actions: [.browse, .read])
            fixture.policy.replace(
                PolicySnapshot(groups: try Fixture.groups() + [GroupOptions(name: "Anonymous", allow: [rule])]))
            let stream = try await StreamClient(fixture.address, ["Simulator.T2.5S"], [])
            #expect(stream.head.hasPrefix("HTTP/1.1 200 "), "\(stream.head)")
            _ = try await stream.first("values")
            // The stream is the oldest, so that it is asked first; a connection after it that is ended shows that some
            // were asked.
            var others: [RawConnection] = []
            for _ in 0..<8 { others.append(try RawConnection(fixture.address)) }
            #expect(try await others[0].receiveAll() == "")
            await fixture.set([(0, .integer(2))])
            try await stream.wait(for: ["Simulator.T2.5S=2"])
        }
    }

    @Test(arguments: [
        "G", "GET /\r\n", "GET /healthz HTTP/1.1\r\nHost: a\r\nX", HostileTests.post + "Content-Length: 10\r\n\r\n[",
        HostileTests.post + "Transfer-Encoding: chunked\r\n\r\n5\r\n[",
    ])
    func slowRequestIsEnded(_ start: String) async throws {
        try await Fixture.run(timeouts: Self.hasty) { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send(start)
            #expect(try await connection.receiveAll().hasPrefix("HTTP/1.1 408 "))
            #expect(try await fixture.ask("GET", "/healthz").status == 200)
        }
    }

    /// The deadline counts for what comes in the same write behind a whole request, too.
    @Test(arguments: ["G", "GET /healthz HTTP/1.1\r\nHost: a\r\n"])
    func slowPipelinedRequestIsEnded(_ start: String) async throws {
        try await Fixture.run(timeouts: Self.hasty) { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send(Fixture.request("GET", "/healthz") + start)
            #expect(try await connection.response().status == 200)
            #expect(try await connection.receiveAll().hasPrefix("HTTP/1.1 408 "))
        }
    }

    /// Who shows no credentials is answered before the body has come, and the connection ends.
    @Test(arguments: [
        ("POST /iotgateway/read", [], 401), ("POST /iotgateway/read", ["Authorization: Bearer x"], 401),
        ("GET /iotgateway/browse", [], 401), ("POST /nowhere", [], 401), ("POST /healthz", [], 405),
        ("GET /healthz", [], 200),
    ])
    func bodyOfNobodyIsNotAwaited(_ line: String, _ headers: [String], _ status: Int) async throws {
        for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
            try await Fixture.run { fixture in
                let connection = try RawConnection(fixture.address)
                let lines = ["\(line) HTTP/1.1", "Host: localhost", "Expect: 100-continue", framing] + headers
                try await connection.send(lines.joined(separator: "\r\n") + "\r\n\r\n")
                let reply = try await connection.response()
                #expect(reply.status == status)
                #expect(reply.headers["connection"] == "close")
            }
        }
    }

    @Test func bodiesOfAllConnectionsAreBounded() async throws {
        // Sixteen bodies of the largest kind.
        try await Fixture.run(try Self.options { $0.body = 1 << 20 }) { fixture in
            let piece = [UInt8](repeating: 0x20, count: (1 << 20) - 1)
            let head = HostileTests.post + "Content-Length: \(1 << 20)\r\n\r\n"
            var held: [RawConnection] = []
            for _ in 0..<17 { held.append(try RawConnection(fixture.address)) }
            // Every body lacks its last byte: whoever is answered before it comes is the one that does not fit.
            try await withThrowingTaskGroup(of: Int.self) { group in
                for connection in held {
                    group.addTask {
                        try? await connection.send(Array(head.utf8) + piece)
                        return try await connection.response().status
                    }
                }
                #expect(try await group.next() == 503)
                for connection in held { try? await connection.send("]") }
                var statuses: [Int] = []
                while let status = try await group.next() { statuses.append(status) }
                #expect(statuses.contains(400))
            }
            #expect(try await fixture.ask("POST", "/iotgateway/read", body: "[]").status == 200)
        }
    }

    @Test func trickledRequestIsEnded() async throws {
        try await Fixture.run(timeouts: Self.hasty) { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send("GET /healthz HTTP/1.1\r\nHost: a\r\n")
            let begin = ContinuousClock.now
            // A byte now and then keeps no request alive.
            while (try? await connection.send("X: a\r\n")) != nil, ContinuousClock.now - begin < .seconds(20) {
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(ContinuousClock.now - begin < .seconds(10))
        }
    }

    @Test func idleConnectionIsEnded() async throws {
        try await Fixture.run(timeouts: .init(request: .seconds(15), idle: .seconds(3))) { fixture in
            let connection = try RawConnection(fixture.address)
            #expect(try await connection.receiveAll() == "")
            let used = try RawConnection(fixture.address)
            try await used.send(Fixture.request("GET", "/healthz"))
            #expect(try await used.response().status == 200)
            #expect(try await used.receiveAll() == "")
        }
    }

    @Test func clientThatDoesNotReadIsEnded() async throws {
        try await Fixture.run(timeouts: Self.hasty) { fixture in
            let connection = try RawConnection(fixture.address)
            connection.setReceiveBuffer(4096)
            let id = "\"" + String(repeating: "\\u0001", count: 600) + "\""
            let body = "[" + Array(repeating: id, count: 200).joined(separator: ",") + "]"
            let request = Fixture.request("POST", "/iotgateway/read", body: body)
            // Sending ends when the server has had enough: each answer is about as large as its request.
            var sent = 0
            while sent < 2000, (try? await connection.send(request)) != nil { sent += 1 }
            #expect(sent < 2000)
            #expect(try await fixture.ask("GET", "/healthz").status == 200)
        }
    }
}
