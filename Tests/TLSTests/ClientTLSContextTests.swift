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

    @Test func acceptsAnIntermediateAndAWholeWildcard() throws {
        let intermediate = try ForgedCertificate(subject: "Line CA", issuer: authority, isAuthority: true)
        let leaf = try ForgedCertificate(subject: "broker", issuer: intermediate, names: "DNS:*.line.plant")
        #expect(try outcome(leaf, chain: [intermediate], asking: "broker.line.plant").succeeded)
        let missing = try outcome(leaf, asking: "broker.line.plant")
        #expect(!missing.succeeded)
        #expect(missing.failure == "unknown authority: certificate comes from CN = Line CA, which is not trusted here")
    }

    struct Bad: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let make: @Sendable (ForgedCertificate) throws -> ForgedCertificate
        let reason: String
        var host = "broker.plant"

        init(
            _ description: String, host: String = "broker.plant", reason: String,
            make: @escaping @Sendable (ForgedCertificate) throws -> ForgedCertificate
        ) {
            testDescription = description
            self.host = host
            self.reason = reason
            self.make = make
        }
    }

    static let bad: [Bad] = [
        Bad("expired", reason: "certificate has expired on ") {
            try ForgedCertificate(subject: "b", issuer: $0, names: "DNS:broker.plant", valid: -86_400 ..< -60)
        },
        Bad("not yet valid", reason: "certificate is valid only from ") {
            try ForgedCertificate(subject: "b", issuer: $0, names: "DNS:broker.plant", valid: 3600..<86_400)
        },
        Bad(
            "wrong host",
            reason: "host name mismatch: certificate is for other.plant, 10.0.0.1; asked for broker.plant"
        ) {
            try ForgedCertificate(subject: "broker.plant", issuer: $0, names: "DNS:other.plant,IP:10.0.0.1")
        },
        Bad("wrong address", host: "127.0.0.2", reason: "certificate is for 127.0.0.1; asked for 127.0.0.2") {
            try ForgedCertificate(subject: "127.0.0.2", issuer: $0, names: "IP:127.0.0.1")
        },
        Bad("an address written as a DNS name", host: "127.0.0.1", reason: "host name mismatch") {
            try ForgedCertificate(subject: "b", issuer: $0, names: "DNS:127.0.0.1")
        },
        Bad("common name only", reason: "has no subject alternative name; asked for broker.plant") {
            try ForgedCertificate(subject: "broker.plant", issuer: $0)
        },
        Bad("partial wildcard", reason: "host name mismatch") {
            try ForgedCertificate(subject: "b", issuer: $0, names: "DNS:br*.plant")
        },
        Bad("wildcard over two labels", host: "a.b.line.plant", reason: "host name mismatch") {
            try ForgedCertificate(subject: "b", issuer: $0, names: "DNS:*.line.plant")
        },
        Bad("another authority", reason: "unknown authority: certificate comes from CN = Other CA, which is not") { _ in
            let other = try ForgedCertificate(subject: "Other CA", isAuthority: true)
            return try ForgedCertificate(subject: "b", issuer: other, names: "DNS:broker.plant")
        },
        Bad("another authority of the same name", reason: "unknown authority: certificate bears the name of CN = Plant")
        {
            _ in
            let impostor = try ForgedCertificate(subject: "Plant CA", isAuthority: true)
            return try ForgedCertificate(subject: "b", issuer: impostor, names: "DNS:broker.plant")
        },
        Bad("self-signed", reason: "certificate (CN = b) is self-signed and not among the trusted ones") { _ in
            try ForgedCertificate(subject: "b", names: "DNS:broker.plant")
        },
        Bad("weak key", reason: "certificate has a weak key (80 bits of security, 112 are needed)") {
            try ForgedCertificate(subject: "b", issuer: $0, names: "DNS:broker.plant", key: .rsa(bits: 1024))
        },
        Bad("wrong purpose", reason: "is not meant for a TLS server") {
            try ForgedCertificate(subject: "b", issuer: $0, names: "DNS:broker.plant", usage: "clientAuth")
        },
        Bad("issued by a certificate that is no authority", reason: "unknown authority") {
            let leaf = try ForgedCertificate(subject: "leaf", issuer: $0, names: "DNS:x")
            return try ForgedCertificate(subject: "b", issuer: leaf, names: "DNS:broker.plant")
        },
    ]

    @Test(arguments: bad)
    func refuses(_ bad: Bad) throws {
        for version in [TLS1_3_VERSION, TLS1_2_VERSION] {
            let outcome = try outcome(bad.make(authority), asking: bad.host, highestVersion: version)
            #expect(!outcome.succeeded)
            #expect(outcome.failure?.contains(bad.reason) == true, "\(outcome.failure ?? "no reason")")
        }
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
        client = nil
        // The verify callback still finds its record: the borrower's reference keeps both.
        #expect(SSL_get_SSL_CTX(borrowed) != nil)
        SSL_free(borrowed)
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
