import Foundation
import NIOCore
import NIOHTTP1
import TestPeers
import Testing

@testable import RESTServerAgent

@Suite("openapi.json says what is served", .timeLimit(.minutes(5)))
struct OpenAPITests {
    /// Every switch that changes the document, on and off.
    static func variants() throws -> [(name: String, options: RESTServerAgentOptions)] {
        let plain = try Fixture.options()
        var open = plain
        open.anonymous = true
        open.writeEndpoint = true
        open.arrayValues = .string
        open.corsAllowedOrigins = ["https://hmi.example"]
        open.limits.idsPerRequest = 20
        open.limits.body = 4096
        var proxied = plain
        proxied.trustedProxies = [IPNetwork(bytes: [127, 0, 0, 1], prefix: 32)]
        proxied.allowFrom = [IPNetwork(bytes: [10, 0, 0, 0], prefix: 8)]
        return [("plain", plain), ("open", open), ("proxied", proxied)]
    }

    private static func document(_ responder: Responder) throws -> [String: Any] {
        let route = try #require(responder.routes.first { $0.path == OpenAPIDocument.path })
        guard case .signedIn(let handle) = route.access else {
            throw TestPeerError("the document is for everybody, or for nobody")
        }
        let request = ServerRequest(
            method: .GET, target: route.path, fields: RequestFields([:]), body: .init(), keepsAlive: true)
        return try #require(try JSONSerialization.jsonObject(with: Data(handle(request).body)) as? [String: Any])
    }

    private static func members(_ tree: Any?, _ path: String...) -> [String: Any] {
        var tree = tree as? [String: Any]
        for name in path { tree = tree?[name] as? [String: Any] }
        return tree ?? [:]
    }

    @Test("every route with its methods, no other, and every shape it names")
    func routes() async throws {
        for (name, options) in try Self.variants() {
            try await Fixture.run { fixture in
                let responder = fixture.responder(options)
                let document = try Self.document(responder)
                let paths = Self.members(document, "paths")
                #expect(Set(paths.keys) == Set(responder.routes.map(\.path)), "\(name)")
                for route in responder.routes {
                    let item = Self.members(paths, route.path)
                    var methods = Set(route.allow.lowercased().split(separator: ", ").map(String.init))
                    if !options.corsAllowedOrigins.isEmpty { methods.insert("options") }
                    #expect(Set(item.keys) == methods, "\(name) \(route.path)")
                    for method in route.methods {
                        let operation = Self.members(item, method.rawValue.lowercased())
                        let security = operation["security"] as? [[String: Any]]
                        #expect((security?.isEmpty == true) == route.isOpen, "\(name) \(route.path)")
                        #expect(Self.members(operation, "responses")["401"] == nil || !route.isOpen)
                    }
                }
                let schemas = Self.members(document, "components", "schemas")
                for answer in responder.routes.flatMap(\.operations).flatMap(\.answers) {
                    guard case .json(let schema) = answer.content else { continue }
                    #expect(schemas[schema.name] != nil, "\(schema.name)")
                }
            }
        }
    }

    @Test("the switches of the agent show")
    func switches() async throws {
        try await Fixture.run { fixture in
            let variants = try Self.variants()
            let plain = try Self.document(fixture.responder(variants[0].options))
            let write = Self.members(plain, "paths", "/iotgateway/write", "post", "responses")
            #expect(write["200"] == nil && write["403"] != nil)
            let open = try Self.document(fixture.responder(variants[1].options))
            let ids = Self.members(open, "components", "schemas", "IDs")
            #expect(ids["maxItems"] as? Int == 20)
            #expect(Self.members(open, "paths", "/iotgateway/write", "post", "responses")["200"] != nil)
            let ways = Self.members(open, "paths", "/iotgateway/read", "get")["security"] as? [[String: Any]]
            #expect(ways?.contains { $0.isEmpty } == true, "anonymous")
            var required = variants[0].options
            required.https = true
            required.clientCertificates = ClientCertificateOptions(mode: .required, caFile: "x")
            let certificates = try Self.document(fixture.responder(required))
            let scheme = Self.members(certificates, "components", "securitySchemes", "certificate")
            #expect(scheme["type"] as? String == "mutualTLS")
            let health = Self.members(certificates, "paths", "/healthz", "get")["security"] as? [[String: Any]]
            #expect(health?.map { Array($0.keys) } == [["certificate"]])
            let text = try JSONSerialization.data(withJSONObject: plain)
            #expect(!String(decoding: text, as: UTF8.self).contains("0.1.0"), "the product's version")
        }
    }

    @Test("without a login there is no document")
    func needsLogin() async throws {
        try await Fixture.run { fixture in
            #expect(try await fixture.ask("GET", OpenAPIDocument.path, []).status == 401)
            let reply = try await fixture.ask("GET", OpenAPIDocument.path, [Fixture.viewer])
            #expect(reply.status == 200)
            #expect(reply.headers["content-type"] == "application/json")
        }
    }

    @Test("the manual's table has every status, and no other")
    func manual() throws {
        let page = try String(contentsOfFile: "\(packageRoot)/docs/rest-server-agent.md", encoding: .utf8)
        let section = try #require(page.split(separator: "\n## Status codes\n").last?.split(separator: "\n## ").first)
        let rows = section.split(separator: "\n").filter { $0.hasPrefix("| ") }
        let codes = rows.compactMap { $0.split(separator: "|").first?.matches(of: /\b[1-5]\d\d\b/) }.joined()
        #expect(Set(codes.compactMap { Int($0.output) }) == Set(Status.allCases.map(\.code)))
    }

    /// Routes × methods × callers × bodies, and the corpus of malformed requests; another's validators hold every answer
    /// against the document of its listener.
    @Test("every answer is one that the document knows")
    func answers() async throws {
        let recorded = try RecordedAnswers()
        for (name, options) in try Self.variants() {
            try await Fixture.run(options) { fixture in
                let forwarded = name == "proxied" ? ["X-Forwarded-For: 10.0.0.1"] : []
                let document = try await fixture.ask("GET", OpenAPIDocument.path, [Fixture.admin] + forwarded)
                #expect(document.status == 200)
                try recorded.add(document: name, json: document.body)
                for route in fixture.responder(options).routes {
                    try await Self.sweep(route, name, fixture, recorded, forwarded)
                }
                if name == "plain" { try await Self.malformed(name, fixture, recorded) }
                if name == "open" { try await Self.slowedDown(name, fixture, recorded) }
            }
            try await Fixture.run(options, withUsers: false) { fixture in
                let forwarded = name == "proxied" ? ["X-Forwarded-For: 10.0.0.1"] : []
                for route in fixture.responder(options).routes {
                    for method in route.methods.map(\.rawValue) + ["HEAD", "OPTIONS"] {
                        try recorded.add(name, method, route.path, try await fixture.ask(method, route.path, forwarded))
                    }
                }
            }
        }
        try await Self.streams(recorded)
        try await Self.warning(recorded)
        let statuses = recorded.statuses(of: "/iotgateway/stream")
        #expect(statuses["GET"]?.isSuperset(of: [200, 400, 401, 403, 503]) == true, "\(statuses)")
        #expect(statuses["HEAD"]?.isSuperset(of: [200, 400, 401, 403, 503]) == true, "\(statuses)")
        let preflights = recorded.statuses(of: "/iotgateway/read")["OPTIONS"]
        #expect(preflights?.isSuperset(of: [200, 403, 405, 429, 503]) == true, "\(preflights ?? [])")
        let faults = try await recorded.faults()
        #expect(faults == ["\(recorded.count) answers seen"])
        #expect(recorded.count > 1200)
    }

    private static let verbs = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]

    private static func sweep(
        _ route: Route, _ document: String, _ fixture: Fixture, _ recorded: RecordedAnswers, _ forwarded: [String]
    ) async throws {
        let origin = ["Origin: https://hmi.example"]
        let callers = [
            [Fixture.admin] + forwarded, [Fixture.viewer] + forwarded, forwarded,
            [Fixture.viewer] + origin + forwarded,
            origin + ["Access-Control-Request-Method: GET"] + forwarded, ["Authorization: Basic !"] + forwarded,
            [Fixture.admin, "X-Forwarded-For: 11.0.0.1"], [Fixture.admin, "X-Forwarded-For: nonsense"],
        ]
        for verb in verbs {
            for (index, caller) in callers.enumerated() {
                for (query, body) in asked(route, verb, isThorough: index == 0) {
                    let reply = try await fixture.ask(verb, route.path + query, caller, body: body)
                    try recorded.add(document, verb, route.path, reply)
                }
            }
        }
    }

    /// Queries and bodies, right and wrong ones.
    private static func asked(_ route: Route, _ verb: String, isThorough: Bool) -> [(String, String)] {
        let ids = "?" + Fixture.tags.map { "ids=" + $0.0.replacing(" ", with: "+") }.joined(separator: "&")
        guard verb == "POST" else { return isThorough ? [("", ""), (ids, ""), ("?ids=%0", "")] : [(ids, "")] }
        let names = Fixture.tags.map { "\"\($0.0)\"" }
        let reads = "[" + names.joined(separator: ",") + "]"
        let writes = "[" + names.map { #"{"id":\#($0),"v":1}"# }.joined(separator: ",") + "]"
        guard isThorough else { return [("", route.path.hasSuffix("write") ? writes : reads)] }
        return [
            ("", ""), ("", reads), ("", writes), ("", "[]"), ("", #"{"id":"Simulator.T2.5S","v":1}"#),
            ("", "[" + repeatElement("\"a\"", count: 21).joined(separator: ",") + "]"),
            ("", String(repeating: " ", count: 5000)),
        ]
    }

    /// What needs more than a request: too many streams, and none of the tags.
    private static func streams(_ recorded: RecordedAnswers) async throws {
        var options = try Fixture.options()
        options.limits.streams = 1
        try await Fixture.run(options) { fixture in
            let client = try await StreamClient(fixture.address, ["Simulator.T2.5S"])
            try recorded.add("plain", "GET", "/iotgateway/stream", .init(head: client.head))
            for method in ["GET", "HEAD"] {
                for (ids, caller) in [("Simulator.T2.5S", Fixture.admin), ("Secret.PLC.Key", Fixture.viewer)] {
                    let reply = try await fixture.ask(method, StreamClient.target([ids]), [caller])
                    #expect(reply.status == 503)
                    try recorded.add("plain", method, "/iotgateway/stream", reply)
                }
            }
            withExtendedLifetime(client) {}
        }
        try await Fixture.run { fixture in
            for method in ["GET", "HEAD"] {
                let reply = try await fixture.ask(method, StreamClient.target(["Secret.PLC.Key"]), [Fixture.viewer])
                #expect(reply.status == 403)
                try recorded.add("plain", method, "/iotgateway/stream", reply)
            }
        }
    }

    /// OPTIONS that is no preflight takes a login, and who failed too often waits.
    private static func slowedDown(_ document: String, _ fixture: Fixture, _ recorded: RecordedAnswers) async throws {
        for number in 0..<40 {
            // The same wrong one again would count once.
            let login = "Authorization: Basic " + Fixture.base64("viewer:wrong words \(number)")
            let reply = try await fixture.ask("OPTIONS", "/iotgateway/read", [login])
            try recorded.add(document, "OPTIONS", "/iotgateway/read", reply)
            if reply.status == 429 { return }
        }
        Issue.record("nobody is slowed down")
    }

    /// A listener whose certificate ends in two days.
    private static func warning(_ recorded: RecordedAnswers) async throws {
        try await Fixture.run(tls: try SelfSigned.configuration()) { fixture in
            let request = Fixture.request("GET", "/readyz", ["Connection: close"])
            let reply = RawConnection.Response(try await TLSConnection.ask(fixture.address, request))
            #expect(reply.status == 200 && reply.body.contains(#""warnings":["#), "\(reply)")
            try recorded.add("plain", "GET", "/readyz", reply)
        }
    }

    private static func malformed(_ document: String, _ fixture: Fixture, _ recorded: RecordedAnswers) async throws {
        for request in MalformedRequest.inDoubt + MalformedRequest.refused {
            let connection = try RawConnection(fixture.address)
            try? await connection.send(request.bytes + Array(MalformedRequest.smuggled.utf8))
            connection.finishSending()
            let words = request.text.split(separator: "\r\n", maxSplits: 1).first?.split(separator: " ") ?? []
            let method = words.first.map(String.init) ?? ""
            guard let reply = try? await connection.response(bodyless: method == "HEAD") else {
                Issue.record("no answer to \(request.what)")
                continue
            }
            let target = words.count > 1 ? words[1] : ""
            let path = target.hasPrefix("/") ? String(target.prefix { $0 != "?" }) : ""
            try recorded.add(document, method, path, reply)
        }
    }
}
