import COpenSSL
import TLS
import Testing

@Suite("What a client of ours accepts", .timeLimit(.minutes(1)))
struct ClientTLSContextTests {
    let folder: TemporaryFolder
    let authority: ForgedCertificate
    let authorityFile: String

    init() throws {
        folder = try TemporaryFolder()
        authority = try ForgedCertificate(subject: "Plant CA", isAuthority: true)
        authorityFile = try folder.write("ca.pem", authority.certificatePEM)
    }

    private func outcome(
        _ leaf: ForgedCertificate, chain: [ForgedCertificate] = [], asking host: String = "broker.plant",
        highestVersion: Int32 = TLS1_3_VERSION, suites: String? = nil, minimum: TLSVersion = .v1_2
    ) throws -> TestServer.Outcome {
        let client = try ClientTLSContext(
            options: TLSClientOptions(caFile: authorityFile, minimumVersion: minimum), host: host)
        return try TestServer(leaf, chain: chain, highestVersion: highestVersion, suites: suites).handshake(
            with: client)
    }

    @Test func acceptsAGoodCertificate() throws {
        let leaf = try ForgedCertificate(
            subject: "broker", issuer: authority, names: "DNS:other,DNS:broker.plant,IP:127.0.0.1,IP:::1")
        for host in ["broker.plant", "BROKER.plant", "broker.plant.", "127.0.0.1", "::1"] {
            let outcome = try outcome(leaf, asking: host)
            #expect(outcome.succeeded && outcome.failure == nil && outcome.version == "TLSv1.3", "\(host)")
        }
    }

    @Test(arguments: ServerCase.good) func accepts(_ wanted: ServerCase) throws {
        let prepared = try PreparedCase(wanted)
        for version in [TLS1_3_VERSION, TLS1_2_VERSION] {
            let client = try ClientTLSContext(options: prepared.options, host: wanted.host)
            let outcome = try TestServer(prepared.shown.leaf, chain: prepared.shown.chain, highestVersion: version)
                .handshake(with: client)
            #expect(outcome.succeeded && outcome.failure == nil, "\(outcome.failure ?? "no reason")")
        }
    }

    @Test(arguments: ServerCase.bad) func refuses(_ wanted: ServerCase) throws {
        let prepared = try PreparedCase(wanted)
        let reason = try #require(wanted.reason)
        for version in [TLS1_3_VERSION, TLS1_2_VERSION] {
            let client = try ClientTLSContext(options: prepared.options, host: wanted.host)
            let outcome = try TestServer(prepared.shown.leaf, chain: prepared.shown.chain, highestVersion: version)
                .handshake(with: client)
            #expect(!outcome.succeeded)
            #expect(outcome.failure?.contains(reason) == true, "\(outcome.failure ?? "no reason")")
        }
    }

    @Test func aWildcardIsOneWholeLabel() throws {
        let leaf = try ForgedCertificate(subject: "b", issuer: authority, names: "DNS:*.line.plant")
        #expect(try outcome(leaf, asking: "broker.line.plant").succeeded)
        for host in ["a.b.line.plant", "line.plant"] {
            let outcome = try outcome(leaf, asking: host)
            #expect(!outcome.succeeded && outcome.failure?.contains("host name mismatch") == true)
        }
        let partial = try ForgedCertificate(
            subject: "b", issuer: authority, names: "DNS:br*.line.plant,DNS:*r.line.plant")
        #expect(try !outcome(partial, asking: "broker.line.plant").succeeded)
    }

    @Test func refusesOldVersionsAndSuites() throws {
        let leaf = try ForgedCertificate(
            subject: "b", issuer: authority, names: "DNS:broker.plant", key: .rsa(bits: 2048))
        #expect(try !outcome(leaf, highestVersion: TLS1_1_VERSION).succeeded)
        #expect(try !outcome(leaf, highestVersion: TLS1_2_VERSION, minimum: .v1_3).succeeded)
        for suite in ["AES256-GCM-SHA384", "ECDHE-RSA-AES256-SHA384", "DHE-RSA-AES256-GCM-SHA384"] {
            let outcome = try outcome(leaf, highestVersion: TLS1_2_VERSION, suites: suite)
            #expect(!outcome.succeeded, "\(suite)")
            #expect(outcome.failure == "the peer ended the TLS handshake: handshake failure")
        }
        let good = try outcome(leaf, highestVersion: TLS1_2_VERSION)
        #expect(good.succeeded && good.version == "TLSv1.2" && good.suite == "ECDHE-RSA-AES256-GCM-SHA384")
    }

    @Test func showsItsCertificateWhereAsked() throws {
        let server = try ForgedCertificate(subject: "b", issuer: authority, names: "DNS:broker.plant")
        let gateway = try ForgedCertificate(subject: "gateway", issuer: authority, usage: "clientAuth")
        let identity = TLSIdentityOptions(
            name: "factory", certificateFile: try folder.write("gateway.pem", gateway.certificatePEM),
            keyFile: try folder.write("gateway.key", gateway.encryptedKeyPEM(password: "correct horse"), mode: 0o440),
            keyPassword: Secret("correct horse"))
        var options = TLSClientOptions(caFile: authorityFile, identity: identity)
        let demanding = try TestServer(server, demandsClientOf: authority)
        #expect(try demanding.handshake(with: ClientTLSContext(options: options, host: "broker.plant")).succeeded)
        options.identity = nil
        let without = try demanding.handshake(with: ClientTLSContext(options: options, host: "broker.plant"))
        #expect(!without.succeeded)
        #expect(without.failure?.contains("certificate required") == true, "\(without.failure ?? "")")
    }

    @Test func aReasonIsOfTheLastHandshakeOnly() throws {
        let client = try ClientTLSContext(options: TLSClientOptions(caFile: authorityFile), host: "broker.plant")
        let bad = try TestServer(ForgedCertificate(subject: "b", issuer: authority, names: "DNS:x"))
        let good = try TestServer(ForgedCertificate(subject: "b", issuer: authority, names: "DNS:broker.plant"))
        #expect(try bad.handshake(with: client).failure != nil)
        #expect(client.takeFailure() == nil)
        #expect(try good.handshake(with: client).failure == nil)
    }

    @Test func theContextOutlivesItsOwner() throws {
        var client: ClientTLSContext? = try ClientTLSContext(
            options: TLSClientOptions(caFile: authorityFile), host: "broker.plant")
        let borrowed = try #require(client?.withUnsafeContext { SSL_new($0) })
        defer { SSL_free(borrowed) }
        client = nil
        // The verify callback still finds its record: the borrower's reference keeps both.
        let bad = try TestServer(ForgedCertificate(subject: "b", issuer: authority, names: "DNS:x"))
        #expect(try !bad.handshake(of: borrowed).succeeded)
    }

    @Test(arguments: ["", ".", ".plant", "broker plant", "broker\u{0}.plant", "*.plant", "bröker"])
    func refusesWhatIsNoHost(_ host: String) {
        #expect {
            try ClientTLSContext(options: TLSClientOptions(caFile: authorityFile), host: host)
        } throws: { error in
            (error as? TLSError)?.code == .host
        }
    }

    @Test func saysWhatIsWrongWithATrustFile() throws {
        let empty = try folder.write("empty.pem", Array("no certificate here\n".utf8))
        let damaged = try folder.write(
            "damaged.pem", Array("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".utf8))
        for (file, words) in [
            ("\(folder.path)/missing.pem", "cannot be opened: No such file or directory"),
            (folder.path, "is not a regular file"),
            (empty, "holds no certificate in PEM form"),
            (damaged, "certificate 1 in it is damaged"),
        ] {
            do {
                _ = try ClientTLSContext(options: TLSClientOptions(caFile: file), host: "broker.plant")
                Issue.record("\(file) was accepted")
            } catch {
                #expect(error.description.hasPrefix("\(file): \(words)"))
            }
        }
    }
}
