import NIOCore
import Synchronization
import TagStore
import Tags
import Testing
import Writes

@testable import RESTServerAgent
@testable import SecurityPolicy

/// `POST /iotgateway/write`, WIRE.md §1.
@Suite("Write route", .timeLimit(.minutes(2)))
struct WriteRouteTests {
    /// Remembers what reached it.
    final class Device: TagWriter {
        private let state = Mutex<[TagData]>([])
        var written: [TagData] { state.withLock { $0 } }

        func write(_ data: TagData, to tag: TagHandle) async -> WriteOutcome {
            state.withLock { $0.append(data) }
            return .confirmed
        }
    }

    /// A listener whose write endpoint is on, with `Simulator.T2.Set` (0 to 100), `.Text` and `.List`, and `Outside.D.Set`.
    static func run(
        writeEndpoint: Bool = true, idsPerRequest: Int = 10_000,
        _ body: @escaping @Sendable (Fixture, Device) async throws -> Void
    ) async throws {
        var options = try Fixture.options()
        options.writeEndpoint = writeEndpoint
        options.limits.idsPerRequest = idsPerRequest
        let device = Device()
        let target = WriteTarget(device: "Simulator.T2", writer: device)
        try await Fixture.run(options, writers: { _ in target }) { fixture in
            func definition(_ name: String, _ type: DataType, isArray: Bool = false) -> TagDefinition {
                TagDefinition(
                    name: TagName(validated: name), dataType: type, isArray: isArray, access: .readWrite,
                    details: type == .double ? TagDetails(range: 0...100) : nil)
            }
            _ = try await fixture.store.register([
                definition("Simulator.T2.Set", .double), definition("Simulator.T2.Text", .string),
                definition("Simulator.T2.List", .word, isArray: true), definition("Outside.D.Set", .double),
                definition("Secret.PLC.Set", .double), definition("Simulator.T2.Größe", .qword),
            ])
            try await body(fixture, device)
        }
    }

    @Test func answersInRequestOrderAndEchoesTheNames() async throws {
        try await Self.run { fixture, device in
            let reply = try await fixture.ask(
                "POST", "/iotgateway/write",
                body: #"""
                    [{"id":"simulator.t2.SET","v":"42.5"},{"v":"a","id":"Simulator.T2.Text"},{"id":"no\"such","v":1},
                     {"id":"Simulator.T2.List","v":[1,2]},{"id":"Simulator.T2.Gr\u00f6\u00dfe","v":18446744073709551615},
                     {"id":"Simulator.T2.Set","v":1},{"id":"Simulator.T2.Set","v":2}]
                    """#)
            #expect(reply.status == 200)
            #expect(
                reply.body == #"""
                    {"writeResults":[{"id":"Simulator.T2.Set","s":true,"r":""},{"id":"Simulator.T2.Text","s":true,"r":""},\#
                    {"id":"no\"such","s":false,"r":"unknown-tag: there is no such tag"},\#
                    {"id":"Simulator.T2.List","s":true,"r":""},{"id":"Simulator.T2.Größe","s":true,"r":""},\#
                    {"id":"Simulator.T2.Set","s":true,"r":""},{"id":"Simulator.T2.Set","s":true,"r":""}]}
                    """#)
            #expect(
                device.written == [
                    .double(42.5), .string("a"), .array([.unsigned(1), .unsigned(2)]), .unsigned(.max), .double(1),
                    .double(2),
                ])
            let single = try await fixture.ask("POST", "/iotgateway/write", body: #"{"id":"Simulator.T2.Set","v":3}"#)
            #expect(single.body == #"{"writeResults":[{"id":"Simulator.T2.Set","s":true,"r":""}]}"#)
            let none = try await fixture.ask("POST", "/iotgateway/write", body: "[]")
            #expect(none.body == #"{"writeResults":[]}"#)
        }
    }

    @Test func everyRefusalBeginsWithItsCode() async throws {
        try await Self.run { fixture, device in
            let cases: [(String, String)] = [
                (#"{"id":"Simulator.T2.Set","v":101}"#, "out-of-range: 101 is outside the tag's range of 0 to 100"),
                (
                    #"{"id":"Simulator.T2.Set","v":null}"#,
                    "wrong-type: the tag is a Double: a number is wanted, found null"
                ),
                (
                    #"{"id":"Simulator.T2.Set","v":"NaN"}"#,
                    "wrong-type: the tag is a Double: a number is wanted, found \\\"NaN\\\""
                ),
                (#"{"id":"Simulator.T2.5S","v":1}"#, "read-only: the tag is read-only in the configuration"),
                (#"{"id":"Outside.D.Set","v":1}"#, "unknown-tag: there is no such tag"),
                (#"{"id":"Simulator.T2.Gro\u0308\u00dfe","v":1}"#, "unknown-tag: there is no such tag"),
                (#"{"id":"","v":1}"#, "unknown-tag: there is no such tag"),
                (#"{"id":"\u0000\u202e\ud83d\ude00","v":1}"#, "unknown-tag: there is no such tag"),
            ]
            for (body, reason) in cases {
                let reply = try await fixture.ask("POST", "/iotgateway/write", body: body)
                #expect(reply.status == 200)
                #expect(reply.body.contains("\"s\":false,\"r\":\"\(reason)\"}"), "\(reply.body)")
            }
            #expect(device.written.isEmpty)
        }
    }

    @Test func whatMayNotBeSeenAnswersAsUnknown() async throws {
        try await Self.run { fixture, device in
            func ask(_ id: String) async throws -> RawConnection.Response {
                try await fixture.ask(
                    "POST", "/iotgateway/write", [Fixture.viewer], body: "{\"id\":\"\(id)\",\"v\":1}")
            }
            let unknown = try await ask("Secret.PLC.Sez")
            for id in ["Secret.PLC.Set", "secret.plc.SET"] {
                let hidden = try await ask(id)
                #expect(hidden.comparable == unknown.comparable.replacing("Secret.PLC.Sez", with: id))
            }
            let forbidden = try await ask("simulator.t2.set")
            #expect(
                forbidden.body == #"""
                    {"writeResults":[{"id":"Simulator.T2.Set","s":false,"r":"forbidden: no permission to write the tag"}]}
                    """#)
            #expect(device.written.isEmpty)
        }
    }

    @Test func offStandsAboveEveryPermission() async throws {
        try await Self.run(writeEndpoint: false) { fixture, device in
            for body in [#"[{"id":"Simulator.T2.Set","v":1}]"#, "[", ""] {
                let reply = try await fixture.ask("POST", "/iotgateway/write", body: body)
                #expect(reply.status == 403)
                #expect(
                    reply.body
                        == #"{"succeeded":false,"reason":"writing is off: write-endpoint is false for the agent api"}"#)
            }
            let nobody = try await fixture.ask("POST", "/iotgateway/write", [], body: "[]")
            #expect(nobody.status == 401)
            #expect(device.written.isEmpty)
        }
    }

    @Test(arguments: [
        ("", "the body is not JSON: line 1, column 1"), ("[", "the body is not JSON"),
        ("42", "write 1 is not an object"), ("[[]]", "write 1 is not an object"),
        (#"[{"id":"Simulator.T2.Set","v":1},"x"]"#, "write 2 is not an object"),
        (#"[{"id":"Simulator.T2.Set","v":1},{"id":"Simulator.T2.Set"}]"#, "write 2 has no v"),
        (#"[{"id":"Simulator.T2.Set","v":1},{"v":1}]"#, "write 2 has no id"),
        (#"{"id":7,"v":1}"#, "the id of write 1 is not a text"),
        (#"{"id":"Simulator.T2.Set","v":1,"w":2}"#, "write 1 has the member \\\"w\\\"; there are id and v"),
        (#"{"id":"Simulator.T2.Set","id":"Simulator.T2.Set","v":1}"#, "the object has this name twice"),
        (#"{"id":"Simulator.T2.Set","v":1,"\u0076":2}"#, "the object has this name twice"),
        (#"{"id":"Simulator.T2.Set","v":1e400}"#, "the number is too large for a double"),
        (#"{"id":"Simulator.T2.Set","v":01}"#, "the body is not JSON"),
        (#"{"id":"Simulator.T2.Set","v":NaN}"#, "the body is not JSON"),
        (#"{"id":"Simulator.T2.Set","v":1}{}"#, "something follows the end"),
        ("\u{FEFF}" + #"{"id":"Simulator.T2.Set","v":1}"#, "byte order mark"),
    ])
    func malformedIsRefusedWholeAndNothingRuns(_ body: String, _ reason: String) async throws {
        try await Self.run { fixture, device in
            let reply = try await fixture.ask("POST", "/iotgateway/write", body: body)
            #expect(reply.status == 400)
            #expect(reply.body.hasPrefix(#"{"succeeded":false,"reason":""#))
            #expect(reply.body.contains(reason), "\(reply.body)")
            #expect(device.written.isEmpty)
        }
    }

    @Test func limitsOfDepthAndNumber() async throws {
        try await Self.run(idsPerRequest: 3) { fixture, device in
            let one = #"{"id":"Simulator.T2.Set","v":1}"#
            let three = "[" + Array(repeating: one, count: 3).joined(separator: ",") + "]"
            #expect(try await fixture.ask("POST", "/iotgateway/write", body: three).status == 200)
            let four = "[" + Array(repeating: one, count: 4).joined(separator: ",") + "]"
            let tooMany = try await fixture.ask("POST", "/iotgateway/write", body: four)
            #expect(tooMany.status == 400 && tooMany.body.contains("limits.ids-per-request"))
            let deep = #"{"id":"A","v":"# + String(repeating: "[", count: 40) + String(repeating: "]", count: 40) + "}"
            let tooDeep = try await fixture.ask("POST", "/iotgateway/write", body: deep)
            #expect(tooDeep.status == 400 && tooDeep.body.contains("nested deeper than 32"))
            let id = String(repeating: "x", count: 4097)
            let tooLong = try await fixture.ask("POST", "/iotgateway/write", body: "{\"id\":\"\(id)\",\"v\":1}")
            #expect(tooLong.status == 400 && tooLong.body.contains("longer than 4096 bytes"))
            #expect(device.written.count == 3)
            let get = try await fixture.ask("GET", "/iotgateway/write")
            #expect(get.status == 405 && get.headers["allow"] == "POST")
            let foreign = try await fixture.ask(
                "POST", "/iotgateway/write", [Fixture.admin, "Origin: https://x.example", "Content-Type: text/plain"],
                body: one)
            #expect(foreign.status == 415)
        }
    }
}
