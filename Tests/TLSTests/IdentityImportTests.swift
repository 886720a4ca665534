import Foundation
import TLS
import TestPeers
import Testing

@Suite("Importing certificates", .timeLimit(.minutes(3)))
struct IdentityImportTests {
    let forge: Forge
    let root: Forge.Issued
    let issuing: Forge.Issued
    let leaf: Forge.Issued

    init() async throws {
        forge = try Forge()
        root = try await forge.issue("Root", extensions: Forge.authority)
        issuing = try await forge.issue("Issuing", by: root, extensions: Forge.authority)
        leaf = try await forge.issue("gateway", by: issuing)
    }

    private func count(_ path: String) -> Int {
        ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").components(separatedBy: "BEGIN CERT").count - 1
    }

    @Test func putsTheChainInOrder() throws {
        let store = forge.store()
        let bundle = try Forge.bundle(root.bytes, issuing.bytes, leaf.bytes, leaf.keyBytes)
        let made = try store.importing(bundle)
        #expect(made.isChanged && made.oldFingerprint == nil && made.warnings == [])
        #expect(
            made.notes == [
                "the chain was not in order: the leaf comes first now",
                "the root CN = Root is left out: clients have it, or do not trust it",
            ])
        #expect(made.identity.isFromAuthority && made.identity.certificates.count == 2)
        #expect(try TLSIdentity.load(store.options) == made.identity)
        for file in [store.options.certificateFile, store.options.keyFile] {
            #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
        }
        let again = try store.importing(bundle)
        #expect(!again.isChanged)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: forge.folder.path).allSatisfy {
                !$0.hasSuffix("previous")
            })
    }

    @Test func namesWhatIsMissingAndWhatIsTooMuch() async throws {
        let other = try await forge.issue("other", by: root)
        let made = try forge.store().importing(Forge.bundle(leaf.bytes, other.bytes, leaf.keyBytes))
        #expect(made.notes == ["left out, it is not in the chain: CN = other"])
        #expect(made.warnings.count == 1)
        #expect(made.warnings.first?.hasPrefix("its issuer CN = Issuing is not among the files") == true)
        // An authority of the same name that has not signed it does not count.
        let impostor = try await forge.issue("Issuing", by: root, extensions: Forge.authority)
        let second = try forge.store().importing(Forge.bundle(leaf.bytes, impostor.bytes, root.bytes, leaf.keyBytes))
        #expect(second.identity.certificates.count == 1 && second.notes.count == 2)
        // Nor does one that is no authority.
        let server = try await forge.issue("Root", keyFile: root.key)
        let third = try forge.store().importing(
            Forge.bundle(leaf.bytes, issuing.bytes, server.bytes, leaf.keyBytes))
        #expect(third.notes.first == "left out, it is not in the chain: CN = Root")
        #expect(third.notes.last == "its chain ends below CN = Root, which is right if that is a root: clients have it")
        #expect(third.warnings.filter { $0.contains("issuer") } == [])
    }

    @Test func takesTheNewestOfSeveralWithOneKey() async throws {
        let expired = try await forge.issue("gateway", by: issuing, days: -1, keyFile: leaf.key)
        let made = try forge.store().importing(
            Forge.bundle(expired.bytes, leaf.bytes, issuing.bytes, root.bytes, leaf.keyBytes))
        let leafDER = try Forge.bundle(leaf.bytes).certificates
        #expect(made.identity.certificates.first == leafDER.first)
    }

    @Test func endsWhereAuthoritiesSignEachOther() async throws {
        let first = try await forge.issue("A", extensions: Forge.authority)
        let second = try await forge.issue("B", extensions: Forge.authority)
        let firstBySecond = try await forge.issue("A", by: second, extensions: Forge.authority, keyFile: first.key)
        let secondByFirst = try await forge.issue("B", by: first, extensions: Forge.authority, keyFile: second.key)
        let leaf = try await forge.issue("loop", by: first)
        let made = try forge.store().importing(
            Forge.bundle(leaf.bytes, firstBySecond.bytes, secondByFirst.bytes, leaf.keyBytes))
        #expect(made.identity.certificates.count == 3)
    }

    @Test func saysWhatIsWrongAndChangesNothing() async throws {
        let store = forge.store()
        try store.importing(Forge.bundle(leaf.bytes, issuing.bytes, leaf.keyBytes))
        let before = try TLSIdentity.load(store.options)
        func refused(_ issued: Forge.Issued, _ sentence: String, _ more: [UInt8] = []) throws {
            let said = refusal {
                try store.importing(Forge.bundle(issued.bytes + more, issued.keyBytes))
            }
            #expect(said.hasPrefix(sentence), "\(said)")
            #expect(try TLSIdentity.load(store.options) == before)
        }
        let ec = ["ec", "-pkeyopt"]
        try refused(
            Forge.Issued(certificate: leaf.certificate, key: root.key),
            "the key that was given does not belong to the certificate CN = gateway")
        try refused(
            try await forge.issue("old", by: issuing, days: -1), "the certificate CN = old has expired on 20")
        try refused(
            try await forge.issue("short", by: issuing, key: ["rsa:1024"]),
            "the key of the certificate CN = short is RSA 1024 bits: RSA of 2048 to 8192 bits, P-256, P-384 and P-521")
        try refused(
            try await forge.issue("curve", by: issuing, key: ec + ["ec_paramgen_curve:secp256k1"]),
            "the key of the certificate CN = curve is EC on the curve secp256k1: ")
        try refused(
            try await forge.issue("edwards", by: issuing, key: ["ed25519"]),
            "the key of the certificate CN = edwards is ED25519: ")
        try refused(
            try await forge.issue("sha", by: issuing, digest: "-sha1"),
            "the certificate CN = sha is signed with ecdsa-with-SHA1, which clients refuse")
        let base = "basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:gateway.plant\n"
        try refused(
            try await forge.issue("client", by: issuing, extensions: base + "extendedKeyUsage=clientAuth"),
            "the certificate CN = client is not meant for that (extended key usage without serverAuth): ")
        try refused(
            try await forge.issue("mail", by: issuing, extensions: base + "extendedKeyUsage=emailProtection"),
            "the certificate CN = mail is not meant for that")
        try refused(
            try await forge.issue("mute", by: issuing, extensions: base + "keyUsage=critical,keyEncipherment"),
            "the key of the certificate CN = mute may not sign (key usage without digitalSignature)")
        try refused(
            try await forge.issue("odd", by: issuing, extensions: base + "1.2.3.4=critical,ASN1:NULL"),
            "the certificate CN = odd has an extension that is damaged, or critical and unknown")
        try refused(
            try await forge.issue("nameless", by: issuing, extensions: "extendedKeyUsage=serverAuth"),
            "the certificate CN = nameless has no subject alternative name (DNS or IP)")
        let stale = try await forge.issue("Stale", by: root, extensions: Forge.authority, days: -1)
        try refused(
            try await forge.issue("late", by: stale), "the authority's certificate CN = Stale is valid only from",
            try stale.bytes)
        let weak = try await forge.issue("Weak", by: root, extensions: Forge.authority, key: ["rsa:1024"])
        try refused(
            try await forge.issue("under", by: weak),
            "the authority's certificate CN = Weak has a weak key or signature (RSA 1024 bits", try weak.bytes)
        let alone = refusal { try store.importing(Forge.bundle(root.bytes)) }
        #expect(
            alone.hasPrefix(
                "no key here belongs to the certificate CN = Root: give it with --key "
                    + "FILE"), "\(alone)")
        let key = refusal { try store.importing(Forge.bundle(root.keyBytes)) }
        #expect(key == "there is no certificate in what was given, only a key")
        #expect(try TLSIdentity.load(store.options) == before)
    }

    @Test func warnsOfNames() throws {
        func warnings(_ hosts: [String], _ addresses: [String], _ binds: [String] = []) throws -> [String] {
            try forge.store(hosts: hosts, addresses: addresses, binds: binds)
                .importing(Forge.bundle(leaf.bytes, issuing.bytes, root.bytes, leaf.keyBytes)).warnings
        }
        #expect(try warnings(["gateway.plant"], ["10.0.0.1"]) == [])
        #expect(
            try warnings(["gateway.plant", "gateway"], ["10.0.0.1", "10.0.0.2"])
                == ["it does not name gateway, 10.0.0.2: clients that use these names refuse it"])
        #expect(try warnings(["gateway.plant"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.1"]) == [])
        #expect(try warnings(["gateway.plant"], ["10.0.0.1", "10.0.0.2"], ["0.0.0.0"]).count == 1)
        #expect(try warnings(["gateway"], ["10.0.0.2"], ["127.0.0.1"]) == [])
    }

    @Test func takesAWildcardAndAClientCertificate() async throws {
        let star = try await forge.issue("star", by: root, extensions: "subjectAltName=DNS:*.plant")
        let made = try forge.store(hosts: ["gateway.plant"], addresses: [])
            .importing(Forge.bundle(star.bytes, root.bytes, star.keyBytes))
        #expect(made.warnings == [])
        let client = try await forge.issue("client", by: root, extensions: "extendedKeyUsage=clientAuth")
        let asClient = try forge.store(purposes: [.client])
            .importing(Forge.bundle(client.bytes, root.bytes, client.keyBytes))
        #expect(asClient.warnings == [])
        let server = refusal {
            try forge.store(purposes: [.client, .server])
                .importing(Forge.bundle(leaf.bytes, root.bytes, leaf.keyBytes))
        }
        #expect(server.contains("without clientAuth"))
    }

    @Test func keepsTheKeyEncryptedAndThePreviousPair() async throws {
        let store = forge.store(password: "pässword")
        try store.importing(Forge.bundle(leaf.bytes, issuing.bytes, leaf.keyBytes))
        let key = try String(contentsOfFile: store.options.keyFile, encoding: .utf8)
        #expect(key.hasPrefix("-----BEGIN ENCRYPTED PRIVATE KEY-----"))
        let first = try TLSIdentity.load(store.options)
        let second = try await forge.issue("gateway", by: root)
        let made = try store.importing(Forge.bundle(second.bytes, root.bytes, second.keyBytes))
        #expect(made.oldFingerprint == first.fingerprint)
        // Back again, with what was kept.
        var previous = CertificateBundle()
        try previous.read(path: store.options.certificateFile + ".previous")
        let locked = refusal { try Forge.bundle(Forge.bytes(store.options.keyFile + ".previous")) }
        #expect(locked == "file1: the key is encrypted: its password is needed")
        try previous.read(path: store.options.keyFile + ".previous", password: Secret("pässword"))
        let undone = try store.importing(previous)
        #expect(undone.identity == first)
        #expect(try TLSIdentity.load(store.options) == first)
    }

    @Test func asksForACertificateAndTakesIt() async throws {
        let store = forge.store()
        // Without a key of its own a new one waits, and a second request goes on with it.
        let first = try store.request(subject: "CN=press,O=Plant,C=DE")
        #expect(first.pendingKeyFile == forge.path("tls/factory.pending.key"))
        let again = try store.request(subject: "CN=press")
        #expect(again.request.pin == first.request.pin)
        let file = try forge.folder.write("request.csr", first.request.pem)
        let text = try await forge.openssl("req", "-in", file, "-noout", "-verify", "-text", "-nameopt", "RFC2253")
        #expect(text.contains("Subject: CN=press,O=Plant,C=DE"), "\(text)")
        #expect(text.contains("DNS:localhost, DNS:gateway.plant, IP Address:127.0.0.1, IP Address:10.0.0.1"))
        #expect(text.contains("Digital Signature") && text.contains("TLS Web Server Authentication"))
        // A request with another key does not make the first one worthless.
        let other = try store.request(subject: "CN=press", names: ["*.plant", "10.9.9.9"], newKey: .rsa3072)
        #expect(other.request.pin != first.request.pin && other.request.names == ["*.plant", "10.9.9.9"])
        #expect(store.describe(agents: []).pending.map(\.key) == ["RSA 3072 bits", "P-256"])
        let issued = try await forge.issue("press", by: root, request: file)
        let made = try store.importing(Forge.bundle(issued.bytes, root.bytes))
        let described = store.describe(agents: ["api"])
        #expect(described.certificate?.pin == first.request.pin && described.problem == nil)
        #expect(described.pending.map(\.pin) == [other.request.pin])
        #expect(described.certificate?.fingerprint == made.identity.fingerprint)
        // From now on the key is its own, and stays.
        let next = try store.request(subject: "CN=press")
        #expect(next.pendingKeyFile == nil && next.request.pin == first.request.pin)
        let nextFile = try forge.folder.write("next.csr", next.request.pem)
        let renewed = try await forge.issue("press", by: root, request: nextFile)
        #expect(try store.importing(Forge.bundle(renewed.bytes, root.bytes)).isChanged)
        #expect(store.describe(agents: []).certificate?.pin == first.request.pin)
    }

    @Test(arguments: [
        ("CN", "the subject CN is none: each part is"), ("", "the subject  is none: give it as"),
        ("CN=a,XY=b", "the subject has an unknown part XY"), ("C=Germany", "the subject's part C cannot be so: "),
        ("CN=#0500", "the subject CN=#0500 is none"),
    ])
    func refusesSubjects(_ subject: String, _ sentence: String) {
        let said = refusal { try forge.store().request(subject: subject) }
        #expect(said.hasPrefix(sentence), "\(said)")
    }

    @Test(arguments: [
        "a b", "", "a@b", "*.10.0.0.1", "http://x", "a\nb", "*", "10.0.0.999", "10.0.1", "press.7", "1234",
        "press..plant", ".press", "press.",
    ]) func refusesNames(_ name: String) {
        let said = refusal { try forge.store().request(subject: "CN=a", names: [name]) }
        #expect(said.hasSuffix("is no host name and no address"), "\(said)")
    }

    @Test func leavesLinksToWhoMadeThem() throws {
        let store = forge.store()
        try FileManager.default.createSymbolicLink(
            atPath: store.options.certificateFile, withDestinationPath: leaf.certificate)
        let said = refusal {
            try store.importing(Forge.bundle(leaf.bytes, issuing.bytes, leaf.keyBytes))
        }
        #expect(said.contains("is a symbolic link, so something else looks after it"))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: forge.folder.path).allSatisfy { !$0.hasSuffix(".next") }
        )
    }

    @Test func keepsPendingKeysInItsFolderWhateverTheIdentityIsCalled() throws {
        let options = TLSIdentityOptions(
            name: "../../Ü/x y", certificateFile: forge.path("a.pem"), keyFile: forge.path("a.key"))
        let store = IdentityStore(
            options, dataDirectory: forge.folder.path, purposes: [],
            machine: MachineNames(hostNames: ["x"], addresses: []))
        let made = try store.request(subject: "CN=x")
        #expect(made.pendingKeyFile == forge.path("tls/%2e%2e%2f%2e%2e%2f%c3%bc%2fx%20y.pending.key"))
    }

    /// A loss of power at any moment of a replacement leaves a pair that belongs together.
    @Test func leavesAPairWhereverItIsCutShort() async throws {
        let store = forge.store()
        let files = FileManager.default
        let (certificate, key) = (store.options.certificateFile, store.options.keyFile)
        let next = key + ".next"
        try store.importing(Forge.bundle(leaf.bytes, issuing.bytes, leaf.keyBytes))
        let first = try TLSIdentity.load(store.options)
        let (oldCertificate, oldKey) = (try Forge.bytes(certificate), try Forge.bytes(key))
        let second = try await forge.issue("gateway", by: root)
        // It ends where the certificate is to be written, by a directory in the way: the old pair.
        try files.createDirectory(atPath: certificate + ".new", withIntermediateDirectories: false)
        let stopped = refusal { try store.importing(Forge.bundle(second.bytes, root.bytes, second.keyBytes)) }
        #expect(stopped.contains("cannot be written"), "\(stopped)")
        #expect(try TLSIdentity.load(store.options) == first)
        try files.removeItem(atPath: certificate + ".new")
        // Before the certificate is there: the old pair, whatever waits beside it.
        try forge.folder.write("gateway.key.next", second.keyBytes)
        #expect(try TLSIdentity.load(store.options) == first)
        try forge.folder.write("gateway.key.next", Array("half a k".utf8))
        #expect(try TLSIdentity.load(store.options) == first)
        let made = try store.importing(Forge.bundle(second.bytes, root.bytes, second.keyBytes)).identity
        #expect(!files.fileExists(atPath: next))
        // After the certificate is there and before the key is: the new pair.
        try files.moveItem(atPath: key, toPath: next)
        #expect(try TLSIdentity.load(store.options) == made)
        try forge.folder.write("gateway.key", oldKey)
        #expect(try TLSIdentity.load(store.options) == made)
        #expect(store.describe(agents: []).problem == nil)
        #expect(try store.request(subject: "CN=x").request.pin == store.describe(agents: []).certificate?.pin)
        // The next import ends what was cut short, and keeps the pair that was in force.
        let back = try store.importing(Forge.bundle(oldCertificate, oldKey))
        #expect(back.identity == first && back.oldFingerprint == made.fingerprint)
        #expect(!files.fileExists(atPath: next))
        var previous = CertificateBundle()
        try previous.read(path: certificate + ".previous")
        try previous.read(path: key + ".previous")
        let again = try store.importing(previous)
        #expect(again.identity == made)
        // A key that others can read is none, wherever it lies.
        try files.moveItem(atPath: key, toPath: next)
        try files.setAttributes([.posixPermissions: 0o644], ofItemAtPath: next)
        #expect(refusal { try TLSIdentity.load(store.options) }.contains("the key is open to everybody"))
    }

    @Test func replacesOneFileThatHoldsBoth() async throws {
        let both = forge.path("both.pem")
        let store = IdentityStore(
            TLSIdentityOptions(name: "both", certificateFile: both, keyFile: both), dataDirectory: forge.folder.path,
            purposes: [.server], machine: MachineNames(hostNames: ["gateway.plant"], addresses: []))
        try store.importing(Forge.bundle(leaf.bytes, issuing.bytes, leaf.keyBytes))
        let first = try TLSIdentity.load(store.options)
        let second = try await forge.issue("gateway", by: root)
        try store.importing(Forge.bundle(second.bytes, second.keyBytes))
        #expect(try TLSIdentity.load(store.options).fingerprint != first.fingerprint)
        var previous = CertificateBundle()
        try previous.read(path: both + ".previous")
        #expect(try store.importing(previous).identity == first)
    }

    /// What an attacker who made the file would have it do.
    @Test func isNotFooledByWhatAFileSays() async throws {
        // A subject that would rewrite the terminal's line, and one that reads from right to left.
        let evil = try await forge.issue("x\u{9B}2K\u{202E}y", by: root)
        let said = refusal { try forge.store().importing(Forge.bundle(evil.bytes)) }
        #expect(said.contains("CN = x?2K?y"), "\(said)")
        // A certificate that no client would take for its size.
        let names = (0..<4000).map { "DNS:host-\($0).plant.example" }.joined(separator: ",")
        let fat = try await forge.issue("fat", by: root, extensions: "subjectAltName=\(names)")
        let size = refusal { try forge.store().importing(Forge.bundle(fat.bytes, fat.keyBytes)) }
        #expect(size.contains("bytes; clients refuse more than 65536"), "\(size)")
        // Two whole identities: one is taken, the other is named.
        let other = try await forge.issue("other", by: root)
        let made = try forge.store().importing(
            Forge.bundle(leaf.bytes, other.bytes, other.keyBytes, leaf.keyBytes, root.bytes))
        #expect(made.identity.subject == "CN = other")
        #expect(made.notes.contains("left out, it is not in the chain: CN = gateway"))
        // A key that is none, and one whose public half belongs to the certificate and whose private half does not.
        func given(_ key: [UInt8]) throws -> String {
            let bundle = CertificateBundle(
                certificates: try Forge.bundle(leaf.bytes).certificates, keys: [Secret(bytes: key)])
            return refusal { try forge.store().importing(bundle) }
        }
        #expect(try given([0x30, 0x03, 2, 1, 0]) == "the private key is damaged")
        let own = try #require(try Forge.bundle(leaf.keyBytes).keys.first).bytes
        let foreign = try #require(try Forge.bundle(other.keyBytes).keys.first).bytes
        // PKCS#8 of a P-256 key ends with its public point: 0x04 and 64 bytes.
        #expect(own.count == foreign.count && own.suffix(65).first == 0x04)
        let mixed = Array(foreign.dropLast(65) + own.suffix(65))
        #expect(try given(mixed) == "the private key is damaged: its two halves do not belong together")
        #expect(try given(own) == "it was taken")
    }

    /// A key that is there and cannot be read is the trouble, not a key that is missing; and it is not overwritten.
    @Test func aKeyThatMayNotBeRead() async throws {
        let store = forge.store()
        try store.importing(Forge.bundle(leaf.bytes, issuing.bytes, leaf.keyBytes))
        let before = try Forge.bytes(store.options.keyFile)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: store.options.keyFile)
        let renewed = try await forge.issue("gateway", by: issuing, keyFile: leaf.key)
        let alone = refusal { try store.importing(Forge.bundle(renewed.bytes)) }
        #expect(alone.contains("gateway.key: the key is open to everybody"), "\(alone)")
        #expect(alone.contains("it may be the key of the certificate CN = gateway, and no other is here"), "\(alone)")
        let other = try await forge.issue("gateway", by: issuing)
        let over = refusal { try store.importing(Forge.bundle(other.bytes, other.keyBytes)) }
        #expect(over.contains("gateway.key: the key is open to everybody"), "\(over)")
        #expect(try Forge.bytes(store.options.keyFile) == before)
    }

    /// The machine stopped between the two renames of a replacement, and the certificate cannot be read now.
    @Test func aKeyThatMayBeNeededIsNotDeleted() async throws {
        let store = forge.store()
        try store.importing(Forge.bundle(leaf.bytes, issuing.bytes, leaf.keyBytes))
        let next = store.options.keyFile + ".next"
        try FileManager.default.copyItem(atPath: leaf.key, toPath: next)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: next)
        try Data("rubbish".utf8).write(to: URL(fileURLWithPath: store.options.certificateFile))
        let other = try await forge.issue("gateway", by: issuing)
        let bundle = try Forge.bundle(other.bytes, other.keyBytes)
        let said = refusal { try store.importing(bundle) }
        #expect(said.contains("nobody can tell whether \(next), from a replacement that was cut short"), "\(said)")
        #expect(FileManager.default.fileExists(atPath: next))
        try FileManager.default.removeItem(atPath: next)
        #expect(refusal { try store.importing(bundle) } == "it was taken")
    }

    /// OpenSSL could not open the key again.
    @Test func aPasswordThatIsTooLong() throws {
        let bundle = try Forge.bundle(leaf.bytes, issuing.bytes, leaf.keyBytes)
        let long = forge.store(password: String(repeating: "x", count: 1025))
        #expect(refusal { try long.importing(bundle) } == "the password of the key has more than 1024 bytes")
        #expect(!FileManager.default.fileExists(atPath: long.options.keyFile))
        let longest = forge.store(password: String(repeating: "x", count: 1024))
        try longest.importing(bundle)
        #expect(try TLSIdentity.load(longest.options).subject == "CN = gateway")
    }

    @Test func warnsOfAnAuthorityThatEndsSoon() async throws {
        let brief = try await forge.issue("Brief", by: root, extensions: Forge.authority, days: 10)
        let own = try await forge.issue("gateway", by: brief)
        let made = try forge.store().importing(Forge.bundle(own.bytes, brief.bytes, own.keyBytes))
        #expect(made.warnings.contains { $0.hasPrefix("the authority's certificate CN = Brief expires on ") })
        #expect(made.identity.validUntil - Int64(Date.now.timeIntervalSince1970) <= 10 * 86_400)
    }
}
