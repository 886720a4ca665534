import Foundation
import Glibc
import Outbox
import RESTClientAgent
import TLS
import TestPeers
import Testing

/// nginx as an endpoint: certificates, HTTP/2, its limit of a body.
@Suite(
    "An endpoint over TLS", .serialized, .timeLimit(.minutes(3)),
    .enabled(if: access("/usr/sbin/nginx", X_OK) == 0, "apt-get install nginx; deploy/test does it"))
struct EndpointTLSTests {
    /// An nginx of the test's own, which answers 204 and writes a line for each request.
    private struct Nginx {
        let directory: TemporaryDirectory
        let port: Int
        let server: DemoAuthority.Identity
        var authority: DemoAuthority

        init(
            _ authority: DemoAuthority, server: DemoAuthority.Identity, isHTTP2: Bool = true, clientsOf: String? = nil,
            more: String = ""
        ) throws {
            directory = try TemporaryDirectory()
            port = try freePort()
            self.server = server
            self.authority = authority
            let names = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            let paths = names.map { "\($0)_temp_path \(directory.file("nginx-\($0)"));" }
            let clients = clientsOf.map { "ssl_client_certificate \($0); ssl_verify_client on;" }
            try directory.write(
                """
                \(geteuid() == 0 ? "user root;" : "")
                daemon off;
                worker_processes 1;
                pid \(directory.file("nginx.pid"));
                error_log stderr notice;
                events { worker_connections 64; }
                http {
                    log_format line '$server_protocol $request_method $status $http_sallyport_sequence/'
                        '$http_sallyport_offset $ssl_protocol $ssl_client_s_dn';
                    access_log \(directory.file("access.log")) line;
                    \(paths.joined(separator: "\n    "))
                    server {
                        listen 127.0.0.1:\(port) ssl\(isHTTP2 ? " http2" : "");
                        ssl_certificate \(server.certificateFile);
                        ssl_certificate_key \(server.keyFile);
                        ssl_protocols TLSv1.2 TLSv1.3;
                        \(clients ?? "")
                        \(more)
                        location / { return 204; }
                    }
                }
                """, to: "nginx.conf")
        }

        func run<Outcome: Sendable>(_ body: () async throws -> Outcome) async throws -> Outcome {
            try await withPeerProcess(
                "nginx", ["-e", "stderr", "-c", directory.file("nginx.conf")],
                isReady: { $0.contains("start worker process ") }
            ) { _, _ in try await body() }
        }

        var requests: [String] {
            let bytes = try? Data(contentsOf: URL(filePath: directory.file("access.log")))
            return bytes.map { String(decoding: $0, as: UTF8.self).split(separator: "\n").map(String.init) } ?? []
        }

        func endpoint(_ options: inout RESTClientAgentOptions) {
            options.endpoint = EndpointURL(host: "localhost", port: UInt16(port), usesTLS: true)
            options.tls.caFile = authority.certificateFile
        }
    }

    @Test(arguments: [true, false])
    func theNewestHTTP(isHTTP2: Bool) async throws {
        let authority = try await DemoAuthority()
        let nginx = try Nginx(authority, server: try await authority.issue("historian"), isHTTP2: isHTTP2)
        let bench = try EndpointBench()
        try await nginx.run {
            try await bench.running(nginx.endpoint) { agent, queue in
                queue.add(1...50)
                try await agent.wait(forDelivered: 50)
                #expect(agent.status.httpVersion == (isHTTP2 ? "2" : "1.1") && agent.status.connections == 1)
            }
        }
        let version = isHTTP2 ? "HTTP/2.0" : "HTTP/1.1"
        #expect(nginx.requests == (1...50).map { "\(version) POST 204 \($0)/0 TLSv1.3 -" })
    }

    @Test func severalAtOnceShareAConnectionOfHTTP2() async throws {
        let authority = try await DemoAuthority()
        let nginx = try Nginx(authority, server: try await authority.issue("historian"))
        let bench = try EndpointBench()
        try await nginx.run {
            try await bench.running {
                nginx.endpoint(&$0)
                $0.delivery = .unordered(inFlight: 16)
            } _: { agent, queue in
                queue.add(1...200)
                try await agent.wait(forDelivered: 200)
                #expect(agent.status.httpVersion == "2" && agent.status.connections == 1)
            }
        }
        #expect(nginx.requests.count == 200)
    }

    @Test("39: a proxy's limit of a body: sent in parts", arguments: [true, false])
    func tooLarge(isHTTP2: Bool) async throws {
        let authority = try await DemoAuthority()
        let nginx = try Nginx(
            authority, server: try await authority.issue("historian"), isHTTP2: isHTTP2,
            more: "client_max_body_size 1m;")
        let bench = try EndpointBench()
        try await nginx.run {
            try await bench.running(nginx.endpoint) { agent, queue in
                queue.add(1...250_000, inEach: 250_000)
                queue.add(1...1)
                try await agent.wait { $0.queue.messages == 0 && $0.delivered > 3 }
                #expect(agent.status.events == 250_001 && agent.status.refused == 0)
            }
        }
    }

    enum Fault: String, CaseIterable {
        case expired
        case wrongHost
        case wrongAuthority
    }

    @Test("21: nothing goes to an endpoint with a wrong certificate; a mend is enough", arguments: Fault.allCases)
    func wrong(_ fault: Fault) async throws {
        let authority = try await DemoAuthority(), other = try await DemoAuthority(name: "Other CA")
        let good = try await authority.issue("historian")
        let (bad, reason) =
            switch fault {
            case .expired: (try await authority.issue("historian", days: -1), "certificate has expired on ")
            case .wrongHost:
                (
                    try await authority.issue("historian", names: ["DNS:elsewhere.example"]),
                    "host name mismatch: certificate is for elsewhere.example; asked for localhost"
                )
            case .wrongAuthority:
                (try await other.issue("historian"), "unknown authority: certificate comes from CN = Other CA")
            }
        let nginx = try Nginx(authority, server: bad)
        let bench = try EndpointBench()
        try await bench.running(nginx.endpoint) { agent, queue in
            queue.add(1...2)
            try await nginx.run {
                try await agent.wait { $0.lastError?.contains(reason) == true && $0.requests > 1 }
                #expect(nginx.requests.isEmpty && agent.status.delivered == 0)
            }
            for (from, to) in [(good.certificateFile, bad.certificateFile), (good.keyFile, bad.keyFile)] {
                try Data(contentsOf: URL(filePath: from)).write(to: URL(filePath: to))
            }
            try await nginx.run {
                try await agent.wait(within: .seconds(5)) { $0.delivered == 2 && $0.lastError == nil }
            }
        }
        #expect(bench.lines.count("does not take messages") <= 2)
    }

    @Test func aClientCertificateAndItsRotation() async throws {
        let authority = try await DemoAuthority()
        let first = try await authority.issue("gateway", names: [], usage: .client)
        let second = try await authority.issue("gateway2", names: [], usage: .client)
        let nginx = try Nginx(
            authority, server: try await authority.issue("historian"), clientsOf: authority.certificateFile)
        let bench = try EndpointBench()
        try await nginx.run {
            // nginx lets the handshake pass and answers 400.
            try await bench.running(nginx.endpoint) { agent, queue in
                queue.add(1...1)
                try await agent.wait { $0.lastError?.contains("(400)") == true }
            }
            try await bench.running {
                nginx.endpoint(&$0)
                $0.tls.identity = TLSIdentityOptions(
                    name: "gateway", certificateFile: first.certificateFile, keyFile: first.keyFile)
            } _: { agent, queue in
                try await agent.wait(forDelivered: 1)
                for (from, to) in [
                    (second.certificateFile, first.certificateFile), (second.keyFile, first.keyFile),
                ] {
                    try Data(contentsOf: URL(filePath: from)).write(to: URL(filePath: to))
                }
                agent.reconnect()
                queue.add(2...2)
                try await agent.wait(forDelivered: 2)
                #expect(agent.status.connections == 2)
            }
        }
        #expect(nginx.requests.filter { $0.contains(" 204 ") }.map { $0.suffix(11) } == [" CN=gateway", "CN=gateway2"])
    }

    @Test func aMissingFileIsToldAndMended() async throws {
        let authority = try await DemoAuthority()
        let nginx = try Nginx(authority, server: try await authority.issue("historian"))
        let bench = try EndpointBench()
        let path = nginx.directory.file("ca.pem")
        try await nginx.run {
            try await bench.running {
                nginx.endpoint(&$0)
                $0.tls.caFile = path
            } _: { agent, queue in
                queue.add(1...1)
                try await agent.wait { $0.lastError?.contains(path) == true }
                try Data(contentsOf: URL(filePath: authority.certificateFile)).write(to: URL(filePath: path))
                try await agent.wait(within: .seconds(6)) { $0.delivered == 1 && $0.lastError == nil }
            }
        }
    }
}
