import COpenSSL
import Glibc
import Testing

@testable import TLS

@Suite("The judge of certificates", .timeLimit(.minutes(2)))
struct PeerVerifierTests {
    private let folder: TemporaryFolder
    private let authority: ForgedCertificate
    private let file: String

    init() throws {
        folder = try TemporaryFolder()
        authority = try ForgedCertificate(subject: "Plant CA", isAuthority: true)
        file = try folder.write("ca.pem", authority.certificatePEM)
    }

    private func verifier(_ change: (inout TLSClientOptions) -> Void = { _ in }) throws -> PeerVerifier {
        var options = TLSClientOptions(caFile: file)
        change(&options)
        return try PeerVerifier(options: options, host: "localhost")
    }

    private func leaf(_ issuer: ForgedCertificate? = nil) throws -> ForgedCertificate {
        try ForgedCertificate(subject: "b", issuer: issuer ?? authority, names: "DNS:localhost")
    }

    @Test func whatIsNoChain() throws {
        let verifier = try verifier()
        let good = try leaf().certificateDER
        #expect(verifier.refusal(of: []) == "no certificate was shown")
        #expect(verifier.refusal(of: [good]) == nil)
        #expect(verifier.refusal(of: [good, good, good]) == nil)
        for garbage in [
            [], [0], [0x30], [0x30, 0x80], [UInt8](repeating: 0x30, count: 100_000), Array(good.dropLast()),
        ] {
            #expect(verifier.refusal(of: [garbage]) == "certificate cannot be read")
            #expect(verifier.refusal(of: [good, garbage]) == "certificate 2 cannot be read")
        }
        #expect(verifier.refusal(of: Array(repeating: good, count: 100)) == "100 certificates were shown, 16 are taken")
        // Without verification a crowd is nothing, but its first must be there.
        let blind = try self.verifier { $0.verifiesPeer = false }
        #expect(blind.refusal(of: []) == "no certificate was shown")
        #expect(blind.refusal(of: [[0]]) == "certificate cannot be read")
    }

    /// Each byte of a good certificate turned over: refused or, where nothing that counts has changed, never more than
    /// refused. Signatures cover all but a few bytes of the outer structure.
    @Test func aDamagedCertificateIsRefused() throws {
        let verifier = try verifier()
        let good = try leaf().certificateDER
        for index in good.indices {
            var bad = good
            bad[index] ^= 0x55
            #expect(verifier.refusal(of: [bad]) != nil, "byte \(index)")
        }
        for _ in 0..<2000 {
            var bad = good
            for _ in 0..<Int.random(in: 1...8) { bad[Int.random(in: bad.indices)] = .random(in: 0...255) }
            guard bad != good else { continue }
            #expect(verifier.refusal(of: [bad, bad]) != nil)
        }
    }

    /// What a certificate says goes into logs: on one line, and not without an end.
    @Test func wordsFromACertificateStayHarmless() throws {
        let verifier = try verifier()
        let names = (0..<200).map { "DNS:host-\($0).plant" }.joined(separator: ",")
        let many = try ForgedCertificate(subject: "a\nfatal: b\u{1b}[2J\u{7}", issuer: authority, names: names)
        let reason = try #require(verifier.refusal(of: [many.certificateDER]))
        #expect(reason.contains("and 192 more") && reason.utf8.count < 400, "\(reason)")
        let forged = try ForgedCertificate(subject: "a\nfatal: b\u{1b}[2J\u{7}", names: "DNS:localhost")
        let other = try #require(verifier.refusal(of: [forged.certificateDER]))
        #expect(other.contains("fatal") && other.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "\(other)")
    }

    /// Who only writes the authority's name into a certificate is refused for that, before a list is looked at.
    @Test func aForgedCertificateCostsNoLookAtLists() throws {
        let other = try ForgedCertificate(subject: "Other CA", isAuthority: true)
        let list = try folder.write("ca.crl", authority.revocationList(signedBy: other))
        let verifier = try verifier { $0.revocationFile = list }
        #expect(verifier.refusal(of: [try leaf().certificateDER])?.contains("was not signed with its key") == true)
        let forged = try leaf(try ForgedCertificate(subject: "Plant CA", isAuthority: true))
        let reason = try #require(verifier.refusal(of: [forged.certificateDER]))
        #expect(reason.hasPrefix("unknown authority: "), "\(reason)")
    }

    /// Issuers that differ in nothing but their keys: the search for a chain must not try them all in all orders.
    @Test func manyOfOneName() throws {
        let verifier = try verifier()
        var shown = [authority]
        for _ in 0..<14 {
            shown.append(
                try ForgedCertificate(subject: "Plant CA", issuer: shown[shown.count - 1], isAuthority: true))
        }
        let impostor = try ForgedCertificate(subject: "Plant CA", isAuthority: true)
        let leaf = try leaf(impostor)
        let begin = ContinuousClock.now
        #expect(verifier.refusal(of: ([leaf] + shown.dropFirst()).map(\.certificateDER)) != nil)
        #expect(ContinuousClock.now - begin < .seconds(5))
    }

    @Test func manyAtOnce() async throws {
        let list = try folder.write("ca.crl", authority.revocationList(of: [leaf()]))
        let verifier = try verifier { $0.revocationFile = list }
        let good = try leaf().certificateDER
        let other = try leaf(try ForgedCertificate(subject: "Other CA", isAuthority: true)).certificateDER
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<400 {
                group.addTask {
                    (verifier.refusal(of: [number.isMultiple(of: 2) ? good : other]) == nil) == number.isMultiple(of: 2)
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }

    @Test func systemTrust() throws {
        let verifier = try PeerVerifier(options: TLSClientOptions(), host: "localhost")
        let reason = verifier.refusal(of: [try leaf().certificateDER])
        #expect(reason == "unknown authority: certificate comes from CN = Plant CA, which is not trusted here")
        // The very same, where the system trusts it.
        let system = try folder.write("system.pem", authority.certificatePEM)
        setenv("SSL_CERT_FILE", system, 1)
        defer { unsetenv("SSL_CERT_FILE") }
        let trusting = try PeerVerifier(options: TLSClientOptions(), host: "localhost")
        #expect(trusting.refusal(of: [try leaf().certificateDER]) == nil)
    }

    @Test func files() throws {
        let missing = folder.path + "/none.crl"
        func problem(_ bytes: [UInt8]) throws -> TLSError? {
            let path = try folder.write("a.crl", bytes)
            return #expect(throws: TLSError.self) { try RevocationLists.load(path: path) }
        }
        #expect(throws: TLSError.self) { try RevocationLists.load(path: missing) }
        #expect(try problem([])?.reason.hasPrefix("holds no revocation list") == true)
        #expect(try problem(authority.certificatePEM)?.reason.hasPrefix("holds no revocation list") == true)
        let good = try authority.revocationList()
        // What a delta does not name would pass, whatever the base list beside it says.
        let delta = try authority.revocationList(extending: (NID_delta_crl, "critical,DER:02:01:01"))
        let isADelta =
            "in it is a delta, which names only what changed since another: put the complete (base) list there"
        #expect(try problem(delta)?.reason.hasPrefix("revocation list 1 " + isADelta) == true)
        #expect(try problem(good + delta)?.reason.hasPrefix("revocation list 2 " + isADelta) == true)
        #expect(try problem(Array(good.dropLast(60)))?.reason.hasPrefix("revocation list 1 in it is damaged") == true)
        let second = good + Array("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n".utf8)
        #expect(try problem(second)?.reason.hasPrefix("revocation list 2 in it is damaged") == true)
        let der = try authority.revocationList(isDER: true)
        #expect(try problem(der + [0])?.code == .contents)
        #expect(try problem(Array(der.dropLast()))?.code == .contents)
        let large = [UInt8](repeating: 0x41, count: (16 << 20) + 1)
        #expect(try problem(large)?.reason == "is larger than 16 MiB, so it is no revocation list")
        let path = try folder.write("a.crl", good + (try authority.revocationList(valid: -60..<3600)))
        let left = try #require(try CertificateTerm.ofRevocationLists(path)).until - CertificateTime.now
        #expect((3500...3600).contains(left))
    }

    @Test func pins() throws {
        let bytes = [UInt8](0..<32)
        let text = PublicKeyPin.text(bytes)
        #expect(text == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        #expect(PublicKeyPin.bytes(of: text) == bytes)
        for bad in [
            "", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",
            " AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8-", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
            "\u{e9}AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh=",
        ] {
            #expect(PublicKeyPin.bytes(of: bad) == nil, "\(bad)")
        }
        let certificate = try #require(Certificate(der: authority.certificateDER))
        #expect(certificate.publicKeyDigest == authority.publicKeyDigest)
    }
}
