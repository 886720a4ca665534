import NIOCore
import NIOHTTP1
import NIOSSL
import SecurityPolicy
import TLS
import TestPeers
import Testing

@testable import RESTServerAgent

/// Real certificates over real TLS.
@Suite("Login by client certificate", .timeLimit(.minutes(5)))
struct ClientCertificateTests {
    private static let map: [ClientCertificateOptions.Mapping] = [
        .init(key: .subject("CN=viewer,O=Plant"), identity: .user("viewer")),
        .init(key: .alternativeName("SCADA.plant.example"), identity: .group("viewers")),
        .init(key: .alternativeName("10.9.8.7"), identity: .group("gone")),
        .init(key: .alternativeName("urn:plant:ghost"), identity: .user("ghost")),
    ]

    private static func options(_ mode: ClientCertificateOptions.Mode) throws -> RESTServerAgentOptions {
        var options = try Fixture.options()
        options.https = true
        options.clientCertificates = ClientCertificateOptions(mode: mode, caFile: "x", map: map)
        return options
    }

    private static let target = "/iotgateway/read?ids=Simulator.T2.5S"

    private static func read(
        _ fixture: Fixture, _ identity: DemoAuthority.Identity?, _ headers: [String] = []
    ) async throws -> String {
        try await TLSConnection.ask(
            fixture.address, Fixture.request("GET", target, headers + ["Connection: close"]), as: identity)
    }

    @Test(arguments: [ClientCertificateOptions.Mode.optional, .required])
    func whoIsLetIn(_ mode: ClientCertificateOptions.Mode) async throws {
        let certificates = try await ServerCertificates()
        let authority = certificates.clients
        let viewer = try await authority.issue("viewer", organization: "Plant", names: [], usage: .client)
        let scada = try await authority.issue("x", names: ["DNS:scada.PLANT.example"], usage: .client)
        let revoked = try await authority.issue("x", names: ["IP:10.9.8.7"], usage: .client)
        let ghost = try await authority.issue("x", names: ["URI:urn:plant:ghost"], usage: .client)
        let stranger = try await authority.issue("viewer", names: ["DNS:a.scada.plant.example"], usage: .client)
        let expired = try await authority.issue(
            "viewer", organization: "Plant", names: [], usage: .client, days: -1)
        let server = try await authority.issue("viewer", organization: "Plant", names: [], usage: .server)
        let other = try await certificates.server.issue("viewer", organization: "Plant", names: [], usage: .client)
        let tls = try certificates.configuration(isRequired: mode == .required)
        try await Fixture.run(try Self.options(mode), tls: tls) { fixture in
            // A user and a group.
            for identity in [viewer, scada] {
                let reply = try await Self.read(fixture, identity)
                #expect(reply.hasPrefix("HTTP/1.1 200 ") && reply.contains("\"s\":true"), "\(reply)")
            }
            // Over TLS 1.2 the certificate comes at another place of the handshake.
            let older = try await TLSConnection.ask(
                fixture.address, Fixture.request("GET", Self.target, ["Connection: close"]), as: viewer,
                maximum: .tlsv12)
            #expect(older.contains("\"s\":true"), "\(older)")
            // A group that has no rules any more sees nothing.
            let nothing = try await Self.read(fixture, revoked)
            #expect(nothing.hasPrefix("HTTP/1.1 200 ") && nothing.contains("unknown tag"))
            // A user that does not exist.
            #expect(try await Self.read(fixture, ghost).hasPrefix("HTTP/1.1 401 "))
            // A good certificate that nothing fits: none at all, or refused.
            let unmapped = try await Self.read(fixture, stranger)
            #expect(unmapped.hasPrefix(mode == .required ? "HTTP/1.1 403 " : "HTTP/1.1 401 "), "\(unmapped)")
            let both = try await Self.read(fixture, stranger, [Fixture.viewer])
            #expect(both.hasPrefix(mode == .required ? "HTTP/1.1 403 " : "HTTP/1.1 200 "), "\(both)")
            // The handshake fails.
            for identity in [expired, server, other] {
                await #expect(throws: (any Error).self) { try await Self.read(fixture, identity) }
            }
            // Who it was and why stands in the audit log, of the same name once.
            let refused = try await fixture.entries { $0.object == "CN=viewer,O=Plant" && $0.outcome == "refused" }
            #expect(refused.first?.reason.hasPrefix("certificate has expired on ") == true)
            // A header wins, and a wrong one is not overlooked.
            let admin = try await Self.read(fixture, viewer, [Fixture.admin])
            #expect(admin.contains("\"s\":true"))
            let wrong = try await Self.read(fixture, viewer, [AuthenticationTests.basic("viewer:wrong wrong wrong")])
            #expect(wrong.hasPrefix("HTTP/1.1 401 "))
            // Without a certificate.
            if mode == .required {
                await #expect(throws: (any Error).self) { try await Self.read(fixture, nil, [Fixture.viewer]) }
            } else {
                #expect(try await Self.read(fixture, nil).hasPrefix("HTTP/1.1 401 "))
                #expect(try await Self.read(fixture, nil, [Fixture.viewer]).hasPrefix("HTTP/1.1 200 "))
            }
            // A change takes effect on the next request.
            try await fixture.users.disable(name: "viewer")
            #expect(try await Self.read(fixture, viewer).hasPrefix("HTTP/1.1 401 "))
            try await fixture.users.enable(name: "viewer")
            #expect(try await Self.read(fixture, viewer).hasPrefix("HTTP/1.1 200 "))
        }
    }

    /// A client may send its request before its certificate is judged, which takes a thread's turn: nothing of it is read
    /// for the moment, and none of it is lost.
    @Test(arguments: [1 << 10, 400 << 10])
    func aRequestRightBehindTheHandshake(_ size: Int) async throws {
        let certificates = try await ServerCertificates()
        let viewer = try await certificates.clients.issue("viewer", organization: "Plant", names: [], usage: .client)
        let tls = try certificates.configuration(isRequired: true)
        let body = "[\"Simulator.T2.5S\"" + String(repeating: " ", count: size) + "]"
        try await Fixture.run(try Self.options(.required), tls: tls) { fixture in
            for _ in 0..<20 {
                let reply = try await TLSConnection.ask(
                    fixture.address, Fixture.request("POST", "/iotgateway/read", ["Connection: close"], body: body),
                    as: viewer)
                #expect(reply.hasPrefix("HTTP/1.1 200 ") && reply.contains("\"s\":true"), "\(reply)")
            }
        }
    }

    /// The same on a connection that stays open.
    @Test func aDisabledUserIsRefusedOnAnOpenConnection() async throws {
        let certificates = try await ServerCertificates()
        let viewer = try await certificates.clients.issue("viewer", organization: "Plant", names: [], usage: .client)
        let tls = try certificates.configuration(isRequired: true)
        try await Fixture.run(try Self.options(.required), tls: tls) { fixture in
            let peer = Peer(ClientAddress("127.0.0.1"))
            let chain = try NIOSSLCertificate.fromPEMFile(viewer.certificateFile)
            let responder = fixture.responder(try Self.options(.required))
            peer.show(responder.examine(chain[0], of: peer))
            var login: Responder.Login?
            let request = ServerRequest(
                method: .GET, target: Self.target, fields: RequestFields([:]), body: ByteBuffer(), keepsAlive: true)
            #expect(await responder.respond(to: request, from: peer, login: &login).status == .ok)
            try await fixture.users.disable(name: "viewer")
            #expect(await responder.respond(to: request, from: peer, login: &login).status == .unauthorized)
            try await fixture.users.enable(name: "viewer")
            #expect(await responder.respond(to: request, from: peer, login: &login).status == .ok)
            try await fixture.users.setGroups(of: "viewer", to: ["nothing"])
            let reply = await responder.respond(to: request, from: peer, login: &login)
            #expect(String(decoding: reply.body, as: UTF8.self).contains("unknown tag"))
        }
    }

    /// A session that is resumed is not judged again: it ends with the authorities and lists that it was judged by.
    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func aRevokedCertificateResumesNothing(_ version: String) async throws {
        let certificates = try await ServerCertificates()
        let viewer = try await certificates.clients.issue("viewer", organization: "Plant", names: [], usage: .client)
        let folder = try TemporaryDirectory()
        let list = try await certificates.clients.revocationList(of: viewer, in: folder)
        let tls = try certificates.configuration(isRequired: true)
        try await Fixture.run(try Self.options(.required), tls: tls) { fixture in
            let session = folder.file("session")
            func ask(_ what: String) async throws -> String {
                try await Self.askAgain(fixture, viewer, "\(version) \(what) \(session)")
            }
            let new = try await ask("-sess_out")
            #expect(new.contains("New, TLSv") && new.contains("\"s\":true"), "\(new)")
            let resumed = try await ask("-sess_in")
            #expect(resumed.contains("Reused, TLSv") && resumed.contains("\"s\":true"), "\(resumed)")
            let trust = try ClientTrust.load(
                caFile: certificates.clients.certificateFile, revocationFile: list, isRequired: true)
            fixture.agent.reload(
                tls: try ServerTLS(identity: certificates.identity, clients: trust), endsConnections: true)
            let revoked = try await ask("-sess_in")
            #expect(!revoked.contains("Reused, TLSv") && !revoked.contains("HTTP/1.1"), "\(revoked)")
            let refused = try await fixture.entries { $0.outcome == "refused" }
            #expect(refused.contains { $0.reason.contains("was revoked on ") })
        }
    }

    /// Nor does one whose revocation list has ended since, though no file has changed.
    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func nothingIsResumedBehindAListThatHasExpired(_ version: String) async throws {
        let certificates = try await ServerCertificates()
        let viewer = try await certificates.clients.issue("viewer", organization: "Plant", names: [], usage: .client)
        let folder = try TemporaryDirectory()
        let made = ContinuousClock.now
        let list = try await certificates.clients.revocationList(of: nil, in: folder, lasting: 6)
        let trust = try ClientTrust.load(
            caFile: certificates.clients.certificateFile, revocationFile: list, isRequired: true)
        let tls = try ServerTLS(identity: certificates.identity, clients: trust)
        try await Fixture.run(try Self.options(.required), tls: tls) { fixture in
            let session = folder.file("session")
            func ask(_ what: String) async throws -> String {
                try await Self.askAgain(fixture, viewer, "\(version) \(what) \(session)")
            }
            let new = try await ask("-sess_out")
            #expect(new.contains("New, TLSv") && new.contains("\"s\":true"), "\(new)")
            // The end of the list is a point in time, which nothing announces.
            try await Task.sleep(until: made + .seconds(8))
            let resumed = try await ask("-sess_in")
            #expect(!resumed.contains("HTTP/1.1"), "\(resumed)")
            let refused = try await fixture.entries { $0.outcome == "refused" }
            #expect(refused.contains { $0.reason.contains("the revocation list of ") }, "\(refused)")
        }
    }

    /// One request by `openssl s_client`, which keeps and resumes sessions.
    private static func askAgain(
        _ fixture: Fixture, _ identity: DemoAuthority.Identity, _ options: String
    ) async throws -> String {
        let request = "GET \(target) HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n"
        let client =
            "printf '\(request)' | openssl s_client -connect 127.0.0.1:\(fixture.address.port ?? 0) "
            + "-cert \(identity.certificateFile) -key \(identity.keyFile) -ign_eof"
        return try await runCommand("sh", ["-c", "\(client) \(options) 2>&1 || true"])
    }

    /// On a connection that has outlived the certificate no password helps where a certificate is required.
    @Test(arguments: [ClientCertificateOptions.Mode.optional, .required])
    func anExpiredCertificateAndAPassword(_ mode: ClientCertificateOptions.Mode) async throws {
        let certificates = try await ServerCertificates()
        let viewer = try await certificates.clients.issue(
            "viewer", organization: "Plant", names: [], usage: .client, days: -1)
        let chain = try NIOSSLCertificate.fromPEMFile(viewer.certificateFile)
        let tls = try certificates.configuration(isRequired: mode == .required)
        try await Fixture.run(try Self.options(mode), tls: tls) { fixture in
            let responder = fixture.responder(try Self.options(mode))
            let peer = Peer(ClientAddress("127.0.0.1"))
            peer.show(responder.examine(chain[0], of: peer))
            var login: Responder.Login?
            for (header, status) in [
                ([], Status.unauthorized), ([Fixture.admin], mode == .required ? .unauthorized : .ok),
            ] {
                var headers = HTTPHeaders()
                for field in header { headers.add(name: "Authorization", value: String(field.dropFirst(15))) }
                let request = ServerRequest(
                    method: .GET, target: Self.target, fields: RequestFields(headers), body: ByteBuffer(),
                    keepsAlive: true)
                #expect(await responder.respond(to: request, from: peer, login: &login).status == status)
            }
            // The same for a stream that goes on.
            _ = await fixture.verifier.verify(user: "admin", password: Fixture.password, client: "127.0.0.1")
            let receipt = try #require(fixture.verifier.receipt(user: "admin", password: Fixture.password))
            var subscriber = Subscriber(
                .read, responder, from: peer.address, on: .receipt(receipt, on: peer))
            let isThere = (try? subscriber.principal()) != nil
            #expect(isThere == (mode == .optional))
        }
    }

    /// Nobody becomes anonymous whose certificate names a user that is not let in.
    @Test func wrongIsNotAnonymous() async throws {
        let certificates = try await ServerCertificates()
        let ghost = try await certificates.clients.issue("x", names: ["URI:urn:plant:ghost"], usage: .client)
        let stranger = try await certificates.clients.issue("y", names: [], usage: .client)
        var options = try Self.options(.optional)
        options.anonymous = true
        let anonymous = options
        let tls = try certificates.configuration(isRequired: false)
        try await Fixture.run(anonymous, tls: tls) { fixture in
            let refused = try await Self.read(fixture, ghost)
            #expect(refused.hasPrefix("HTTP/1.1 401 "))
            for identity in [stranger, nil] {
                let reply = try await Self.read(fixture, identity)
                #expect(reply.hasPrefix("HTTP/1.1 200 ") && reply.contains("unknown tag"))
            }
        }
    }
}
