import FoundationEssentials
import Glibc
import TestPeers
import Testing

/// Certificates that change under a gateway that runs: the real binary and real clients.
@Suite("Certificates that change", .serialized, .timeLimit(.minutes(5)))
struct CertificateReloadTests {
    /// A plant with one listener that serves an authority's certificate from `live/cert.pem` and `live/key.pem`.
    private struct Scene {
        let authority: DemoAuthority
        let plant: Plant
        let port: Int

        init(_ first: DemoAuthority.Identity, _ authority: DemoAuthority, extra: String = "") async throws {
            self.authority = authority
            port = try freePort()
            let configuration = PlantConfiguration(restPort: port)
            plant = try await configuration.plant()
            let identities = "[{ name: factory, certificate: live/cert.pem, key: live/key.pem }]"
            let yaml = configuration.yaml
                .replacing("agents:\n", with: "tls: { identities: \(identities) }\nagents:\n")
                .replacing(
                    "type: rest-server",
                    with: "type: rest-server\n    tls: { identity: factory\(extra) }"
                        + "\n    limits: { request-timeout: 60s, body: 8MiB, ids-per-request: 200000 }")
            try plant.write(yaml)
            try FileManager.default.createDirectory(
                atPath: plant.directory.file("sets"), withIntermediateDirectories: false)
            try put(first, as: "sets/1")
            try link("sets/1")
        }

        /// Copies the pair into a directory of the plant.
        func put(_ identity: DemoAuthority.Identity, as name: String) throws {
            let folder = plant.directory.file(name)
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for (from, to) in [(identity.certificateFile, "cert.pem"), (identity.keyFile, "key.pem")] {
                try? FileManager.default.removeItem(atPath: "\(folder)/\(to)")
                try FileManager.default.copyItem(atPath: from, toPath: "\(folder)/\(to)")
                chmod("\(folder)/\(to)", 0o600)
            }
        }

        /// Swaps the link `live` in one step, as Kubernetes does.
        func link(_ name: String) throws {
            let new = plant.directory.file("live.new")
            try FileManager.default.createSymbolicLink(atPath: new, withDestinationPath: name)
            guard rename(new, plant.directory.file("live")) == 0 else { throw TestPeerError("rename: errno \(errno)") }
        }

        /// The serial number of the certificate that a new connection gets.
        func serial() async throws -> String {
            try await Self.serial(of: "openssl s_client -connect 127.0.0.1:\(port) </dev/null 2>/dev/null")
        }

        static func serial(of command: String) async throws -> String {
            try await runCommand("sh", ["-c", "\(command) | openssl x509 -noout -serial"])
        }

        func serves(_ identity: DemoAuthority.Identity) async throws -> Bool {
            try await serial() == Self.serial(of: "cat \(identity.certificateFile)")
        }

        func becomes(_ identity: DemoAuthority.Identity) async throws {
            _ = try await eventually("the new certificate") { try await serves(identity) ? true : nil }
        }
    }

    @Test("new files are served within seconds, whole pairs and swapped links, and open connections stay")
    func replaced() async throws {
        let authority = try await DemoAuthority()
        var identities: [DemoAuthority.Identity] = []
        for _ in 1...3 { identities.append(try await authority.issue("localhost")) }
        let scene = try await Scene(identities[0], authority), port = scene.port
        let login = KeepAliveClient.basic(PlantConfiguration.viewer)
        try await scene.plant.running { gateway in
            try await withKeepAliveClient(port: port, authority: authority.certificateFile) { client in
                let first = try await client.ask("/iotgateway/browse", authorization: login)
                #expect(first.status == 200 && first.headers["strict-transport-security"] == "max-age=31536000")
                #expect(try await scene.serves(identities[0]))
                try await withLongAnswer(port: port) { answer in
                    try scene.put(identities[1], as: "sets/2")
                    try scene.link("sets/2")
                    try await scene.becomes(identities[1])
                    let line = try await gateway.log.first { $0.contains("Certificate replaced") }
                    #expect(line.contains("agent=api") && line.contains("valid-until="), "\(line)")
                    // In place: two files, one after the other, with a pause in which they do not fit together.
                    let folder = scene.plant.directory.file("sets/2")
                    try Data(contentsOf: URL(filePath: identities[2].certificateFile))
                        .write(to: URL(filePath: "\(folder)/cert.pem"))
                    try await Task.sleep(for: .seconds(3))
                    #expect(try await scene.serves(identities[1]))
                    try scene.put(identities[2], as: "sets/2")
                    try await scene.becomes(identities[2])
                    // What began over the first certificate comes whole.
                    let length = try await answer()
                    #expect(length > 10_000_000)
                }
                let last = try await client.ask("/iotgateway/browse", authorization: login)
                #expect(last.status == 200 && last.port == first.port, "\(last)")
            }
            // The pair that did not fit for a moment was not worth a word.
            for line in await gateway.log.pending { #expect(!line.contains("could not be replaced"), "\(line)") }
            let audited = try await scene.plant.auditLines("--action", "certificate")
            #expect(audited.count { $0.outcome == "succeeded" && $0.object == "api" } == 2, "\(audited)")
        }
    }

    @Test("files that are not good leave the old one serving, and say so once: log, status, audit log")
    func bad() async throws {
        let authority = try await DemoAuthority()
        let first = try await authority.issue("localhost"), second = try await authority.issue("localhost")
        let expired = try await authority.issue("localhost", days: -1)
        let scene = try await Scene(first, authority)
        try await scene.plant.running { gateway in
            func told(_ word: String) async throws {
                let line = try await gateway.log.first(within: .seconds(30)) { $0.contains("could not be replaced") }
                #expect(line.contains(word) && line.contains("agent=api"), "\(line)")
                #expect(try await scene.serves(first))
                let status = try await scene.plant.command("status")
                #expect(status.output.contains(word), "\(status)")
            }
            try FileManager.default.copyItem(
                atPath: second.certificateFile, toPath: scene.plant.directory.file("sets/1/cert.new"))
            #expect(
                rename(
                    scene.plant.directory.file("sets/1/cert.new"), scene.plant.directory.file("sets/1/cert.pem")) == 0)
            try await told("does not belong to the certificate")
            try scene.put(expired, as: "sets/expired")
            try scene.link("sets/expired")
            try await told("has expired")
            try FileManager.default.removeItem(atPath: scene.plant.directory.file("live"))
            try await told("cannot be opened")
            // A reload by hand is refused, and serves on as well.
            gateway.signal(SIGHUP)
            _ = try await gateway.log.first { $0.contains("Reload refused") }
            #expect(try await scene.serves(first))
            try scene.put(second, as: "sets/2")
            try scene.link("sets/2")
            try await scene.becomes(second)
            _ = try await gateway.log.first { $0.contains("can be used again") }
            #expect(try await !scene.plant.command("status").output.contains("/live/"))
            let audited = try await scene.plant.auditLines("--action", "certificate")
            #expect(audited.map(\.outcome) == ["failed", "failed", "failed", "succeeded"], "\(audited)")
            for line in await gateway.log.pending { #expect(!line.contains("could not be replaced"), "\(line)") }
        }
    }

    @Test("SIGHUP takes new files at once; the default certificate that is removed or old is made anew by itself")
    func signalAndDefault() async throws {
        let authority = try await DemoAuthority()
        let first = try await authority.issue("localhost"), second = try await authority.issue("localhost")
        let scene = try await Scene(first, authority), port = scene.port
        try await scene.plant.running { gateway in
            try scene.put(second, as: "sets/2")
            try scene.link("sets/2")
            gateway.signal(SIGHUP)
            _ = try await gateway.log.first { $0.contains("Configuration applied") }
            #expect(try await scene.serves(second))

            try await gateway.reload(PlantConfiguration(restPort: port).yaml)
            let answer = try await gateway.get("/browse", port: port, user: PlantConfiguration.viewer)
            #expect(answer.status == 200)
            let folder = "\(scene.plant.dataDirectory)/tls"
            func key() async throws -> String {
                try await runCommand("openssl", ["x509", "-in", "\(folder)/default.pem", "-noout", "-pubkey"])
            }
            let before = try await key(), serial = try await scene.serial()
            // As the gateway would have made it with the same key 345 days ago: due.
            try await age("\(folder)/default")
            _ = try await gateway.log.first { $0.contains("Default certificate made") }
            _ = try await gateway.log.first { $0.contains("Certificate replaced") }
            let renewed = try await scene.serial()
            #expect(renewed != serial)
            #expect(try await key() == before)
            try FileManager.default.removeItem(atPath: "\(folder)/default.pem")
            _ = try await gateway.log.first { $0.contains("Certificate replaced") }
            #expect(try await scene.serial() != renewed)
            #expect(try await key() == before)
            let again = try await gateway.get("/browse", port: port, user: PlantConfiguration.viewer)
            #expect(again.status == 200)
        }
    }

    /// Puts a default certificate with 20 days left in the place of the one at `base.pem`, for the key at `base.key`.
    private func age(_ base: String) async throws {
        let scratch = try TemporaryDirectory()
        let script = """
            cd "$0"; : >index; openssl rand -hex 16 | sed s/^./5/ >serial; now=$(date +%s)
            printf '%s\\n' '[ca]' default_ca=own '[own]' database=index serial=serial new_certs_dir=. \
            default_md=sha256 policy=any '[any]' commonName=supplied '[own_extensions]' \
            basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth \
            subjectKeyIdentifier=hash subjectAltName=DNS:localhost >ca.cnf
            openssl req -new -key "$1.key" -subj /CN=test -out csr
            openssl ca -batch -notext -config ca.cnf -selfsign -keyfile "$1.key" -extensions own_extensions -in csr \
            -startdate "$(date -ud @$((now - 345 * 86400)) +%Y%m%d%H%M%SZ)" \
            -enddate "$(date -ud @$((now + 20 * 86400)) +%Y%m%d%H%M%SZ)" -out aged.pem
            chmod 600 aged.pem
            mv aged.pem "$1.pem"
            """
        try await runCommand("bash", ["-ec", script, scratch.path, base])
    }

    @Test("what ends soon is warned of: log at every start, status, readyz, metrics")
    func ends() async throws {
        let authority = try await DemoAuthority()
        let short = try await authority.issue("localhost", days: 5), long = try await authority.issue("x", days: 300)
        let scene = try await Scene(
            short, authority,
            extra: ", client-certificates: { mode: optional, ca-file: \(authority.certificateFile), "
                + "map: [{ subject: \"CN=x\", user: viewer }] }")
        let port = scene.port
        for _ in 1...2 {
            try await scene.plant.running { gateway in
                var lines: [String] = []
                for _ in 1...2 { lines.append(try await gateway.log.first { $0.contains("A certificate ends soon") }) }
                let server = try #require(lines.first { $0.contains("role=server") })
                #expect(server.contains("certificate=factory") && server.contains("days-left=4"), "\(server)")
                #expect(lines.contains { $0.contains("role=authority") && $0.contains("days-left=29") }, "\(lines)")
            }
        }
        try await scene.plant.running { gateway in
            let status = try await scene.plant.command("status")
            #expect(
                status.output.contains("certificate factory  server  until ")
                    && status.output.contains(" UTC, 4 days left  for api"), "\(status)")
            let json = try await scene.plant.command("status", "--format", "json")
            #expect(
                json.output.contains(#""daysLeft" : 4"#) || json.output.contains(#""daysLeft":4"#), "\(json.output)")
            let base = "https://127.0.0.1:\(port)"
            func curl(_ path: String, _ more: String...) async throws -> String {
                try await runCommand(
                    "curl", ["-s", "--max-time", "15", "--cacert", authority.certificateFile] + more + [base + path])
            }
            #expect(try await curl("/healthz") == #"{"alive":true}"#)
            let ready = try await curl("/readyz")
            #expect(ready.hasPrefix(#"{"ready":true,"warnings":["#) && ready.hasSuffix(#"days left: 4"]}"#), "\(ready)")
            let figures = try await curl("/metrics", "-u", "root:an administrator's password")
            let expiry = "sallyport_certificate_expiry_timestamp_seconds"
            #expect(figures.contains(expiry + #"{role="server",name="factory"} "#), "\(figures)")
            #expect(figures.contains(expiry + #"{role="authority",name="\#(authority.certificateFile)"} "#))
            #expect(figures.contains(#"sallyport_connections{agent="api"} "#))
            #expect(try await curl("/metrics", "-u", PlantConfiguration.viewer).contains("gateway: [metrics]"))
            // With a longer one there is nothing to warn of.
            try scene.put(long, as: "sets/2")
            try scene.link("sets/2")
            _ = try await eventually("a readiness without warnings") {
                try await curl("/readyz", "-k") == #"{"ready":true}"# ? true : nil
            }
        }
    }

    @Test("an MQTT agent connects anew when its authorities or its certificate change, and nothing is lost")
    func broker() async throws {
        let authority = try await DemoAuthority(), other = try await DemoAuthority(name: "Other CA")
        let peer = try await MosquittoPeer(acl: "user gateway\ntopic write iotgateway\n", authority: authority)
        try await peer.run { broker in
            let first = try await authority.issue("gateway", names: [], usage: .client)
            let second = try await authority.issue("gateway", names: [], usage: .client)
            let plant = try Plant(
                """
                version: 1
                gateway: { name: test, data-directory: data }
                tls: { identities: [{ name: me, certificate: cert.pem, key: key.pem }] }
                channels:
                  - name: S
                    driver: simulator
                    devices: [{ name: D, tags: [{ name: T, address: "RAMP (20, 0, 1000000000, 1)", type: Long }] }]
                agents:
                  - name: broker
                    type: mqtt
                    url: ssl://localhost:\(broker.mutualTLSPort)
                    tls: { ca-file: ca.pem, identity: me }
                    publish: { type: on-change }
                    last-will: { topic: iotgateway/status, message: offline }
                    items: [{ tags: "**" }]

                """)
            func put(_ path: String, _ name: String) throws {
                let new = plant.directory.file("\(name).new")
                try FileManager.default.copyItem(atPath: path, toPath: new)
                chmod(new, 0o600)
                guard rename(new, plant.directory.file(name)) == 0 else { throw TestPeerError("rename: \(errno)") }
            }
            try put(authority.certificateFile, "ca.pem")
            try put(first.certificateFile, "cert.pem")
            try put(first.keyFile, "key.pem")
            try await broker.withSubscriber(to: ["iotgateway", "iotgateway/status"], as: nil) { messages in
                try await plant.running { gateway in
                    _ = try await messages.next()
                    try put(second.certificateFile, "cert.pem")
                    try put(second.keyFile, "key.pem")
                    _ = try await gateway.log.first { $0.contains("Certificate files replaced") }
                    _ = try await gateway.log.first { $0.contains("Connected to the broker") }
                    // An authority that the broker's certificate does not come from counts soon, not some day.
                    try put(other.certificateFile, "ca.pem")
                    let refused = try await gateway.log.first { $0.contains("No connection to the broker") }
                    #expect(refused.contains("unknown authority"), "\(refused)")
                    // What is no authority at all leaves things as they are, and is told.
                    try put(second.keyFile, "ca.pem")
                    let bad = try await gateway.log.first(within: .seconds(30)) { $0.contains("could not be replaced") }
                    #expect(bad.contains("agent=broker") && bad.contains("holds no certificate"), "\(bad)")
                    try put(authority.certificateFile, "ca.pem")
                    _ = try await gateway.log.first { $0.contains("Connected to the broker") }
                    _ = try await messages.next()
                }
                // Every value of the ramp came, in order, each once.
                var last: Double?
                for message in await messages.pending {
                    #expect(message.topic == "iotgateway" || message.text == "offline")
                    guard message.topic == "iotgateway" else { continue }
                    for event in try PublishedMessage(message).values {
                        guard let value = event.v else { continue }
                        if let last { #expect(value == last + 1, "\(last) then \(value)") }
                        last = value
                    }
                }
                #expect(last != nil)
            }
        }
    }

    /// Asks for a large answer and takes it slowly, in two halves: the second when `body` asks for it.
    private func withLongAnswer(port: Int, _ body: (() async throws -> Int) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        // More than the kernel's buffers hold.
        let ids = Array(repeating: "Simulation.Press1.Count", count: 150_000).map { "\"\($0)\"" }.joined(separator: ",")
        let file = try directory.write("[\(ids)]", to: "ids")
        let output = directory.file("answer")
        // Through a pipe that nobody empties until a file comes.
        let script = """
            curl -s -N -k -H Expect: -u '\(PlantConfiguration.viewer)' -d @\(file) \
            https://127.0.0.1:\(port)/iotgateway/read |
            (head -c 4096; while [ ! -e \(directory.file("go")) ]; do sleep 0.1; done; cat) > \(output)
            """
        async let command = runCommand("sh", ["-c", script])
        _ = try await eventually("the beginning of the long answer") {
            ((try? Data(contentsOf: URL(filePath: output)))?.count ?? 0) >= 4096 ? true : nil
        }
        try await body {
            try directory.write("", to: "go")
            _ = try await eventually("the end of the long answer") {
                (try? Data(contentsOf: URL(filePath: output)))?.suffix(3) == Data("}]}".utf8) ? true : nil
            }
            return try Data(contentsOf: URL(filePath: output)).count
        }
        try directory.write("", to: "go")
        _ = try await command
    }
}
