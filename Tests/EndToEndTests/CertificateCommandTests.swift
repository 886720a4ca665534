import FoundationEssentials
import Glibc
import Subprocess
import TestPeers
import Testing

@Suite("Certificates on the command line", .serialized, .timeLimit(.minutes(5)))
struct CertificateCommandTests {
    /// FAULTS 78: what does not fit is refused and the old certificate serves on; what fits is served at once.
    @Test("a running gateway refuses bad files, serves on, and serves a good one without dropping a connection")
    func running() async throws {
        let port = try freePort()
        let plant = try await PlantConfiguration(restPort: port).plant()
        let authority = try await DemoAuthority(name: "Plant CA")
        let good = try await authority.issue("gateway")
        let other = try await authority.issue("other")
        let expired = try await authority.issue("expired", days: -1)
        let nameless = try await authority.issue("nameless", names: [])
        let large = try plant.directory.write(String(repeating: "A", count: (1 << 20) + 1), to: "large.pem")
        let halves = plant.directory.file("half.pem")
        try Data(Data(contentsOf: URL(filePath: good.certificateFile)).dropLast(50)).write(to: URL(filePath: halves))
        let bundle = plant.directory.file("bundle.p12")
        try plant.secret("a very long secret", "p12")
        try await runCommand(
            "openssl",
            [
                "pkcs12", "-export", "-in", good.certificateFile, "-inkey", good.keyFile, "-certfile",
                authority.certificateFile, "-out", bundle, "-passout", "pass:a very long secret",
            ])
        let said = try await plant.running { gateway in
            let first = try await served(port)
            let bad: [(arguments: [String], sentence: String)] = [
                ([good.certificateFile, "--key", other.keyFile], "the key that was given does not belong to the"),
                ([good.certificateFile], "no key here belongs to the certificate CN = gateway: give it with --key"),
                ([expired.certificateFile, "--key", expired.keyFile], "the certificate CN = expired has expired on"),
                ([nameless.certificateFile, "--key", nameless.keyFile], "has no subject alternative name"),
                ([large], "large.pem: is larger than 1 MiB"),
                ([halves, "--key", good.keyFile], "half.pem: PEM block 1 in it is damaged"),
                ([bundle, "--password-file", plant.directory.file("gateway.yaml")], "the password does not open it"),
                (
                    [good.certificateFile, "--identity", "factory"],
                    "there is no identity factory under tls: "
                        + "identities:"
                ),
                ([plant.directory.file("nothing.pem")], "cannot be opened: No such file or directory"),
            ]
            for (arguments, sentence) in bad {
                let outcome = try await certificate(plant, ["import"] + arguments)
                #expect(outcome.code == 1 && outcome.errors.contains(sentence), "\(arguments): \(outcome.errors)")
                #expect(outcome.errors.hasSuffix("; nothing was changed\n"))
            }
            #expect(try await served(port) == first)
            let refusals = try await plant.auditLines("--action", "certificate", "--outcome", "refused")
            #expect(refusals.count == bad.count)
            #expect(refusals.allSatisfy { $0.object == "default" || $0.object == "factory" })
            #expect(refusals.first?.reason.hasPrefix("import: the key that was given") == true)

            try await withKeepAliveClient(port: port, authority: "\(plant.dataDirectory)/tls/default.pem") { client in
                let login = KeepAliveClient.basic(PlantConfiguration.viewer)
                let before = try await client.ask("/iotgateway/browse", authorization: login)
                #expect(before.status == 200)
                let imported = try await certificate(
                    plant, ["import", bundle, "--password-file", plant.directory.file("p12")])
                #expect(imported.code == 0, "\(imported.errors)")
                #expect(imported.output.contains("api: new connections from now on"))
                #expect(imported.errors.contains("the root CN = Plant CA is left out"))
                #expect(!imported.errors.contains("localhost"))
                let now = try await served(port)
                #expect(now != first && imported.output.contains(now) && imported.output.contains(first))
                let after = try await client.ask("/iotgateway/browse", authorization: login)
                #expect(after.status == 200 && after.port == before.port)
                let change = try await plant.auditLines("--action", "certificate", "--outcome", "succeeded")
                #expect(change.contains { $0.object == "default" && $0.old == first && $0.new == now })
            }
            try await withKeepAliveClient(port: port, authority: authority.certificateFile) { client in
                let answer = try await client.ask("/iotgateway/", headers: ["Host": "localhost"])
                #expect(answer.status != 0, "\(answer.error)")
            }
            let renewed = try await certificate(plant, ["renew"])
            #expect(renewed.code == 1 && renewed.errors.contains("was imported, so it cannot be made anew here"))
            let undone = try await certificate(
                plant,
                [
                    "import", "\(plant.dataDirectory)/tls/default.pem.previous", "--key",
                    "\(plant.dataDirectory)/tls/default.key.previous",
                ])
            #expect(undone.code == 0, "\(undone.errors)")
            #expect(try await served(port) == first)
            #expect(try await certificate(plant, ["renew"]).code == 0)
            #expect(try await served(port) != first)
            var lines: [String] = []
            while let line = try? await gateway.log.next(within: .milliseconds(300)) { lines.append(line) }
            return lines.joined(separator: "\n")
        }
        #expect(said.contains("Certificate replaced"))
        let audit = try await plant.command("audit-log", "show", "--limit", "100000", "--format", "json").output
        #expect(!(said + audit).contains("very long secret") && !(said + audit).contains("PRIVATE"))
    }

    @Test("a request with the gateway's own key, its certificate, and a start that keeps it")
    func request() async throws {
        let port = try freePort()
        let plant = try await PlantConfiguration(restPort: port).plant()
        let none = try await shown(plant)
        #expect(none.contains("not made yet: the first start makes it") && !none.contains("No such file"), "\(none)")
        let made = try await certificate(plant, ["renew"])
        #expect(made.code == 0, "\(made.errors)")
        let before = try await shown(plant)
        let csr = plant.directory.file("gateway.csr")
        let asked = try await certificate(
            plant,
            ["request", "--name", "localhost", "--name", "127.0.0.1", "--subject", "CN=gw,O=Plant", "--out", csr])
        #expect(asked.code == 0 && asked.output.isEmpty && asked.errors.contains("the key that is in use"))
        #expect(try await certificate(plant, ["request", "--out", csr]).code == 1, "the file is there")
        let text = try await runCommand("openssl", ["req", "-in", csr, "-noout", "-verify", "-text"])
        #expect(text.contains("DNS:localhost, IP Address:127.0.0.1") && text.contains("CN = gw"))
        let answer = plant.directory.file("answer.pem"), root = try await sign(csr, in: plant, as: answer)
        let imported = try await certificate(plant, ["import", root.certificate, answer])
        #expect(imported.code == 0, "\(imported.errors)")
        let after = try await shown(plant)
        #expect(after.contains("issuer       CN = Issuing") && after.contains("chain        CN = Issuing"))
        func pin(_ text: String) -> Substring? { text.firstMatch(of: /pin-sha256   (\S+)/)?.output.1 }
        #expect(pin(before) == pin(after) && pin(after) != nil)
        for _ in 0..<2 {
            try await plant.running { _ in
                let now = try await served(port)
                #expect(after.contains(now))
                let whole = try await runCommand(
                    "curl", ["-sS", "--cacert", root.root, "https://localhost:\(port)/iotgateway/healthz"])
                #expect(!whole.isEmpty)
                let show = try await certificate(plant, ["show", "--all", "--format", "json"]).output
                #expect(show.contains("\"agents\":[\"api\"]") && show.contains(now))
            }
        }
        let exported = try await certificate(plant, ["export", "--chain"])
        #expect(exported.output.split(separator: "-----BEGIN CERTIFICATE-----").count == 2)
        #expect(!exported.output.contains("PRIVATE"))
        #expect(try await certificate(plant, ["export", "--chain", "--format", "der"]).code == 2)
        let der = plant.directory.file("gateway.cer")
        #expect(try await certificate(plant, ["export", "--format", "der", "--out", der]).code == 0)
        let read = try await runCommand(
            "openssl", ["x509", "-inform", "DER", "-in", der, "-noout", "-fingerprint", "-sha256"])
        #expect(after.contains(read.split(separator: "=").last?.trimmed ?? "?"))
    }

    @Test("the files of an identity that is not there yet, with a password that is asked for and one that is kept")
    func first() async throws {
        let port = try freePort()
        let identity = """
            tls:
              identities:
                - { name: Factory, certificate: tls/f.pem, key: tls/f.key, key-password: { file: key-secret } }
            """
        let plant = try Plant(
            PlantConfiguration(restPort: port, extraTop: identity).yaml
                .replacing("port: \(port)", with: "port: \(port)\n    tls: { identity: factory }"))
        try plant.secret("kept beside it", "key-secret")
        try FileManager.default.createDirectory(atPath: plant.directory.file("tls"), withIntermediateDirectories: true)
        let before = try await plant.command("check")
        #expect(before.code == 2 && before.errors.contains("the certificate"), "\(before.errors)")
        let authority = try await DemoAuthority()
        let issued = try await authority.issue("gateway")
        let locked = plant.directory.file("locked.key")
        try await runCommand(
            "openssl",
            ["pkcs8", "-topk8", "-in", issued.keyFile, "-out", locked, "-passout", "pass:told by telephone"])
        let arguments = ["import", issued.certificateFile, "--key", locked, "--identity", "factory"]
        let wrong = try await certificate(plant, arguments, input: "guessed\n")
        #expect(wrong.code == 1 && wrong.errors.contains("the password does not open the key"), "\(wrong.errors)")
        let none = try await certificate(plant, arguments)
        #expect(none.code == 1 && none.errors.contains("--password-file FILE"), "\(none.errors)")
        let imported = try await certificate(plant, arguments, input: "told by telephone\n")
        #expect(imported.code == 0, "\(imported.errors)")
        let key = try String(contentsOfFile: plant.directory.file("tls/f.key"), encoding: .utf8)
        #expect(key.hasPrefix("-----BEGIN ENCRYPTED PRIVATE KEY-----"))
        let after = try await plant.command("check")
        #expect(after.code == 0, "\(after.errors)")
        // Without the password that is to protect it, no key is written.
        unlink(plant.directory.file("key-secret"))
        let open = try await certificate(plant, arguments, input: "told by telephone\n")
        #expect(open.code == 1 && open.errors.contains("there is no identity factory"), "\(open.errors)")
        #expect(open.errors.contains("gateway.yaml:"))
    }

    @Test("an import that is killed at any moment leaves a pair that belongs together")
    func killed() async throws {
        let plant = try await PlantConfiguration(restPort: try freePort()).plant()
        let authority = try await DemoAuthority()
        let identities = [try await authority.issue("one"), try await authority.issue("two")]
        let begin = ContinuousClock.now
        let first = try await certificate(
            plant, ["import", identities[0].certificateFile, "--key", identities[0].keyFile])
        #expect(first.code == 0, "\(first.errors)")
        // What one takes on this machine now.
        let whole = (ContinuousClock.now - begin) / .seconds(1)
        let log = plant.directory.file("log")
        var before = try await shown(plant)
        var changes = 0
        // Imports in turn, each killed a little later than the one before, the last ones after their end.
        let rounds = 16
        for round in 1...rounds {
            let next = identities[round % 2]
            let command =
                "timeout -s KILL \(whole * Double(round) / 12) '\(sallyport)' certificate import '\(next.certificateFile)' "
                + "--key '\(next.keyFile)' --config '\(plant.configuration)' >'\(log)' 2>&1; true"
            try await runCommand("bash", ["-c", command])
            let shown = try await shown(plant)
            #expect(!shown.contains("problem"), "round \(round): \(shown)")
            if shown != before { changes += 1 }
            before = shown
        }
        // Some came too early and some came through.
        #expect((1..<rounds).contains(changes), "\(changes)")
        let last = try await certificate(
            plant, ["import", identities[0].certificateFile, "--key", identities[0].keyFile])
        #expect(last.code == 0, "\(last.errors)")
        let files = try FileManager.default.contentsOfDirectory(atPath: "\(plant.dataDirectory)/tls")
        #expect(!files.contains("default.key.next"), "\(files)")
    }

    private struct Signed {
        let root: String
        /// Root, then intermediate: the wrong order.
        let certificate: String
    }

    /// What the plant's authority does with a request: an issuing authority under a root signs it.
    private func sign(_ csr: String, in plant: Plant, as file: String) async throws -> Signed {
        let script = """
            cd "$0" && printf '%s\\n' '[a]' 'basicConstraints=critical,CA:TRUE' 'keyUsage=critical,keyCertSign' \
            '[l]' 'basicConstraints=critical,CA:FALSE' 'extendedKeyUsage=serverAuth' \
            'subjectAltName=DNS:localhost,IP:127.0.0.1' >ext
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 60 -subj /CN=Root -keyout r.key -out r.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=Issuing -keyout i.key -out i.csr
            openssl x509 -req -in i.csr -CA r.pem -CAkey r.key -set_serial 2 -days 60 -extfile ext -extensions a -out i.pem
            openssl x509 -req -in "$1" -CA i.pem -CAkey i.key -set_serial 3 -days 60 -extfile ext -extensions l -out "$2"
            cat r.pem i.pem >chain.pem
            """
        try await runCommand("bash", ["-ec", script, plant.directory.path, csr, file])
        return Signed(root: plant.directory.file("r.pem"), certificate: plant.directory.file("chain.pem"))
    }

    private func certificate(_ plant: Plant, _ arguments: [String], input: String = "") async throws -> CommandOutcome {
        try await Plant.command(["certificate"] + arguments + ["--config", plant.configuration], input: input)
    }

    private func shown(_ plant: Plant) async throws -> String {
        let outcome = try await certificate(plant, ["show"])
        #expect(outcome.code == 0, "\(outcome.errors)")
        return outcome.output
    }

    /// The fingerprint of what a new connection is shown.
    private func served(_ port: Int) async throws -> String {
        let script =
            "openssl s_client -connect 127.0.0.1:\(port) </dev/null 2>/dev/null | openssl x509 -noout -fingerprint "
            + "-sha256"
        let said = try await runCommand("bash", ["-c", script])
        return String(said.split(separator: "=").last?.trimmed ?? "")
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
