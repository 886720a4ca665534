import NIOCore
import TestPeers
import Testing

@testable import RESTServerAgent

/// The corpus of `MalformedRequest` over bare sockets: each refused as documented, and the next client served.
@Suite(.timeLimit(.minutes(3)))
struct MalformedRequestTests {
    /// The status lines in what a server sent, and nothing else that may look like one.
    static func statuses(in answer: String) -> [Int] {
        answer.split(separator: "HTTP/1.1 ", omittingEmptySubsequences: true)
            .compactMap { Int($0.prefix(3)) }
    }

    @Test func corpusIsLarge() {
        let all = MalformedRequest.inDoubt + MalformedRequest.refused + MalformedRequest.unfinished
        #expect(all.count >= 220)
        #expect(Set(all.map(\.what)).count == all.count, "two of one name")
        #expect(Set(all.map(\.text)).count == all.count, "two of one text")
    }

    /// One refusal, the end of the connection, and never an answer to what was smuggled behind.
    @Test func whatIsInDoubtEndsTheConnection() async throws {
        try await Fixture.run { fixture in
            for request in MalformedRequest.inDoubt {
                let connection = try RawConnection(fixture.address)
                // The server may close while much is still being sent.
                try? await connection.send(request.bytes + Array(MalformedRequest.smuggled.utf8))
                connection.finishSending()
                let all = try await connection.receiveAll()
                let statuses = Self.statuses(in: all)
                #expect(statuses.count == 1, "\(request.what): \(all)")
                #expect(statuses.allSatisfy(request.statuses.contains), "\(request.what): \(all)")
                #expect(all.contains("Connection: close\r\n"), "\(request.what): \(all)")
                #expect(!all.contains("alive"), "\(request.what): \(all)")
                #expect(try await fixture.ask("GET", "/healthz", []).status == 200, "after \(request.what)")
            }
        }
    }

    /// Refused as documented; the connection stays in step, so that the request behind is answered as itself.
    @Test func whatIsClearIsRefusedInStep() async throws {
        try await Fixture.run { fixture in
            for request in MalformedRequest.refused {
                let connection = try RawConnection(fixture.address)
                try? await connection.send(request.bytes + Array(MalformedRequest.smuggled.utf8))
                connection.finishSending()
                let all = try await connection.receiveAll()
                let statuses = Self.statuses(in: all)
                #expect(statuses.first.map(request.statuses.contains) == true, "\(request.what): \(all)")
                let closes = all.contains("Connection: close\r\n")
                #expect(statuses.dropFirst() == (closes ? [] : [200]), "\(request.what): \(all)")
                #expect(!all.contains("root:"))
                #expect(try await fixture.ask("GET", "/healthz", []).status == 200, "after \(request.what)")
            }
        }
    }

    /// The codec takes nothing behind the last request of a connection; that one is answered all the same.
    @Test(arguments: [
        "GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "CONNECT /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    ])
    func whatFollowsTheLastRequestIsDropped(_ last: String) async throws {
        try await Fixture.run { fixture in
            for tail in [MalformedRequest.smuggled, "\r\n", "garbage", "GET"] {
                let connection = try RawConnection(fixture.address)
                try await connection.send(last + tail)
                let all = try await connection.receiveAll()
                #expect(Self.statuses(in: all).count == 1, "\(tail): \(all)")
                #expect(all.contains("Connection: close\r\n"), "\(tail): \(all)")
            }
        }
    }

    /// The client half-closes in the middle of its second request: the answer to the first is not lost.
    @Test func answerBeforeAnUnfinishedRequestIsGiven() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send(Fixture.request("GET", "/iotgateway/browse") + "GET /healthz HTTP")
            connection.finishSending()
            #expect(Self.statuses(in: try await connection.receiveAll()) == [200])
        }
    }

    /// However its bytes come: the connection ends, and nothing behind is served.
    @Test func unknownMethodInPieces() async throws {
        try await Fixture.run { fixture in
            let unknown = "FROB /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + MalformedRequest.smuggled
            let trickled = try RawConnection(fixture.address)
            for piece in ["F", "RO", "B", String(unknown.dropFirst(4))] { try? await trickled.send(piece) }
            trickled.finishSending()
            #expect(Self.statuses(in: try await trickled.receiveAll()) == [501])
            let behind = try RawConnection(fixture.address)
            try await behind.send(MalformedRequest.get + "\r\n" + unknown)
            let statuses = Self.statuses(in: try await behind.receiveAll())
            #expect(statuses.first == 200 && statuses.count == 2 && [400, 501].contains(statuses.last))
        }
    }

    @Test func whatIsUnfinishedIsNotServed() async throws {
        try await Fixture.run { fixture in
            for request in MalformedRequest.unfinished {
                let connection = try RawConnection(fixture.address)
                try await connection.send(request.bytes)
                connection.finishSending()
                let statuses = Self.statuses(in: try await connection.receiveAll())
                #expect(statuses.allSatisfy { $0 == 400 }, "\(request.what): \(statuses)")
                #expect(try await fixture.ask("GET", "/healthz", []).status == 200, "after \(request.what)")
            }
        }
    }

    /// An upgrade is no error, but nothing of another protocol may follow it.
    @Test(arguments: [
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: keep-alive, UPGRADE\r\nUpgrade: TLS/1.0\r\n",
        "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n",
    ])
    func upgradeIsNotFollowed(_ fields: String) async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send(MalformedRequest.get + fields + "\r\n" + MalformedRequest.smuggled)
            let all = try await connection.receiveAll()
            #expect(Self.statuses(in: all).count == 1, "\(all)")
            #expect(!all.contains("HTTP/1.1 101"))
            #expect(all.contains("Connection: close\r\n"))
        }
    }

    /// A plain client at the TLS port: no HTTP comes back in clear text, and the port goes on serving.
    @Test func plainBytesToTheTLSPort() async throws {
        try await Fixture.run(tls: try SelfSigned.configuration()) { fixture in
            for bytes in [
                MalformedRequest.smuggled, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\r\n\r\n", "\0\0\0\0\0",
                // TLS 1.0 records: of no length, longer than may be, an alert, and a hello of nonsense.
                "\u{16}\u{3}\u{1}\0\0", "\u{16}\u{3}\u{1}\u{7F}\u{7F}" + String(repeating: "a", count: 40_000),
                "\u{15}\u{3}\u{3}\0\u{2}\u{1}\0", "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\u{3}",
            ] {
                let connection = try RawConnection(fixture.address)
                try? await connection.send(bytes)
                connection.finishSending()
                let all = try await connection.receiveAll()
                #expect(!all.contains("HTTP/"), "\(all)")
                let url = "https://127.0.0.1:\(fixture.address.port ?? 0)/healthz"
                #expect(try await SelfSigned.run("curl", ["-sS", "-k", url]) == #"{"alive":true}"#)
            }
        }
    }
}
