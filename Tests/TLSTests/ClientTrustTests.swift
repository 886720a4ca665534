import TestPeers
import Testing

@testable import TLS

@Suite("Client certificates and their authorities", .timeLimit(.minutes(2)))
struct ClientTrustTests {
    @Test(arguments: [
        ("CN=scada,O=Plant", "CN=scada,O=Plant"), (" cn = scada , o = Plant ", "CN=scada,O=Plant"),
        ("CN=a\\,b", "CN=a\\,b"), ("CN=a\\2Cb", "CN=a\\,b"), ("CN=a+UID=7", "CN=a+UID=7"),
        ("CN=M\u{fc}ller", "CN=M\u{fc}ller"), ("CN=M\\C3\\BCller", "CN=M\u{fc}ller"),
        ("CN=\\ a\\ ", "CN=\\ a\\ "), ("1.2.3=#0401FF", "1.2.3=#0401FF"), ("CN=\\#a", "CN=\\#a"),
        ("CN=a b", "CN=a b"), ("CN=a\\00b", "CN=a\\00b"), ("CN=a\\\\", "CN=a\\\\"), ("", ""),
    ])
    func subjects(_ text: String, _ canonical: String) throws {
        let name = try DistinguishedName(parsing: text)
        #expect(name.description == canonical)
        #expect(try DistinguishedName(parsing: canonical) == name)
    }

    @Test(arguments: [
        ("CN=a", "CN=A"), ("CN=a,O=b", "O=b,CN=a"), ("CN=a", "CN=a,O=b"), ("CN=a\\,O\\=b", "CN=a,O=b"),
        ("CN=a+O=b", "CN=a,O=b"), ("CN=a\\00", "CN=a"), ("CN=a\\ ", "CN=a"), ("CN=#0401", "CN=\\#0401"),
        ("CN=\u{e9}", "CN=e\u{301}"),
    ])
    func subjectsThatAreNotTheSame(_ one: String, _ other: String) throws {
        let (left, right) = (try DistinguishedName(parsing: one), try DistinguishedName(parsing: other))
        #expect(left != right)
    }

    @Test(arguments: [
        "a", "=a", "CN=", "CN=a,", ",CN=a", "CN=a;O=b", "CN=\"a\"", "CN=a\\", "CN=a,,O=b", "C N=a", "CN=a+",
    ])
    func noSubjects(_ text: String) {
        #expect(throws: DistinguishedName.Failure.self) { try DistinguishedName(parsing: text) }
    }

    /// What a session that is resumed is held against.
    @Test func whatEndsWithTime() throws {
        let folder = try TemporaryFolder()
        let root = try ForgedCertificate(subject: "Plant CA", isAuthority: true, valid: -60..<9000)
        let other = try ForgedCertificate(subject: "Other CA", isAuthority: true, valid: -60..<6000)
        let own = try ForgedCertificate(subject: "scada", issuer: root, usage: "clientAuth").certificateDER
        let foreign = try ForgedCertificate(subject: "scada", issuer: other, usage: "clientAuth").certificateDER
        let roots = try folder.write("ca.pem", root.certificatePEM + other.certificatePEM)
        let lists = try folder.write(
            "ca.crl",
            root.revocationList(valid: -60..<600) + root.revocationList(valid: -60..<3000)
                + other.revocationList(valid: -60..<300))
        let now = CertificateTime.now
        let trust = try ClientTrust.load(caFile: roots, revocationFile: lists, isRequired: true)
        #expect(trust.lapse(of: own, now: now + 2900) == nil)
        #expect(trust.lapse(of: foreign, now: now + 200) == nil)
        let lapse = try #require(trust.lapse(of: foreign, now: now + 400))
        #expect(lapse.hasPrefix("the revocation list of CN = Other CA has expired on "), "\(lapse)")
        #expect(trust.lapse(of: own, now: now + 3100)?.hasPrefix("the revocation list of CN = Plant CA has") == true)
        let alone = try ClientTrust.load(caFile: roots, isRequired: true)
        #expect(alone.lapse(of: foreign, now: now + 8900) == nil)
        #expect(alone.lapse(of: own, now: now + 9100)?.hasPrefix("every root that is trusted here has expired") == true)
    }

    @Test func kindsOfNames() {
        #expect(AlternativeName(parsing: "SCADA.Plant") == .host("scada.plant"))
        #expect(AlternativeName(parsing: "::1") == .address("::1"))
        #expect(AlternativeName(parsing: "10.0.0.1") == .address("10.0.0.1"))
        #expect(AlternativeName(parsing: "a@b.example") == .email("a@b.example"))
        #expect(AlternativeName(parsing: "spiffe://plant/a") == .uri("spiffe://plant/a"))
        for text in ["", "*.plant", "a b", "\u{e9}", ":x", "1:x", "a/b"] {
            #expect(AlternativeName(parsing: text) == nil, "\(text)")
        }
    }

    @Test func whatACertificateSays() async throws {
        let authority = try await DemoAuthority()
        let files = try await authority.issue(
            "sc,ada", organization: "Plant",
            names: ["DNS:Scada.example", "IP:10.0.0.1", "email:a@b.example", "URI:urn:plant:7"], usage: .client)
        let pem = try BoundedFile(path: files.certificateFile).bytes
        let der = try Certificate.all(inPEM: pem, path: "x")[0].der
        let certificate = try ClientCertificate(der: der)
        #expect(certificate.name == "CN=sc\\,ada,O=Plant")
        #expect(
            certificate.alternativeNames == [
                .host("scada.example"), .address("10.0.0.1"), .email("a@b.example"), .uri("urn:plant:7"),
            ])
        #expect(!certificate.hasExpired() && certificate.hasExpired(now: certificate.validUntil + 1))
        #expect(throws: TLSError.self) { try ClientCertificate(der: [0x30, 0x00]) }
    }

    private func load(_ certificates: [ForgedCertificate]) throws -> ClientTrust {
        let directory = try TemporaryDirectory()
        let text = certificates.map { String(decoding: $0.certificatePEM, as: UTF8.self) }.joined()
        return try ClientTrust.load(caFile: directory.write(text, to: "ca.pem"), isRequired: true)
    }

    @Test func authorities() throws {
        let root = try ForgedCertificate(subject: "root", isAuthority: true)
        let other = try ForgedCertificate(subject: "other", isAuthority: true)
        let between = try ForgedCertificate(subject: "between", issuer: root, isAuthority: true)
        #expect(try load([root]).authorities.count == 1)
        #expect(try load([between, root]).authorities.count == 2)
        #expect(try load([root]).fingerprint != load([other]).fingerprint)
        func code(_ certificates: [ForgedCertificate]) -> TLSError.Code? {
            #expect(throws: TLSError.self) { try load(certificates) }?.code
        }
        #expect(code([try ForgedCertificate(subject: "leaf", usage: "clientAuth")]) == .contents)
        #expect(code([between]) == .contents)
        let old = try ForgedCertificate(subject: "old", isAuthority: true, valid: -100 ..< -10)
        #expect(code([old]) == .expired)
        #expect(try load([old, root]).authorities.count == 2)
        let weak = try ForgedCertificate(subject: "weak", isAuthority: true, key: .rsa(bits: 1024))
        #expect(code([weak]) == .weakKey)
        #expect(throws: TLSError.self) { try ClientTrust.load(caFile: "/nowhere.pem", isRequired: false) }
    }
}
