import Testing

@testable import RESTServerAgent

/// WIRE.md §1, byte for byte.
@Suite(.timeLimit(.minutes(2)))
struct WireTests {
    static let t = "1608117831416"

    @Test func readAnswersInRequestOrder() async throws {
        try await Fixture.run { fixture in
            let reply = try await fixture.ask("GET", "/iotgateway/read?ids=Simulator.T2.K0&ids=simulator.t2.5s")
            #expect(reply.status == 200)
            #expect(
                reply.body == """
                    {"readResults":[{"id":"Simulator.T2.K0","s":true,"r":"","v":"a \\"b\\" é","t":\(Self.t)},\
                    {"id":"Simulator.T2.5S","s":true,"r":"","v":1,"t":\(Self.t)}]}
                    """)
            #expect(reply.headers["content-type"] == "application/json")
        }
    }

    @Test(arguments: [
        ("?ids=Simulator.T2.Bad", #"{"id":"Simulator.T2.Bad","s":false,"r":"bad: timeout","v":null,"t":T}"#),
        (
            "?ids=Simulator.T2.Old",
            #"{"id":"Simulator.T2.Old","s":true,"r":"uncertain: last usable value","v":7.5,"t":T}"#
        ),
        ("?ids=Simulator.T2.Array[0]", #"{"id":"Simulator.T2.Array[0]","s":true,"r":"","v":[1,2],"t":T}"#),
        ("?ids=Simulator.T2.Array%5B0%5D&", #"{"id":"Simulator.T2.Array[0]","s":true,"r":"","v":[1,2],"t":T}"#),
        ("?ids=Simulator.T2.Big", #"{"id":"Simulator.T2.Big","s":true,"r":"","v":18446744073709551615,"t":T}"#),
        ("?ids=Simulator.T2.NaN", #"{"id":"Simulator.T2.NaN","s":false,"r":"bad: out of range","v":null,"t":T}"#),
        ("?ids=Simulator.T2.a+b%2Bc,d", #"{"id":"Simulator.T2.a b+c,d","s":true,"r":"","v":true,"t":T}"#),
        ("?ids=Simulator.T2.a%20b%2bc%2Cd", #"{"id":"Simulator.T2.a b+c,d","s":true,"r":"","v":true,"t":T}"#),
        ("?ids=No%22such", #"{"id":"No\"such","s":false,"r":"unknown tag","v":null,"t":0}"#),
        ("?ids=%2541", #"{"id":"%41","s":false,"r":"unknown tag","v":null,"t":0}"#),
        ("?ids=", #"{"id":"","s":false,"r":"unknown tag","v":null,"t":0}"#),
        ("?x=1&&ids=%00", #"{"id":"\u0000","s":false,"r":"unknown tag","v":null,"t":0}"#),
        (
            "?ids=Simulator.T2._System._Error",
            #"{"id":"Simulator.T2._System._Error","s":true,"r":"","v":false,"t":T}"#
        ),
    ])
    func readEntry(_ query: String, _ entry: String) async throws {
        try await Fixture.run { fixture in
            let reply = try await fixture.ask("GET", "/iotgateway/read\(query)")
            #expect(reply.status == 200)
            #expect(reply.body == "{\"readResults\":[\(entry.replacing("\"t\":T", with: "\"t\":\(Self.t)"))]}")
        }
    }

    @Test func postReadsTheSame() async throws {
        try await Fixture.run { fixture in
            let query = try await fixture.ask("GET", "/iotgateway/read?ids=Simulator.T2.5S&ids=x")
            let body = try await fixture.ask("POST", "/iotgateway/read", body: #"["Simulator.T2.5S","x"]"#)
            #expect(body.body == query.body)
            let none = try await fixture.ask("POST", "/iotgateway/read", body: " [ ] ")
            #expect(none.body == #"{"readResults":[]}"#)
        }
    }

    @Test func arraysAsText() async throws {
        var options = try Fixture.options()
        options.arrayValues = .string
        try await Fixture.run(options) { fixture in
            let reply = try await fixture.ask("GET", "/iotgateway/read?ids=Simulator.T2.Array[0]")
            #expect(reply.body.contains(#""v":"[1,2]","t""#))
        }
    }

    @Test func browseListsWhatMayBeSeen() async throws {
        try await Fixture.run { fixture in
            let all = try await fixture.ask("GET", "/iotgateway/browse")
            #expect(all.body.hasPrefix(#"{"browseResults":[{"id":"Simulator.T2.5S"},{"id":"Simulator.T2.K0"},"#))
            #expect(all.body.hasSuffix(#"{"id":"Simulator.T2._System._Error"}],"succeeded":true,"reason":""}"#))
            #expect(!all.body.contains("Outside"))
            let some = try await fixture.ask("GET", "/iotgateway/browse", [Fixture.viewer])
            for hidden in ["Secret", "Hidden", "Outside", "_Error"] { #expect(!some.body.contains(hidden)) }
            #expect(some.body.contains("NoRead"))
        }
    }

    @Test func hiddenAnswersAsUnknown() async throws {
        try await Fixture.run { fixture in
            let unknown = try await fixture.ask("GET", "/iotgateway/read?ids=Secret.PLC.Kez", [Fixture.viewer])
            for id in ["Secret.PLC.Key", "Simulator.T2.Hidden", "Outside.D.T", "Simulator.T2._System._Error"] {
                let hidden = try await fixture.ask("GET", "/iotgateway/read?ids=\(id)", [Fixture.viewer])
                let expected = unknown.body.replacing("Secret.PLC.Kez", with: id)
                #expect(hidden.body == expected)
                if id.count == "Secret.PLC.Kez".count {
                    #expect(hidden.comparable == unknown.comparable.replacing("Secret.PLC.Kez", with: id))
                }
            }
            // The case of the question comes back, as for an unknown tag.
            let mixed = try await fixture.ask("GET", "/iotgateway/read?ids=secret.plc.KEY", [Fixture.viewer])
            #expect(mixed.body.contains(#""id":"secret.plc.KEY""#))
            // Not even an administrator reaches beyond the items.
            let outside = try await fixture.ask("GET", "/iotgateway/read?ids=Outside.D.T")
            #expect(outside.body.contains("unknown tag"))
            let forbidden = try await fixture.ask("GET", "/iotgateway/read?ids=simulator.t2.noread", [Fixture.viewer])
            #expect(
                forbidden.body == #"""
                    {"readResults":[{"id":"Simulator.T2.NoRead","s":false,"r":"no permission to read","v":null,"t":0}]}
                    """#)
        }
    }

    @Test func everyAnswerIsFitForRealClients() async throws {
        try await Fixture.run { fixture in
            let asked: [(String, String)] = [
                ("GET", "/iotgateway/browse"), ("GET", "/"), ("GET", "/iotgateway"), ("GET", "/iotgateway/"),
                ("GET", "/nowhere"), ("PUT", "/iotgateway/read"), ("POST", "/iotgateway/write"), ("GET", "/healthz"),
                ("HEAD", "/iotgateway/browse"), ("GET", "/readyz"), ("DELETE", "/healthz"), ("FOO", "/"),
                ("TRACE", "/iotgateway/read"),
            ]
            for (method, target) in asked {
                let reply = try await fixture.ask(method, target)
                let line = reply.head.split(separator: "\r\n")[0]
                #expect(line.wholeMatch(of: /HTTP\/1\.1 [0-9]{3} [\w ]+/) != nil, "\(line)")
                #expect(reply.headers["content-length"] != nil)
                #expect(reply.headers["cache-control"] == "no-store")
                #expect(reply.headers["x-content-type-options"] == "nosniff")
                #expect(reply.headers["server"] == nil)
                #expect(!reply.headers.values.contains(""))
            }
        }
    }

    @Test func pagesStatusesAndMethods() async throws {
        try await Fixture.run { fixture in
            for path in ["/", "/iotgateway", "/iotgateway/"] {
                let page = try await fixture.ask("GET", path)
                #expect(page.status == 200)
                #expect(page.headers["content-type"] == "text/html; charset=utf-8")
                let policy = try #require(page.headers["content-security-policy"])
                let nonce = try #require(policy.firstMatch(of: /script-src 'nonce-([0-9a-f]{32})'/)).1
                #expect(page.body.contains("<script nonce=\"\(nonce)\">"))
                #expect(policy.hasPrefix("default-src 'none'"))
            }
            let missing = try await fixture.ask("GET", "/iotgateway/nothing")
            #expect(missing.status == 404)
            #expect(missing.body.hasPrefix(#"{"succeeded":false,"reason":""#))
            let method = try await fixture.ask("DELETE", "/iotgateway/read")
            #expect(method.status == 405)
            #expect(method.headers["allow"] == "GET, HEAD, POST")
            let write = try await fixture.ask("POST", "/iotgateway/write", body: "[]")
            #expect(write.status == 403)
            #expect(write.body.contains("write-endpoint"))
            let head = try await fixture.ask("HEAD", "/iotgateway/browse")
            #expect(head.status == 200)
            #expect(Int(head.headers["content-length"] ?? "") ?? 0 > 100)
        }
    }
}
