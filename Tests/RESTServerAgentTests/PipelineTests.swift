import Foundation
import NIOCore
import ServiceLifecycle
import TagStore
import Tags
import Testing

@testable import RESTServerAgent
@testable import SecurityPolicy

/// Requests that are answered at once and such that wait for something, one behind the other on a connection.
@Suite(.timeLimit(.minutes(2)))
struct PipelineTests {
    static let wrong = "Authorization: Basic " + Fixture.base64("admin:wrong")

    static func read(_ id: String, _ headers: [String] = [Fixture.admin]) -> String {
        Fixture.request("GET", "/iotgateway/read?ids=" + id, headers)
    }

    /// The first login, every change of who asks, a wrong password and the first browse wait; the rest does not.
    @Test(arguments: [false, true])
    func answersComeInTheOrderOfRequests(_ inOneWrite: Bool) async throws {
        try await Fixture.run { fixture in
            var requests: [(String, Int, String)] = []
            for round in 0..<20 {
                requests += [
                    (Self.read("first\(round)"), 200, "first\(round)"),
                    (Self.read("second\(round)"), 200, "second\(round)"),
                    (Fixture.request("GET", "/healthz", []), 200, "alive"),
                    (Self.read("viewed\(round)", [Fixture.viewer]), 200, "viewed\(round)"),
                    (Fixture.request("GET", "/iotgateway/browse", [Fixture.viewer]), 200, "browseResults"),
                    (Self.read("wrong", [Self.wrong]), 401, "wrong user name"),
                    (Fixture.request("POST", "/iotgateway/read", body: "[\"post\(round)\"]"), 200, "post\(round)"),
                    (Fixture.request("GET", "/nowhere"), 404, "nothing at this path"),
                ]
            }
            let connection = try RawConnection(fixture.address)
            if inOneWrite {
                try await connection.send(requests.map(\.0).joined())
            } else {
                for request in requests { try await connection.send(request.0) }
            }
            for (_, status, text) in requests {
                let reply = try await connection.response()
                #expect(reply.status == status)
                #expect(reply.body.contains(text), "\(text): \(reply.body)")
            }
        }
    }

    /// More than one turn's worth, and what comes behind a request that ends the connection is not answered.
    @Test func nothingIsAnsweredBehindTheLast() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            let before = (0..<100).map { Self.read("n\($0)") }.joined()
            let last = Self.read("last", [Fixture.admin, "Connection: close"])
            try await connection.send(before + last + Self.read("behind"))
            let all = try await connection.receiveAll()
            #expect(all.components(separatedBy: "HTTP/1.1 200 OK").count == 102)
            #expect(all.contains("\"last\"") && !all.contains("behind"))
            #expect(all.hasSuffix("]}"))
        }
    }

    /// The client has said its last with the request; its answers come all the same, and then the end.
    @Test func answersGoOutBehindTheEndOfInput() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send((0..<50).map { Self.read("n\($0)") }.joined())
            connection.finishSending()
            let all = try await connection.receiveAll()
            #expect(all.components(separatedBy: "HTTP/1.1 200 OK").count == 51)
            #expect(all.contains("\"n49\""))
        }
    }

    /// Small requests for large answers, pipelined by a client that reads nothing for now: the server stops reading, keeps
    /// serving others, and loses and reorders nothing once the client reads.
    @Test func whoReadsLateGetsEverythingInOrder() async throws {
        // More than the kernel takes for a connection, and time for a slow machine.
        try await Fixture.run(timeouts: .init(request: .seconds(100))) { fixture in
            let names = (0..<20_000).map { TagName(validated: "Simulator.T3.Tag\($0)") }
            _ = try await fixture.store.register(names.map { TagDefinition(name: $0, dataType: .long) })
            // Rendered, and from here on answered at once.
            try await fixture.expect(200, "GET", "/iotgateway/browse")
            let connection = try RawConnection(fixture.address)
            let browse = Fixture.request("GET", "/iotgateway/browse")
            let count = 30
            try await connection.send((0..<count).map { browse + Self.read("n\($0)") }.joined())
            // A round on another connection after each of the first: the event loops are there for everybody.
            for _ in 0..<5 { try await fixture.expect(200, "GET", "/healthz") }
            for number in 0..<count {
                #expect(try await connection.response().body.hasPrefix("{\"browseResults\":["))
                #expect(try await connection.response().body.contains("\"n\(number)\""))
            }
        }
    }

    /// Without any deadline, too, no more is taken from a client that takes no answers than the kernel has room for.
    @Test func whoNeverReadsIsNotReadFrom() async throws {
        try await Fixture.run(timeouts: .init(request: .seconds(100))) { fixture in
            let names = (0..<20_000).map { TagName(validated: "Simulator.T3.Tag\($0)") }
            _ = try await fixture.store.register(names.map { TagDefinition(name: $0, dataType: .long) })
            try await fixture.expect(200, "GET", "/iotgateway/browse")
            let connection = try RawConnection(fixture.address, patience: 3)
            let request = Fixture.request("GET", "/iotgateway/browse?" + String(repeating: "x", count: 60_000))
            // 60 MB of requests, for 700 MB of answers.
            var sent = 0
            while sent < 1000, (try? await connection.send(request)) != nil { sent += 1 }
            #expect(sent < 1000)
            #expect(try await connection.response().body.hasPrefix("{\"browseResults\":["))
            try await fixture.expect(200, "GET", "/healthz")
        }
    }

    /// `100 Continue` stands behind the answers to what came before it.
    @Test func continueComesInItsTurn() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send(Self.read("a"))
            _ = try await connection.response()
            let expecting =
                HostileTests.post + "Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
            try await connection.send(Self.read("b") + Self.read("c") + expecting)
            for id in ["b", "c"] { #expect(try await connection.response().body.contains("\"\(id)\"")) }
            #expect(try await connection.response(bodyless: true).status == 100)
            try await connection.send("[\"d\"]")
            #expect(try await connection.receiveAll().contains("\"d\""))
        }
    }

    /// A stop while requests wait behind a slow one: what is answered is whole and in order, and the connection ends.
    @Test func stopInTheMiddle() async throws {
        try await ServedAgent.run { address, services in
            let connection = try RawConnection(address)
            let count = 200
            try await connection.send((0..<count).map { Self.read("n\($0)") }.joined())
            // On its way: the first needs a password to be checked.
            await services.triggerGracefulShutdown()
            let answers = try await connection.receiveAll().components(separatedBy: "HTTP/1.1 200 OK").dropFirst()
            for (number, answer) in answers.enumerated() {
                #expect(answer.contains("\"n\(number)\"") && answer.hasSuffix("]}"))
                #expect(answer.contains("Connection: close") == (number == answers.count - 1) || answers.count == count)
            }
        }
    }

    /// A login is looked at for every request: what is answered at once follows a change as what waits does.
    @Test func aChangeCountsOnTheNextRequestOfAnOpenConnection() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            func read() async throws -> RawConnection.Response {
                try await connection.send(Self.read("Simulator.T2.5S", [Fixture.viewer]))
                return try await connection.response()
            }
            for _ in 0..<3 { #expect(try await read().body.contains("\"v\":1")) }
            fixture.policy.replace(PolicySnapshot())
            #expect(try await read().body.contains("unknown tag"))
            fixture.policy.replace(PolicySnapshot(groups: try Fixture.groups()))
            await fixture.store.apply([TagUpdate(handle: fixture.handles[0], value: Fixture.value(.integer(2)))])
            #expect(try await read().body.contains("\"v\":2"))
            try await fixture.users.remove(name: "viewer")
            #expect(try await read().status == 401)
        }
    }
}
