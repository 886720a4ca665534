import FoundationEssentials
import Glibc
import Subprocess
import TestPeers
import Testing

/// nginx as docs/reverse-proxy.md has it, before the real binary.
@Suite(
    "behind nginx", .timeLimit(.minutes(5)),
    .enabled(if: access("/usr/sbin/nginx", X_OK) == 0, "apt-get install nginx; deploy/test does it"))
struct ReverseProxyTests {
    /// Addresses of this machine that stand for others. The proxy connects from 127.0.0.1.
    private static let allowed = "127.0.0.2", other = "127.0.0.4"
    private static let login = "maria:correct horse battery staple"

    private static func configuration(port: Int) -> String {
        """
        version: 1
        gateway: { name: proxied, data-directory: data }
        channels:
          - name: Simulation
            driver: simulator
            devices:
              - name: Press1
                tags:
                  - { name: Setpoint, address: K0001, type: Double }
                  - { name: Count, address: "RAMP (1000, 0, 1000000, 1)", type: Long }
        agents:
          - name: api
            type: rest-server
            port: \(port)
            trusted-proxies: [127.0.0.1]
            allow-from: [\(allowed)]
            items: [{ tags: "**" }]
        """
    }

    /// The page's own configuration, with ports and files of this test.
    private static func page(_ plant: Plant, proxy: Int, agent: Int, trusting trusted: String) throws -> String {
        let page = try String(contentsOfFile: "\(packageRoot)/docs/reverse-proxy.md", encoding: .utf8)
        let parts = page.split(separator: "```nginx\n", maxSplits: 1)
        guard parts.count == 2, let block = parts[1].split(separator: "\n```", maxSplits: 1).first else {
            throw TestPeerError("docs/reverse-proxy.md has no nginx configuration")
        }
        var text = String(block)
        for (theirs, ours) in [
            ("10.20.0.7:39320", "127.0.0.1:\(agent)"), ("listen 443 ssl", "listen 127.0.0.1:\(proxy) ssl"),
            ("/etc/nginx/gateway.", plant.directory.file("proxy.")),
            ("/etc/nginx/sallyport.pem", trusted),
        ] {
            guard text.contains(theirs) else { throw TestPeerError("docs/reverse-proxy.md lacks \(theirs)") }
            text = text.replacing(theirs, with: ours)
        }
        return text
    }

    /// Runs nginx with the page's configuration while the body runs.
    ///
    /// - Parameter trusting: the file in the plant's directory by which the proxy verifies the agent.
    private static func withProxy(
        _ plant: Plant, proxy: Int, agent: Int, trusting trusted: String = "data/tls/default.pem",
        _ body: () async throws -> Void
    ) async throws {
        let authority = try await DemoAuthority()
        let files = try await authority.issue("gateway.plant.example", names: ["DNS:gateway.plant.example"])
        for (file, name) in [(files.certificateFile, "proxy.pem"), (files.keyFile, "proxy.key")] {
            try FileManager.default.copyItem(atPath: file, toPath: plant.directory.file(name))
        }
        try FileManager.default.copyItem(atPath: authority.certificateFile, toPath: plant.directory.file("ca.pem"))
        let names = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        let paths = names.map { "\($0)_temp_path \(plant.directory.file("nginx-\($0)"));" }
        // Run as root nginx would leave to another user, whom this test's directory does not let in.
        try plant.directory.write(
            """
            \(geteuid() == 0 ? "user root;" : "")
            daemon off;
            worker_processes 1;
            pid \(plant.directory.file("nginx.pid"));
            error_log stderr notice;
            events { worker_connections 256; }
            http {
                access_log off;
                \(paths.joined(separator: "\n    "))
                \(try page(plant, proxy: proxy, agent: agent, trusting: plant.directory.file(trusted)))
            }
            """, to: "nginx.conf")
        try await withPeerProcess(
            "nginx", ["-e", "stderr", "-c", plant.directory.file("nginx.conf")],
            isReady: { $0.contains("start worker process ") }
        ) { _, _ in try await body() }
    }

    /// Asks from one of this machine's addresses.
    private static func ask(
        _ plant: Plant, _ port: Int, from address: String, throughProxy: Bool, _ path: String = "/browse",
        _ more: String..., user: String? = login
    ) async throws -> RESTAnswer {
        let name = throughProxy ? "gateway.plant.example" : "localhost"
        let trusted = plant.directory.file(throughProxy ? "ca.pem" : "data/tls/default.pem")
        let result = try await Subprocess.run(
            .name("curl"),
            arguments: Arguments(
                [
                    "-s", "--max-time", "15", "--interface", address, "--resolve", "\(name):\(port):127.0.0.1",
                    "--cacert", trusted, "-w", "\n%{http_code}", "https://\(name):\(port)/iotgateway\(path)",
                ] + (user.map { ["-u", $0] } ?? []) + more),
            input: .none, output: .string(limit: 1 << 20), error: .string(limit: 65536))
        let lines = result.standardOutput.split(separator: "\n", omittingEmptySubsequences: false)
        return RESTAnswer(status: Int(lines.last ?? "") ?? 0, body: lines.dropLast().joined(separator: "\n"))
    }

    @Test("clients keep their addresses, and nobody takes another's")
    func addresses() async throws {
        let agent = try freePort(), proxy = try freePort()
        let plant = try Plant(Self.configuration(port: agent))
        try await plant.add(user: "maria", password: "correct horse battery staple", "--administrator")
        try await plant.running { _ in
            try await Self.withProxy(plant, proxy: proxy, agent: agent) {
                let read = try await Self.ask(
                    plant, proxy, from: Self.allowed, throughProxy: true, "/read?ids=Simulation.Press1.Setpoint")
                #expect(read.status == 200)
                let ids = try read.entries.map(\.id)
                #expect(ids == ["Simulation.Press1.Setpoint"])
                // About the largest target that the agent takes.
                let many = "/read?ids=" + String(repeating: "Simulation.Press1.Setpoint&ids=", count: 1500)
                let large = try await Self.ask(plant, proxy, from: Self.allowed, throughProxy: true, many)
                #expect(large.status == 200)
                let anonymous = try await Self.ask(plant, proxy, from: Self.allowed, throughProxy: true, user: nil)
                #expect(anonymous.status == 401)

                let elsewhere = try await Self.ask(plant, proxy, from: Self.other, throughProxy: true)
                #expect(elsewhere.status == 403)
                #expect(elsewhere.body.contains("this address may not use the agent"))
                let forged = "X-Forwarded-For: \(Self.allowed)"
                let liar = try await Self.ask(
                    plant, proxy, from: Self.other, throughProxy: true, "/browse", "-H", forged)
                #expect(liar.status == 403)

                // Past the proxy: what is no trusted proxy speaks for itself alone.
                let direct = try await Self.ask(
                    plant, agent, from: Self.allowed, throughProxy: false, "/browse", "-H",
                    "X-Forwarded-For: \(Self.other)")
                #expect(direct.status == 200)
                let closed = try await Self.ask(
                    plant, agent, from: Self.other, throughProxy: false, "/browse", "-H", forged)
                #expect(closed.status == 0)

                let wrong = try await Self.ask(
                    plant, proxy, from: Self.allowed, throughProxy: true, user: "maria:not the one at all")
                #expect(wrong.status == 401)
                let logged = try await eventually("the refused login in the audit log") {
                    let shown = try await plant.command(
                        "audit-log", "show", "--action", "login", "--outcome", "refused", "--format", "json")
                    return shown.output.contains("maria") ? shown.output : nil
                }
                #expect(logged.contains("\"\(Self.allowed)\"") && !logged.contains("\"127.0.0.1\""), "\(logged)")
            }
        }
    }

    @Test("a stream goes through it as it comes, and ends with its login")
    func stream() async throws {
        let agent = try freePort(), proxy = try freePort()
        let plant = try Plant(Self.configuration(port: agent))
        try await plant.add(user: "maria", password: "correct horse battery staple", "--administrator")
        // Without any administrator nobody is served.
        try await plant.add(user: "boss", password: "correct horse battery staple", "--administrator")
        let path = "/stream?ids=Simulation.Press1.Count"
        try await plant.running { _ in
            try await Self.withProxy(plant, proxy: proxy, agent: agent) {
                #expect(try await Self.ask(plant, proxy, from: Self.other, throughProxy: true, path).status == 403)
                /// Lines of curl that has gone through the proxy, until the stream ends.
                func withStream(_ more: [String], _ body: (LineQueue<String>) async throws -> Void) async throws {
                    try await withPeerProcess(
                        "curl",
                        [
                            "-sSN", "--interface", Self.allowed, "--resolve",
                            "gateway.plant.example:\(proxy):127.0.0.1", "--cacert", plant.directory.file("ca.pem"),
                            "-u", Self.login, "-o", "/dev/stderr",
                            "https://gateway.plant.example:\(proxy)/iotgateway\(path)",
                        ] + more,
                        isReady: { $0.hasPrefix("retry:") }
                    ) { try await body($1) }
                }
                func next(_ lines: LineQueue<String>, _ field: String) async throws -> String {
                    String(try await lines.first { $0.hasPrefix(field + ": ") }.dropFirst(field.count + 2))
                }
                var last = ""
                try await withStream([]) { lines in
                    for _ in 0..<4 {
                        last = try await next(lines, "id")
                        // A proxy that collected some KiB first would be most of a minute behind.
                        let time = try await next(lines, "data").firstMatch(of: /"t":([0-9]+)/).flatMap { Double($0.1) }
                        let age = Date().timeIntervalSince1970 - (time ?? 0) / 1000
                        #expect(age < 10)
                    }
                }
                try await withStream(["-H", "Last-Event-ID: \(last)"]) { lines in
                    // The same run of the agent, and nothing missed.
                    let event = try await next(lines, "event"), id = try await next(lines, "id")
                    #expect(event == "values" && id.prefix { $0 != "-" } == last.prefix { $0 != "-" }, "\(id) \(last)")
                    #expect(try await plant.command("user", "disable", "maria").code == 0)
                    _ = try await lines.first { $0 == "event: end" }
                    let reason = try await next(lines, "data")
                    #expect(reason == #"{"reason":"the login no longer holds: log in again"}"#)
                }
            }
        }
    }

    @Test("the proxy takes no other gateway for ours")
    func verified() async throws {
        let agent = try freePort(), proxy = try freePort()
        let plant = try Plant(Self.configuration(port: agent))
        try await plant.add(user: "maria", password: "correct horse battery staple", "--administrator")
        try await plant.running { _ in
            // The authority of another certificate than the one that the agent serves.
            try await Self.withProxy(plant, proxy: proxy, agent: agent, trusting: "ca.pem") {
                let answer = try await Self.ask(plant, proxy, from: Self.allowed, throughProxy: true)
                #expect(answer.status == 502)
            }
        }
    }
}
