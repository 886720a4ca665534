import Foundation
import NIOCore
import Tags
import Testing
import WireFormat
import Writes

@testable import RESTServerAgent

/// Whatever comes from outside: no trap, and an answer in order. 10 000 inputs, or as many as `SALLYPORT_FUZZ` says.
///
/// A trap ends the process; the line before it names the seed with which the same inputs come again.
@Suite(.serialized, .timeLimit(.minutes(600)))
struct FuzzTests {
    static let writeBodies = [
        #"[{"id":"Simulator.T2.5S","v":42},{"id":"Simulator.T2.K0","v":"text"}]"#,
        #"{"id":"Simulator.T2.5S","v":-9223372036854775808}"#,
        #"[{"v":18446744073709551615,"id":"Simulator.T2.Big"},{"id":"Simulator.T2.Old","v":1.5e-300}]"#,
        #"[{"id":"Simulator.T2.Array[0]","v":[1,2,3]},{"id":"\u00e9\ud83d\ude00\n","v":null}]"#,
        #" [ { "id" : "Simulator.T2.a b+c,d" , "v" : true } , { "id":"x","v":{"a":[{}]} } ] "#, "[]", "{}", "null",
    ].map { Array($0.utf8) }

    static let idBodies = [
        #"["Simulator.T2.5S","Simulator.T2.K0"]"#, #"["\u00e9","\ud83d\ude00","\\\"\/\b\f\n\r\t"]"#, "[]",
    ].map { Array($0.utf8) }

    static let queries = [
        "ids=Simulator.T2.5S&ids=Simulator.T2.Array%5B0%5D", "ids=a+b%2Bc&x=y&ids=%C3%A9&", "ids=&ids=&&", "login",
    ].map { Array($0.utf8) }

    static let credentials =
        ["Basic " + Fixture.base64("viewer:" + Fixture.password), "Basic " + Fixture.base64("é:\u{1F600}")].map {
            Array($0.utf8)
        } + [Array("Bearer abc".utf8), Array("Basic YTo=".utf8)]

    static let hosts = ["localhost:39320", "[::1]:443", "a-b.example", "127.0.0.1"].map { Array($0.utf8) }
    static let forwarded = ["10.0.0.1, 127.0.0.1", "2001:db8::1", "\"[::1]:80\"", "unknown"].map { Array($0.utf8) }

    /// One of twenty parts of the inputs each counts as.
    private static let parts = 20

    @Test func strictReader() {
        var accepted = 0
        FuzzPlan.current.run("JSONReader.value", share: 5, of: Self.parts) { source, number in
            let bytes = source.mutated(Self.writeBodies)
            guard let value = Self.read(bytes) else { return }
            accepted += 1
            #expect(Self.depth(value) <= 32)
            // What is taken here is JSON to others as well. Not the numbers that they cannot hold.
            if number % 8 == 0, !bytes.contains(0x65), !bytes.contains(0x45) {
                let data = Data(bytes)
                #expect(throws: Never.self, "\(String(decoding: bytes, as: UTF8.self))") {
                    try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
                }
            }
        }
        #expect(accepted > 0)
    }

    @Test func writeBodies() throws {
        var refused = 0
        var requests = 0
        let tags = Fixture.tags.map { TagDefinition(name: TagName(validated: $0.0), dataType: $0.1) }
        try FuzzPlan.current.run("write bodies", share: 7, of: Self.parts) { source, number in
            let bytes = source.mutated(Self.writeBodies)
            do {
                let decoded = try WriteRoute.requests(ByteBuffer(bytes: bytes), limit: 100)
                requests += decoded.count
                #expect(decoded.count <= 100)
                for request in decoded {
                    #expect(request.tag.utf8.count <= RequestedIDs.longestID)
                    for tag in tags { _ = try? ValueCoercion.data(request.value, for: tag) }
                }
            } catch let error as WriteRoute.Malformed {
                refused += 1
                try Self.expectJSON(Reply.failure(.badRequest, error.reason).body, number)
            }
        }
        #expect(refused > 0 && requests > 0)
    }

    @Test func readBodies() throws {
        try FuzzPlan.current.run("read bodies", share: 2, of: Self.parts) { source, number in
            do {
                Self.check(try RequestedIDs.fromBody(ByteBuffer(bytes: source.mutated(Self.idBodies)), limit: 100))
            } catch let error as RequestedIDs.Failure {
                try Self.expectJSON(Reply.failure(.badRequest, error.reason).body, number)
            }
        }
    }

    @Test func queries() throws {
        try FuzzPlan.current.run("queries", share: 2, of: Self.parts) { source, number in
            // As a parser hands it on: text.
            let query = String(decoding: source.mutated(Self.queries), as: UTF8.self)
            do {
                Self.check(try RequestedIDs.fromQuery(query[...], limit: 100))
            } catch let error as RequestedIDs.Failure {
                try Self.expectJSON(Reply.failure(.badRequest, error.reason).body, number)
            }
        }
    }

    @Test func headerFields() {
        FuzzPlan.current.run("Authorization and Host", share: 3, of: Self.parts) { source, number in
            let header = String(decoding: source.mutated(Self.credentials), as: UTF8.self)
            if let found = try? BasicCredentials.parse([header]) {
                #expect(!found.password.isEmpty && !found.user.utf8.contains(0x3A))
            }
            let host = source.mutated(Self.hosts)
            if HostField.isWellFormed(String(decoding: host, as: UTF8.self)) {
                let allowed = host.allSatisfy {
                    (0x30...0x3A).contains($0) || (0x61...0x7A).contains($0 | 0x20)
                        || [0x2D, 0x2E, 0x5B, 0x5D, 0x5F, 0x7E].contains($0)
                }
                #expect(allowed, "\(host)")
            }
        }
    }

    /// The whole way: a connection kept for pipelines of requests, each of which gets an answer in order.
    @Test func overTheSocket() async throws {
        var options = try Fixture.options()
        options.writeEndpoint = true
        options.corsAllowedOrigins = ["https://hmi.example"]
        options.trustedProxies = [IPNetwork(bytes: [127, 0, 0, 0], prefix: 8)]
        let plan = FuzzPlan.current
        let count = max(1, plan.inputs / Self.parts)
        FuzzPlan.say("fuzzing over the socket: \(count) inputs, SALLYPORT_FUZZ_SEED=\(plan.seed)")
        try await Fixture.run(options) { fixture in
            var source = FuzzSource(seed: plan.seed)
            var sent = 0
            var statuses: [Int: Int] = [:]
            while sent < count {
                let connection = try RawConnection(fixture.address)
                var ended = false
                while !ended, sent < count {
                    let requests = (0..<(1 + source.below(8))).map { _ in Self.request(&source) }
                    sent += requests.count
                    try? await connection.send(Array(requests.joined()))
                    for request in requests {
                        guard let reply = try? await connection.response() else {
                            // Only behind an answer that said so.
                            Issue.record("no answer to \(String(decoding: request, as: UTF8.self))")
                            ended = true
                            break
                        }
                        statuses[reply.status, default: 0] += 1
                        #expect(reply.status < 500, "\(String(decoding: request, as: UTF8.self))")
                        #expect(reply.headers["content-length"] != nil)
                        try Self.expectJSON(Array(reply.body.utf8), sent)
                        ended = reply.headers["connection"] == "close"
                        if ended { break }
                    }
                }
            }
            FuzzPlan.say("fuzzed over the socket: \(statuses.sorted { $0.key < $1.key })")
            #expect(statuses[200] ?? 0 > 0 && statuses[400] ?? 0 > 0)
            try await fixture.expect(200, "GET", "/healthz", [])
        }
    }

    /// Well-formed as HTTP, so that there is one answer to it.
    private static func request(_ source: inout FuzzSource) -> [UInt8] {
        var fields = ["Host: localhost", Fixture.viewer]
        if source.below(3) == 0 { fields.append("X-Forwarded-For: " + printable(source.mutated(forwarded))) }
        if source.below(3) == 0 { fields.append("Origin: https://hmi.example\r\nContent-Type: application/json") }
        // Few, because a wrong password costs a hash.
        if source.below(40) == 0 { fields[1] = "Authorization: " + printable(source.mutated(credentials)) }
        if source.below(20) == 0 { fields[0] = "Host: " + printable(source.mutated(hosts)) }
        var line = "GET /iotgateway/read?" + printable(source.mutated(queries)).replacing(" ", with: "%20")
        var body: [UInt8] = []
        switch source.below(4) {
        case 0, 1:
            line = "POST /iotgateway/write"
            body = source.mutated(writeBodies)
        case 2:
            line = "POST /iotgateway/read"
            body = source.mutated(idBodies)
        default: break
        }
        fields.append("Content-Length: \(body.count)")
        return Array(([line + " HTTP/1.1"] + fields).joined(separator: "\r\n").utf8) + Array("\r\n\r\n".utf8) + body
    }

    private static func printable(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix(4000).filter { (0x20..<0x7F).contains($0) }, as: UTF8.self)
    }

    private static func read(_ bytes: [UInt8]) -> JSONValue? { try? JSONReader.value(bytes) }

    private static func depth(_ value: JSONValue) -> Int {
        switch value {
        case .array(let elements): 1 + (elements.map(depth).max() ?? 0)
        case .object(let members): 1 + (members.map { depth($0.value) }.max() ?? 0)
        default: 0
        }
    }

    private static func check(_ ids: ByteStrings) {
        #expect(ids.count <= 100)
        for index in 0..<ids.count {
            let bytes = Array(ids.bytes[ids.range(index)])
            #expect(bytes.count <= RequestedIDs.longestID)
            #expect(String(validating: bytes, as: UTF8.self) != nil)
        }
    }

    private static func expectJSON(_ bytes: [UInt8], _ number: Int) throws {
        // By somebody else's reader, which is slow.
        guard number % 4 == 0 else { return }
        let data = Data(bytes)
        #expect(throws: Never.self, "\(String(decoding: bytes, as: UTF8.self))") {
            try JSONSerialization.jsonObject(with: data)
        }
    }
}
