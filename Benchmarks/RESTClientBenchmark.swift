import Glibc
import Outbox
import Publishing
import RESTClientAgent
import TLS
import TagStore

/// A backlog through the REST client agent, one request after the other, against a C program over libcurl that posts as
/// many payloads of the same bytes with the same headers over one handle to the same nginx.
struct RESTClientBenchmark {
    private static let agent = "rest"

    /// What is posted.
    private struct Load: Sendable {
        let name: String
        let bytes: Int
        let events: Int
        let count: Int
    }

    private struct Server: Sendable {
        let httpPort: Int
        let httpsPort: Int

        func endpoint(_ isSecure: Bool) -> EndpointURL {
            EndpointURL(
                host: "127.0.0.1", port: UInt16(isSecure ? httpsPort : httpPort), usesTLS: isSecure, target: "/events")
        }
    }

    private let options: BenchmarkOptions
    private let disk: Disk
    private let peers: String
    private let work: String

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        self.options = options
        disk = try Disk(options)
        peers = try options.need(options.peers, "--peers")
        work = try options.need(options.work, "--work")
    }

    func run(into table: inout ResultTable) throws {
        try disk.tell("rest-client", into: &table)
        let ports = try freePorts(2)
        let server = Server(httpPort: ports[0], httpsPort: ports[1])
        let nginx = try startNginx(server)
        defer { nginx.stop() }
        let loads = [
            Load(name: "1 KiB", bytes: 1024, events: 14, count: options.scaled(20_000)),
            Load(name: "70 KB", bytes: 70_000, events: 1000, count: options.scaled(4000)),
        ]
        for load in loads {
            for isSecure in [false, true] { try compare(load, server, isSecure, into: &table) }
        }
    }

    private func compare(_ load: Load, _ server: Server, _ isSecure: Bool, into table: inout ResultTable) throws {
        var rates = Pairs()
        var processor = Pairs()
        for _ in 0..<options.rounds {
            let ours = try ours(load, server.endpoint(isSecure))
            let peer = try peer(load, server.endpoint(isSecure))
            rates.add(ours: Double(load.count) / ours.seconds, theirs: try peer.need("rate"))
            processor.add(
                ours: ours.processor / Double(load.count) * 1e6,
                theirs: try peer.need("processor") / Double(load.count) * 1e6)
        }
        let name = "rest-client: \(load.name), \(isSecure ? "https" : "http")"
        table.add(
            name, "\(rates.ours.median.text(0)) posts/s", target: "≥ 0.8 of C", ratio: rates.text("C", "posts/s"),
            isMet: rates.ratio >= 0.8)
        table.add(
            "\(name), processor", "\(processor.ours.median.text(1)) µs a post",
            ratio: processor.text("C", "µs", digits: 1))
    }

    private func ours(_ load: Load, _ endpoint: EndpointURL) throws -> Delivery {
        let directory = try disk.empty("posts")
        let authority = "\(work)/ca.pem"
        let delivery = try waiting {
            try await Outbox.backlog(
                RESTClientBenchmark.agent, at: directory, bytes: load.bytes, events: load.events, load.count)
            let outbox = try await Outbox.open(at: directory)
            let queue = try await outbox.benchmarkQueue(RESTClientBenchmark.agent)
            let agent = RESTClientAgent(
                options: RESTClientAgentOptions(
                    gateway: "load", name: RESTClientBenchmark.agent, endpoint: endpoint,
                    tls: TLSClientOptions(caFile: authority)),
                items: [], store: TagStore(), queue: queue, logger: .silent)
            let delivery = try await Delivery(of: load.count, from: queue, status: { "\(agent.status)" }) {
                try await agent.run()
            } end: {
                await outbox.close()
            }
            let connections = agent.status.connections
            guard connections == 1 else { throw BenchmarkError("the agent made \(connections) connections") }
            return delivery
        }
        try disk.remove("posts")
        return delivery
    }

    private func peer(_ load: Load, _ endpoint: EndpointURL) throws -> Figures {
        // As long as those of a message in the middle.
        let epoch = "0123456789abcdef0123456789abcdef"
        let sequence = load.count / 2
        let headers = [
            "Expect:", "Content-Type: application/json", "sallyport-gateway: load",
            "sallyport-agent: \(RESTClientBenchmark.agent)", "sallyport-epoch: \(epoch)",
            "sallyport-sequence: \(sequence)", "sallyport-offset: 0", "sallyport-events: \(load.events)",
            "Idempotency-Key: \(epoch)-\(RESTClientBenchmark.agent)-\(sequence)-0",
        ]
        let said = try Child.run(
            "the C loop rest-client",
            ["\(peers)/rest-client", endpoint.absolute, "\(work)/ca.pem", "\(load.count)", "\(load.bytes)"] + headers,
            output: "\(work)/rest-client.log")
        return Figures(said, line: "rate=")
    }

    /// nginx answers a `return` before it has read the body. What it hands on it has read whole; here that is an empty
    /// request to itself over a socket, the same for both sides.
    private func startNginx(_ server: Server) throws -> Child {
        try writeFile(
            "\(work)/posts.conf",
            """
            daemon off;
            \(geteuid() == 0 ? "user root;" : "")
            worker_processes 1;
            pid \(work)/posts.pid;
            error_log \(work)/posts.log;
            events { worker_connections 1024; }
            http {
              access_log off;
              keepalive_requests 1000000000;
              keepalive_timeout 3600;
              client_max_body_size 1m;
              client_body_buffer_size 128k;
              client_body_temp_path \(work)/posts-body;
              proxy_temp_path \(work)/posts-proxy;
              fastcgi_temp_path \(work)/posts-fastcgi;
              uwsgi_temp_path \(work)/posts-uwsgi;
              scgi_temp_path \(work)/posts-scgi;
              ssl_certificate \(work)/tls/server.pem;
              ssl_certificate_key \(work)/tls/server.key;
              ssl_protocols TLSv1.2 TLSv1.3;
              upstream inner {
                server unix:\(work)/posts.socket;
                keepalive 4;
                keepalive_requests 1000000000;
              }
              server {
                listen unix:\(work)/posts.socket;
                location / { return 204; }
              }
              server {
                listen 127.0.0.1:\(server.httpPort);
                listen 127.0.0.1:\(server.httpsPort) ssl;
                location = /events {
                  proxy_pass http://inner;
                  proxy_http_version 1.1;
                  proxy_set_header Connection "";
                  proxy_set_header Content-Length "";
                  proxy_pass_request_body off;
                }
              }
            }

            """)
        let child = try Child(
            "nginx", ["nginx", "-p", work, "-e", "\(work)/posts.log", "-c", "\(work)/posts.conf"],
            output: "\(work)/posts.out")
        let watch = Stopwatch()
        while access("\(work)/posts.pid", F_OK) != 0 {
            guard watch.seconds < 10 else {
                throw BenchmarkError("nginx did not start: \(try readFile(child.output))")
            }
            usleep(20_000)
        }
        return child
    }
}
