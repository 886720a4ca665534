import Logging
import NIOCore
import NIOPosix
import Synchronization
import TagStore
import Tags
import Testing

@testable import RESTServerAgent
@testable import SecurityPolicy

@Suite(.timeLimit(.minutes(2)))
struct AuthenticationTests {
    static let challenge = #"Basic realm="Sallyport", charset="UTF-8""#

    static func basic(_ text: String) -> String { "Authorization: Basic " + Fixture.base64(text) }

    @Test(arguments: [
        [], ["Authorization: Basic"], ["Authorization: Basic !!!!"], ["Authorization: Bearer abc"],
        ["Authorization: Basic YWRtaW4="], [basic("admin:wrong wrong wrong")], [basic("nobody:" + Fixture.password)],
        [basic("admin:")], [basic(":" + Fixture.password)], [basic("admin:" + Fixture.password + "\0")],
        [Fixture.admin, Fixture.admin], ["Authorization: Basic /////w=="], [Fixture.admin + "x"],
        [basic(String(repeating: "a", count: 2000) + ":b")], [Fixture.admin + " x"],
        ["Authorization: Digest username=\"admin\""],
    ])
    func notLetIn(_ headers: [String]) async throws {
        try await Fixture.run { fixture in
            for target in ["/iotgateway/browse", "/iotgateway/read?ids=a", "/", "/nowhere"] {
                let reply = try await fixture.ask("GET", target, headers)
                #expect(reply.status == 401)
                #expect(reply.headers["www-authenticate"] == Self.challenge)
                #expect(reply.body.hasPrefix(#"{"succeeded":false,"reason":""#))
            }
            try await fixture.expect(401, "POST", "/iotgateway/write", headers, body: "[]")
            try await fixture.expect(401, "OPTIONS", "/iotgateway/read", headers)
        }
    }

    @Test func schemeInAnyCaseAndUserInAnyCase() async throws {
        try await Fixture.run { fixture in
            let header = "Authorization: bASIC " + Fixture.base64("ADMIN:" + Fixture.password)
            try await fixture.expect(200, "GET", "/iotgateway/browse", [header])
        }
    }

    @Test func pollingCostsOneHash() async throws {
        try await Fixture.run { fixture in
            let before = fixture.verifier.computations
            for _ in 0..<5 { try await fixture.expect(200, "GET", "/iotgateway/browse") }
            #expect(fixture.verifier.computations == before + 1)
            for _ in 0..<5 {
                try await fixture.expect(401, "GET", "/", [Self.basic("admin:wrong wrong wrong")])
            }
            #expect(fixture.verifier.computations == before + 2)
        }
    }

    @Test func changesTakeEffectOnTheNextRequest() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            func expectStatus(_ status: Int, _ header: String = Fixture.viewer) async throws {
                try await connection.send(Fixture.request("GET", "/iotgateway/browse", [header]))
                let reply = try await connection.response()
                #expect(reply.status == status)
            }
            func expectReads(_ reads: Bool) async throws {
                let target = "/iotgateway/read?ids=Simulator.T2.5S"
                try await connection.send(Fixture.request("GET", target, [Fixture.viewer]))
                let reply = try await connection.response()
                #expect(reply.body.contains("\"s\":true") == reads)
            }
            try await expectReads(true)
            try await fixture.users.disable(name: "viewer")
            try await expectStatus(401)
            try await fixture.users.enable(name: "viewer")
            try await expectReads(true)
            try await fixture.users.setGroups(of: "viewer", to: ["nothing"])
            try await expectReads(false)
            try await fixture.users.setGroups(of: "viewer", to: ["viewers"])
            try await expectReads(true)
            fixture.policy.replace(PolicySnapshot(groups: []))
            try await expectReads(false)
            fixture.policy.replace(PolicySnapshot(groups: try Fixture.groups()))
            try await expectReads(true)
            try await fixture.users.setPassword(of: "viewer", to: "another long password")
            try await expectStatus(401)
            try await expectStatus(200, Self.basic("viewer:another long password"))
            try await fixture.users.remove(name: "viewer")
            try await expectStatus(401, Self.basic("viewer:another long password"))
        }
    }

    @Test func tagsThatComeAndGo() async throws {
        try await Fixture.run { fixture in
            let target = "/iotgateway/read?ids=Simulator.New.Tag"
            let unknown = try await fixture.ask("GET", target)
            let name = TagName(validated: "Simulator.New.Tag")
            let handles = try await fixture.store.register([TagDefinition(name: name, dataType: .long)])
            let fresh = try await fixture.ask("GET", target)
            #expect(fresh.body.contains("waiting for initial data"))
            await fixture.store.remove(handles)
            let gone = try await fixture.ask("GET", target)
            #expect(gone.body == unknown.body)
        }
    }

    @Test func withoutAnAdministratorNothingIsServed() async throws {
        try await Fixture.run(withUsers: false) { fixture in
            for target in ["/iotgateway/browse", "/", "/nowhere", "/readyz"] {
                let reply = try await fixture.ask("GET", target)
                #expect(reply.status == 503)
                #expect(reply.body.contains("sallyport user add NAME --administrator"))
            }
            try await fixture.expect(200, "GET", "/healthz", [])
            try await fixture.users.add(name: "viewer", password: Fixture.password, groups: ["viewers"])
            try await fixture.expect(503, "GET", "/iotgateway/browse", [Fixture.viewer])
            try await fixture.users.add(name: "admin", password: Fixture.password, groups: ["administrators"])
            try await fixture.expect(200, "GET", "/iotgateway/browse", [Fixture.viewer])
            try await fixture.expect(200, "GET", "/readyz", [])
        }
    }

    @Test func originsOfTheListOnly() async throws {
        var options = try Fixture.options()
        options.corsAllowedOrigins = ["https://hmi.example"]
        try await Fixture.run(options) { fixture in
            let ask = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"]
            let yes = try await fixture.ask("OPTIONS", "/iotgateway/read", ask + ["Origin: https://hmi.example"])
            #expect(yes.status == 200)
            #expect(yes.headers["access-control-allow-origin"] == "https://hmi.example")
            #expect(yes.headers["access-control-allow-methods"] == "GET, HEAD, POST")
            // The last for a page that goes on with a stream by other means than the browser's EventSource.
            #expect(yes.headers["access-control-allow-headers"] == "authorization, content-type, last-event-id")
            #expect(yes.headers["vary"] == "Origin")
            for origin in ["https://hmi.example.evil", "http://hmi.example", "null", "*", "https://HMI.example"] {
                let no = try await fixture.ask("OPTIONS", "/iotgateway/read", ask + ["Origin: \(origin)"])
                #expect(no.status == 403)
                #expect(no.headers["access-control-allow-origin"] == nil)
            }
            let allowed = try await fixture.ask("GET", "/nowhere", ["Origin: https://hmi.example"])
            #expect(allowed.status == 401)
            #expect(allowed.headers["access-control-allow-origin"] == "https://hmi.example")
        }
    }

    @Test func postFromAPageMustBeJSON() async throws {
        try await Fixture.run { fixture in
            func expect(_ status: Int, _ headers: [String]) async throws {
                try await fixture.expect(status, "POST", "/iotgateway/read", [Fixture.admin] + headers, body: "[]")
            }
            try await expect(200, [])
            try await expect(200, ["Content-Type: text/plain"])
            try await expect(415, ["Origin: https://a.example", "Content-Type: text/plain"])
            try await expect(415, ["Origin: https://a.example"])
            try await expect(415, ["Origin: null", "Content-Type: application/json-x"])
            try await expect(200, ["Origin: https://a", "Content-Type: Application/JSON; charset=utf-8"])
        }
    }

    /// One kind of failure from one client hides no other, and the table stays bounded.
    @Test func aFloodHidesNoOtherFailure() {
        let lines = LogLines()
        let log = LoginFailureLog(logger: Logger(label: "test") { _ in lines })
        for _ in 0..<100 { log.note(.malformed, from: ClientAddress("10.0.0.1")) }
        log.note(.refused(user: "ada"), from: ClientAddress("10.0.0.1"))
        log.note(.malformed, from: ClientAddress("10.0.0.2"))
        #expect(lines.text.split(separator: "\n").count == 3)
        #expect(lines.text.contains("ada"))
        for number in 0..<1000 { log.note(.malformed, from: ClientAddress("10.1.\(number / 250).\(number % 250)")) }
        log.note(.refused(user: "eve"), from: ClientAddress("10.2.0.1"))
        #expect(lines.text.split(separator: "\n").count <= LoginFailureLog.slots + 5)
        #expect(lines.text.contains("eve"))
    }

    @Test func logTellsWhyAndNeverThePassword() async throws {
        let lines = LogLines()
        try await Fixture.run(logger: Logger(label: "test") { _ in lines }) { fixture in
            _ = try await fixture.ask("GET", "/", [Self.basic("admin:")])
        }
        try await Fixture.run(logger: Logger(label: "test") { _ in lines }) { fixture in
            _ = try await fixture.ask("GET", "/", [Self.basic("ad\nmin:very secret words")])
            _ = try await fixture.ask("GET", "/")
        }
        let all = lines.text
        #expect(all.contains("empty password"))
        #expect(all.contains("ad?min"))
        #expect(!all.contains("secret") && !all.contains(Fixture.password))
    }
}

/// Keeps what is logged.
final class LogLines: LogHandler {
    private let lines = Mutex<[String]>([])

    var text: String { lines.withLock { $0.joined(separator: "\n") } }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        lines.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
    }
}
