import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import Publishing
import SecurityPolicy
import TagStore
import Tags
import TestPeers
import Testing

@testable import RESTServerAgent

/// Every route × every way to ask × every verb × tags allowed, denied and outside the items. The routes come from the
/// agent's own table, and what is expected from the access that each declares and from the policy's decision: a new
/// route is tested as it comes, and one of a new kind does not compile here until somebody says what it may do.
@Suite("Who may do what: the matrix", .timeLimit(.minutes(5)))
struct AccessMatrixTests {
    /// A way to ask.
    struct Caller: Sendable {
        var name: String
        var headers: [(String, String)] = []
        /// From an address of its own, since failures of one slow another at the same down.
        var peer: Peer
        /// nil: not let in.
        var principal: Principal?
    }

    private static let verbs: [HTTPMethod] = [.GET, .HEAD, .POST, .PUT, .DELETE, .PATCH, .OPTIONS, .TRACE]

    private static func options(anonymous: Bool) throws -> RESTServerAgentOptions {
        var options = try Fixture.options()
        options.https = true
        options.anonymous = anonymous
        options.clientCertificates = ClientCertificateOptions(
            mode: .optional, caFile: "x",
            map: [
                .init(key: .subject("CN=viewer"), identity: .user("viewer")),
                .init(key: .subject("CN=off"), identity: .user("off")),
                .init(key: .subject("CN=scada"), identity: .group("viewers")),
            ])
        return options
    }

    private static func callers(_ fixture: Fixture, _ responder: Responder, anonymous: Bool) async throws -> [Caller] {
        let authority = try await DemoAuthority()
        var addresses = 0
        func peer() -> Peer {
            addresses += 1
            return Peer(ClientAddress("10.0.0.\(addresses)"))
        }
        func holder(of commonName: String) async throws -> Peer {
            let files = try await authority.issue(commonName, names: [], usage: .client)
            let peer = peer()
            peer.show(responder.examine(try NIOSSLCertificate.fromPEMFile(files.certificateFile)[0], of: peer))
            return peer
        }
        func basic(_ user: String, _ password: String = Fixture.password) -> [(String, String)] {
            [("Authorization", "Basic " + Fixture.base64("\(user):\(password)"))]
        }
        let token = try await fixture.users.createToken(name: "pump", groups: ["viewers"])
        let revoked = try await fixture.users.createToken(name: "old", groups: ["viewers"])
        try await fixture.users.revokeToken(name: "old")
        let viewer = try #require(fixture.users.user(named: "viewer")).principal
        let admin = try #require(fixture.users.user(named: "admin")).principal
        let nobody = anonymous ? Principal.anonymous : nil
        return [
            Caller(name: "nobody", peer: peer(), principal: nobody),
            Caller(name: "viewer", headers: basic("viewer"), peer: peer(), principal: viewer),
            Caller(name: "administrator", headers: basic("ADMIN"), peer: peer(), principal: admin),
            Caller(name: "disabled user", headers: basic("off"), peer: peer()),
            Caller(name: "unknown user", headers: basic("who"), peer: peer()),
            Caller(name: "wrong password", headers: basic("viewer", "wrong wrong wrong"), peer: peer()),
            Caller(
                name: "token", headers: [("Authorization", "Bearer " + token)], peer: peer(),
                principal: Principal(.token, name: "pump", groups: ["viewers"])),
            Caller(
                name: "revoked token", headers: [("Authorization", "Bearer " + revoked)], peer: peer()),
            Caller(name: "wrong token", headers: [("Authorization", "Bearer wrong")], peer: peer()),
            Caller(name: "two headers", headers: basic("viewer") + basic("viewer"), peer: peer()),
            Caller(name: "user's certificate", peer: try await holder(of: "viewer"), principal: viewer),
            Caller(
                name: "group's certificate", peer: try await holder(of: "scada"),
                principal: Principal(.certificate, name: "CN=scada", groups: ["viewers"])),
            Caller(name: "certificate of a disabled user", peer: try await holder(of: "off")),
            Caller(name: "unmapped certificate", peer: try await holder(of: "stranger"), principal: nobody),
            Caller(
                name: "certificate and a right password", headers: basic("admin"), peer: try await holder(of: "viewer"),
                principal: admin),
            Caller(
                name: "certificate and a wrong password", headers: basic("admin", "wrong wrong wrong"),
                peer: try await holder(of: "viewer")),
        ]
    }

    private static func groups() throws -> [GroupOptions] {
        func rule(_ pattern: String, _ actions: Set<TagAction>) throws -> PermissionRule {
            PermissionRule(tags: try TagPattern(pattern), actions: actions)
        }
        return try Fixture.groups() + [
            GroupOptions(
                name: "anonymous",
                allow: [
                    try rule("Simulator.T2.5S", [.browse, .read]), try rule("Simulator.T2.K0", [.browse]),
                    try rule("Outside.**", [.browse, .read, .write]),
                ])
        ]
    }

    @Test(arguments: [false, true])
    func everyRoute(_ anonymous: Bool) async throws {
        try await Fixture.run { fixture in
            fixture.policy.replace(PolicySnapshot(groups: try Self.groups()))
            try await fixture.users.add(name: "off", password: Fixture.password, groups: ["Administrators"])
            try await fixture.users.disable(name: "off")
            let options = try Self.options(anonymous: anonymous)
            let responder = fixture.responder(options)
            let callers = try await Self.callers(fixture, responder, anonymous: anonymous)
            #expect(responder.routes.count >= 8)
            for route in responder.routes {
                for caller in callers {
                    for verb in Self.verbs {
                        try await Self.check(route, verb, caller, fixture, responder, options)
                    }
                }
            }
        }
    }

    private static func check(
        _ route: Route, _ verb: HTTPMethod, _ caller: Caller, _ fixture: Fixture, _ responder: Responder,
        _ options: RESTServerAgentOptions
    ) async throws {
        let what: Comment = "\(verb) \(route.path) by \(caller.name)"
        let names = Fixture.tags.map(\.0) + ["Not.There.AtAll"]
        let reply = await ask(route, verb, caller, responder, names)
        let takes = route.methods.contains(verb) || verb == .HEAD && route.methods.contains(.GET)
        if case .open(let handle) = route.access {
            #expect(reply.status == (takes ? handle().status : .methodNotAllowed), what)
            return
        }
        guard let principal = caller.principal else {
            #expect(reply.status == .unauthorized, what)
            #expect(reply.headers.contains { $0.name.description == "WWW-Authenticate" }, what)
            return
        }
        guard takes else {
            #expect(reply.status == .methodNotAllowed, what)
            #expect(reply.headers.contains { $0.name.description == "Allow" && $0.value == route.allow }, what)
            return
        }
        let policy = fixture.policy.snapshot
        func isKnown(_ name: String) -> Bool {
            let tag = TagName(validated: name)
            return Fixture.tags.contains { $0.0 == name } && options.items.winner(for: tag)?.enabled == true
                && policy.decide(principal, .browse, tag).isAllowed
        }
        switch route.access {
        case .open: break
        case .signedIn: #expect(reply.status == .ok, what)
        case .gateway(let permission, _):
            #expect(reply.status == (policy.allows(permission, to: principal) ? .ok : .forbidden), what)
        case .tags(.browse, _):
            #expect(reply.status == .ok, what)
            let browsed = try results(reply, "browseResults").compactMap { $0["id"] as? String }
            #expect(browsed == names.filter(isKnown), what)
        case .tags(.read, _):
            #expect(reply.status == .ok, what)
            let read = try results(reply, "readResults")
            #expect(read.count == names.count, what)
            for (name, result) in zip(names, read) {
                let isRead = isKnown(name) && policy.decide(principal, .read, TagName(validated: name)).isAllowed
                let reason = result["r"] as? String ?? ""
                #expect((reason == "unknown tag") == !isKnown(name), "\(what) of \(name)")
                #expect((reason == "no permission to read") == (isKnown(name) && !isRead), "\(what) of \(name)")
            }
        case .tags(.write, _): Issue.record("writes go through the arbiter: \(route.path)")
        case .events(let action, _):
            #expect(action == .read, what)
            let isAnyRead = names.contains {
                isKnown($0) && policy.decide(principal, .read, TagName(validated: $0)).isAllowed
            }
            #expect(reply.status == (isAnyRead ? .ok : .forbidden), what)
            #expect((reply.stream != nil) == isAnyRead, what)
            guard let stream = reply.stream else { break }
            for (index, name) in names.enumerated() {
                let isRead = isKnown(name) && policy.decide(principal, .read, TagName(validated: name)).isAllowed
                #expect((stream.resolution.known[index] != nil) == isKnown(name), "\(what) of \(name)")
                #expect((stream.resolution.granted[index] != nil) == isRead, "\(what) of \(name)")
            }
        case .writes:
            // `write-endpoint` is false: for administrators too.
            #expect(reply.status == .forbidden, what)
        }
    }

    private static func ask(
        _ route: Route, _ verb: HTTPMethod, _ caller: Caller, _ responder: Responder, _ names: [String]
    ) async -> Reply {
        var target = route.path
        var body = ByteBuffer()
        let takesIDs =
            switch route.access {
            case .tags(.read, _), .events: true
            default: false
            }
        if takesIDs {
            if verb == .POST {
                body.writeString("[" + names.map { "\"\($0)\"" }.joined(separator: ",") + "]")
            } else {
                target +=
                    "?"
                    + names.map { "ids=" + $0.replacing("+", with: "%2B").replacing(" ", with: "%20") }
                    .joined(separator: "&")
            }
        }
        let request = ServerRequest(
            method: verb, target: target, fields: RequestFields(HTTPHeaders(caller.headers)), body: body,
            keepsAlive: true)
        var login: Responder.Login?
        // As the connection does: at once where it can be, else by waiting.
        if let reply = responder.respondAtOnce(to: request, from: caller.peer, login: &login) { return reply }
        return await responder.respond(to: request, from: caller.peer, login: &login)
    }

    private static func results(_ reply: Reply, _ key: String) throws -> [[String: Any]] {
        let json = try JSONSerialization.jsonObject(with: Data(reply.body)) as? [String: Any]
        return try #require(json?[key] as? [[String: Any]])
    }
}
