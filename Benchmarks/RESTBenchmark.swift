import Glibc

/// Reads of 1 tag and of 1000 tags over keep-alive, against nginx that gives the same bytes, over HTTP and HTTPS.
///
/// Each server has the first core for itself and `wrk` the last; they are measured in turn.
struct RESTBenchmark {
    private static let tags = 1000
    private static let connections = 16
    private static let oneTag = "/iotgateway/read?ids=Plant7.PLC12.Temperature1000"
    /// A second.
    private static let badLogins = 500

    private struct Server {
        let name: String
        let httpPort: Int
        let httpsPort: Int

        func url(_ isSecure: Bool, _ path: String) -> String {
            isSecure ? "https://127.0.0.1:\(httpsPort)\(path)" : "http://127.0.0.1:\(httpPort)\(path)"
        }
    }

    /// What is asked.
    private struct Reading {
        let tags: Int
        let path: String
        let script: String?
    }

    private let work: String
    private let sallyport: String
    private let peers: String
    private let seconds: Double

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        work = try options.need(options.work, "--work")
        sallyport = try options.need(options.sallyport, "--sallyport")
        peers = try options.need(options.peers, "--peers")
        seconds = max(1, options.seconds.rounded())
    }

    func run(into table: inout ResultTable) throws(BenchmarkError) {
        let ports = try freePorts(4)
        let ours = Server(name: "sallyport", httpPort: ports[0], httpsPort: ports[1])
        let nginx = Server(name: "nginx", httpPort: ports[2], httpsPort: ports[3])
        let password = String(UInt64.random(in: .min ... .max), radix: 36) + "-Benchmark-7"
        try writeGateway(ours)
        _ = try Child.run(
            "sallyport user add",
            [sallyport, "user", "add", "load", "--administrator", "--config", "\(work)/rest.yaml"],
            output: "\(work)/user.log", input: password + "\n")
        let gateway = try Child(
            "sallyport", ["taskset", "-c", "0", sallyport, "run", "--config", "\(work)/rest.yaml"],
            output: "\(work)/rest.log")
        defer { gateway.stop() }
        let credentials = "Authorization: Basic " + base64("load:\(password)")
        let names = (0..<RESTBenchmark.tags).map { "\"Plant7.PLC12.Temperature\($0 + 1000)\"" }
        let body = "[\(names.joined(separator: ","))]"
        let readings = [
            Reading(tags: 1, path: RESTBenchmark.oneTag, script: nil),
            Reading(tags: RESTBenchmark.tags, path: "/iotgateway/read", script: "\(work)/post.lua"),
        ]
        try writeFile(
            "\(work)/post.lua",
            """
            wrk.method = "POST"
            wrk.body = [==[\(body)]==]
            wrk.headers["Content-Type"] = "application/json"

            """)
        try writeFile("\(work)/ids.json", body)
        try awaitAnswer(of: gateway, ours, credentials)
        for reading in readings { try save(reading, ours, credentials) }
        try flood(ours, base64("load:\(password)"), into: &table)
        let server = try startNginx(nginx)
        defer { server.stop() }
        for reading in readings {
            for isSecure in [false, true] {
                try compare(reading, ours, nginx, isSecure, credentials, (gateway, server), into: &table)
            }
        }
    }

    private func compare(
        _ reading: Reading, _ ours: Server, _ nginx: Server, _ isSecure: Bool, _ credentials: String,
        _ processes: (Child, Child), into table: inout ResultTable
    ) throws(BenchmarkError) {
        var rates: (ours: [Double], nginx: [Double]) = ([], [])
        for _ in 0..<3 {
            rates.ours.append(try load(ours, reading, isSecure, credentials))
            rates.nginx.append(try load(nginx, reading, isSecure, credentials))
        }
        let (rate, other) = (rates.ours.median, rates.nginx.median)
        let name = "rest: \(reading.tags) tag\(reading.tags == 1 ? "" : "s"), \(isSecure ? "https" : "http")"
        let ratio = "\((rate / other).text(2)) of nginx (\(other.text(0))/s)"
        if reading.tags == 1 {
            table.add(
                name, "\(rate.text(0)) requests/s", target: "≥ 0.4 of nginx", ratio: ratio, isMet: rate >= 0.4 * other)
        } else {
            let tags = rate * Double(reading.tags)
            table.add(
                name, "\(tags.millions) tags/s", target: "≥ 1 M tags/s", ratio: ratio, isMet: tags >= 1_000_000)
        }
    }

    /// Requests a second.
    private func load(
        _ server: Server, _ reading: Reading, _ isSecure: Bool, _ credentials: String
    ) throws(BenchmarkError) -> Double {
        let last = max(0, sysconf(Int32(_SC_NPROCESSORS_ONLN)) - 1)
        let said = try Child.run(
            "wrk",
            [
                "taskset", "-c", "\(last)", "wrk", "-t1", "-c\(RESTBenchmark.connections)", "-d\(seconds.text(0))s",
                "-H", credentials,
            ] + (reading.script.map { ["-s", $0] } ?? []) + [server.url(isSecure, reading.path)],
            output: "\(work)/wrk.log")
        guard !said.contains("Non-2xx"), !said.contains("Socket errors"),
            let line = said.split(separator: "\n").first(where: { $0.hasPrefix("Requests/sec:") }),
            let rate = line.split(separator: " ").last.flatMap({ Double($0) })
        else { throw BenchmarkError("\(server.name) did not answer as it should: \(said)") }
        return rate
    }

    // MARK: Flood

    /// What clients notice of bad logins from elsewhere: eight read a tag over HTTPS, 400 times a second together.
    private func flood(
        _ ours: Server, _ credentials: String, into table: inout ResultTable
    ) throws(BenchmarkError) {
        var quiet: [Double] = []
        var flooded: [Double] = []
        var logins: [Double] = []
        for _ in 0..<5 {
            quiet.append(try readers(ours, credentials, flood: 0).p99)
            let beside = try readers(ours, credentials, flood: RESTBenchmark.badLogins)
            flooded.append(beside.p99)
            logins.append(beside.logins)
        }
        let (before, during) = (quiet.median, flooded.median)
        table.add(
            "rest: p99 beside \(logins.median.text(0)) bad logins/s", "\(during.text(0)) µs",
            target: "≤ 2 × quiet", ratio: "\((during / before).text(2)) of quiet (\(before.text(0)) µs)",
            isMet: during <= 2 * before && logins.median >= 0.95 * Double(RESTBenchmark.badLogins))
    }

    /// The time in µs that 99 of 100 reads took no longer than, and bad logins a second that were answered.
    private func readers(
        _ ours: Server, _ credentials: String, flood: Int
    ) throws(BenchmarkError) -> (p99: Double, logins: Double) {
        let said = try Child.run(
            "rest-clients",
            [
                "\(peers)/rest-clients", "\(ours.httpsPort)", RESTBenchmark.oneTag, credentials,
                max(5, seconds).text(0), "\(flood)",
            ], output: "\(work)/rest-clients.log")
        let figures = said.split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { Double($0) }
        guard figures.count == 6, figures[5] == 0 else {
            throw BenchmarkError("rest-clients did not do its work: \(said)")
        }
        return (figures[2], figures[4])
    }

    // MARK: Preparation

    /// The first login costs a scrypt hash; those after it are remembered.
    private func awaitAnswer(of gateway: Child, _ ours: Server, _ credentials: String) throws(BenchmarkError) {
        let watch = Stopwatch()
        while true {
            let said = try? Child.run(
                "curl", curl(ours.url(false, RESTBenchmark.oneTag), credentials),
                output: "\(work)/curl.log")
            if let said, said.contains("\"s\":true") { return }
            guard watch.seconds < 20 else {
                throw BenchmarkError("the gateway does not answer: \(said ?? "") \(try readFile(gateway.output))")
            }
            usleep(100_000)
        }
    }

    private func curl(_ url: String, _ credentials: String) -> [String] {
        ["curl", "--silent", "--fail-with-body", "--max-time", "10", "-H", credentials, url]
    }

    /// Keeps an answer for nginx to give.
    private func save(_ reading: Reading, _ ours: Server, _ credentials: String) throws(BenchmarkError) {
        let post = ["-H", "Content-Type: application/json", "--data-binary", "@\(work)/ids.json"]
        let answer = try Child.run(
            "curl", curl(ours.url(false, reading.path), credentials) + (reading.script == nil ? [] : post),
            output: "\(work)/curl.log")
        guard answer.split(separator: "\"s\":true").count == reading.tags + 1 else {
            throw BenchmarkError("not every tag can be read: \(answer.prefix(500))")
        }
        try writeFile("\(work)/answer\(reading.tags).json", answer)
    }

    private func startNginx(_ server: Server) throws(BenchmarkError) -> Child {
        // nginx refuses long words in its configuration, and files to a POST: hence a file, by way of its 405.
        try writeFile(
            "\(work)/nginx.conf",
            """
            daemon off;
            \(geteuid() == 0 ? "user root;" : "")
            worker_processes 1;
            pid \(work)/nginx.pid;
            error_log \(work)/nginx.log;
            events { worker_connections 1024; }
            http {
              access_log off;
              default_type application/json;
              keepalive_requests 1000000000;
              client_body_temp_path \(work)/nginx-body;
              client_body_buffer_size 1m;
              proxy_temp_path \(work)/nginx-proxy;
              fastcgi_temp_path \(work)/nginx-fastcgi;
              uwsgi_temp_path \(work)/nginx-uwsgi;
              scgi_temp_path \(work)/nginx-scgi;
              sendfile on;
              tcp_nopush on;
              open_file_cache max=16;
              ssl_certificate \(work)/tls/server.pem;
              ssl_certificate_key \(work)/tls/server.key;
              ssl_protocols TLSv1.2 TLSv1.3;
              server {
                listen 127.0.0.1:\(server.httpPort);
                listen 127.0.0.1:\(server.httpsPort) ssl;
                root \(work);
                location = /iotgateway/read {
                  if ($arg_ids) { return 200 '\(try readFile("\(work)/answer1.json"))'; }
                  error_page 405 =200 /answer\(RESTBenchmark.tags).json;
                  try_files /answer\(RESTBenchmark.tags).json =404;
                }
              }
            }

            """)
        let log = "\(work)/nginx.log"
        let child = try Child(
            "nginx", ["taskset", "-c", "0", "nginx", "-p", work, "-e", log, "-c", "\(work)/nginx.conf"],
            output: "\(work)/nginx.out")
        let watch = Stopwatch()
        while access("\(work)/nginx.pid", F_OK) != 0 {
            guard watch.seconds < 10 else { throw BenchmarkError("nginx did not start: \(try readFile(child.output))") }
            usleep(20_000)
        }
        return child
    }

    private func writeGateway(_ server: Server) throws(BenchmarkError) {
        var text = """
            version: 1
            gateway: { name: load, data-directory: rest-data }
            tls: { identities: [{ name: load, certificate: tls/server.pem, key: tls/server.key }] }
            agents:
              - { name: plain, type: rest-server, port: \(server.httpPort), https: false, items: [{ tags: "**" }] }
              - name: secure
                type: rest-server
                port: \(server.httpsPort)
                tls: { identity: load }
                items: [{ tags: "**" }]
            channels:
              - name: Plant7
                driver: simulator
                devices:
                  - name: PLC12
                    tags:

            """
        for index in 0..<RESTBenchmark.tags {
            text += """
                          - name: Temperature\(index + 1000)
                            address: "RAMP (1000, 10000, 99999, 1)"
                            type: Long

                """
        }
        try writeFile("\(work)/rest.yaml", text)
    }
}
