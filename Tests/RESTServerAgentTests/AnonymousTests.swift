import SecurityPolicy
import Tags
import Testing

@testable import RESTServerAgent

@Suite("Who does not log in", .timeLimit(.minutes(2)))
struct AnonymousTests {
    private static func options() throws -> RESTServerAgentOptions {
        var options = try Fixture.options()
        options.anonymous = true
        return options
    }

    private static func allow(_ fixture: Fixture) throws {
        let rule = PermissionRule(tags: try TagPattern("Simulator.T2.5S"), actions: [.browse, .read])
        fixture.policy.replace(
            PolicySnapshot(groups: try Fixture.groups() + [GroupOptions(name: "Anonymous", allow: [rule])]))
    }

    @Test func seesNothingUntilItsGroupHasRules() async throws {
        try await Fixture.run(try Self.options()) { fixture in
            let target = "/iotgateway/read?ids=Simulator.T2.5S&ids=Simulator.T2.K0&ids=Secret.PLC.Key"
            let empty = try await fixture.ask("GET", "/iotgateway/browse", [])
            #expect(empty.status == 200 && empty.body.hasPrefix("{\"browseResults\":[],"))
            try Self.allow(fixture)
            let browse = try await fixture.ask("GET", "/iotgateway/browse", [])
            #expect(browse.body.hasPrefix("{\"browseResults\":[{\"id\":\"Simulator.T2.5S\"}],"))
            let read = try await fixture.ask("GET", target, [])
            #expect(read.body.components(of: "\"s\":true") == 1)
            let post = try await fixture.ask("POST", "/iotgateway/read", [], body: "[\"Simulator.T2.5S\"]")
            #expect(post.status == 200 && post.body.contains("\"s\":true"))
            try await fixture.expect(404, "GET", "/nowhere", [])
            try await fixture.expect(403, "POST", "/iotgateway/write", [], body: "[]")
            // Who logs in is somebody else.
            let viewer = try await fixture.ask("GET", target, [Fixture.viewer])
            #expect(viewer.body.components(of: "\"s\":true") == 2)
        }
    }

    @Test(arguments: [
        AuthenticationTests.basic("viewer:wrong wrong wrong"), AuthenticationTests.basic("viewer:"),
        "Authorization: Bearer nobody-has-this", "Authorization: Digest x", "Authorization: ",
    ])
    func wrongCredentialsAreNotAnonymous(_ header: String) async throws {
        try await Fixture.run(try Self.options()) { fixture in
            try Self.allow(fixture)
            for (method, target, body) in [
                ("GET", "/iotgateway/browse", ""), ("GET", "/", ""), ("POST", "/iotgateway/read", "[]"),
            ] {
                let reply = try await fixture.ask(method, target, [header], body: body)
                #expect(reply.status == 401)
                #expect(reply.headers["www-authenticate"] == AuthenticationTests.challenge)
            }
        }
    }

    /// A browser asks for name and password only where it is refused.
    @Test func thePageOffersALogin() async throws {
        try await Fixture.run(try Self.options()) { fixture in
            let page = try await fixture.ask("GET", "/iotgateway", [])
            #expect(page.status == 200 && page.body.contains("href=\"/iotgateway?login\""))
            try await fixture.expect(401, "GET", "/iotgateway?login", [])
            try await fixture.expect(200, "GET", "/iotgateway?login", [Fixture.viewer])
        }
        try await Fixture.run { fixture in
            let page = try await fixture.ask("GET", "/iotgateway", [Fixture.viewer])
            #expect(page.status == 200 && !page.body.contains("login"))
        }
    }

    @Test func nobodyIsLetInWhileThereIsNoAdministrator() async throws {
        try await Fixture.run(try Self.options(), withUsers: false) { fixture in
            try await fixture.expect(503, "GET", "/iotgateway/browse", [])
            try await fixture.expect(503, "GET", "/", [])
        }
    }
}

extension String {
    /// How often another stands in it.
    func components(of other: String) -> Int { ranges(of: other).count }
}
