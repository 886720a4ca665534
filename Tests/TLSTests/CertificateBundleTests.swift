import Foundation
import TLS
import TestPeers
import Testing

@Suite("Files with certificates", .timeLimit(.minutes(3)))
struct CertificateBundleTests {
    let forge: Forge
    let root: Forge.Issued
    let leaf: Forge.Issued

    init() async throws {
        forge = try Forge()
        root = try await forge.issue("Root", extensions: Forge.authority)
        leaf = try await forge.issue("gateway", by: root)
    }

    private func pkcs12(_ more: String..., password: String = "secret") async throws -> [UInt8] {
        let file = forge.path("\(UUID().uuidString).p12")
        try await runCommand(
            "openssl",
            [
                "pkcs12", "-export", "-in", leaf.certificate, "-inkey", leaf.key, "-certfile", root.certificate, "-out",
                file, "-passout", "pass:\(password)",
            ] + more)
        return try Forge.bytes(file)
    }

    private func whole(_ bytes: [UInt8], _ password: String? = nil) throws -> Bool {
        let bundle = try Forge.bundle(bytes, password: password)
        let plain = try Forge.bundle(leaf.bytes + root.bytes + leaf.keyBytes)
        return Set(bundle.certificates) == Set(plain.certificates) && bundle.keys == plain.keys
    }

    @Test func readsPKCS12() async throws {
        let file = try await pkcs12()
        #expect(try whole(file, "secret"))
        #expect(refusal { try Forge.bundle(file) } == "file1: is protected by a password: it is needed")
        for wrong in ["Secret", "", String(repeating: "x", count: 4000)] {
            #expect(refusal { try Forge.bundle(file, password: wrong) } == "file1: the password does not open it")
        }
        #expect(try await whole(pkcs12(password: "")))
        #expect(try await whole(pkcs12(password: "pässword"), "pässword"))
        #expect(try await whole(pkcs12("-nomac"), "secret"))
        let none = try await pkcs12("-nomac")
        #expect(refusal { try Forge.bundle(none, password: "wrong") }.contains("the password does not open"))
        #expect(try await whole(pkcs12("-keypbe", "NONE", "-certpbe", "NONE"), "secret"))
        #expect(
            try await whole(
                pkcs12("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"), "secret"))
    }

    @Test func saysHowToOpenOldPKCS12() async throws {
        let file = try await pkcs12("-legacy")
        #expect(
            refusal { try Forge.bundle(file, password: "secret") }
                == "file1: what it holds is encrypted with an old algorithm (RC2, DES) that OpenSSL has only in its "
                + "legacy provider: convert it with: openssl pkcs12 -legacy -in FILE -out FILE.pem")
    }

    /// The numbers of rounds are changed to ones that a computer would work on for long.
    @Test func refusesRoundsWithoutEnd() async throws {
        func more(_ bytes: [UInt8], last: Bool) throws -> [UInt8] {
            let number: [UInt8] = [0x02, 0x03, 0x01, 0x00, 0x00]
            let places = bytes.indices.dropLast(4).filter { bytes[$0..<$0 + 5].elementsEqual(number) }
            let place = try #require(last ? places.last : places.first)
            var bytes = bytes
            bytes.replaceSubrange(place..<place + 5, with: [0x02, 0x03, 0x7F, 0xFF, 0xFF])
            return bytes
        }
        let sentence =
            "file1: wants more rounds for its password than are reasonable (8388607; 4000000 are the limit): "
            + "have it made anew with fewer"
        let withCode = try await more(pkcs12("-iter", "65536"), last: true)
        #expect(refusal { try Forge.bundle(withCode, password: "secret") } == sentence)
        #expect(refusal { try Forge.bundle(withCode) } == sentence)
        let contents = try await more(pkcs12("-iter", "65536", "-nomac"), last: false)
        #expect(refusal { try Forge.bundle(contents, password: "secret") } == sentence)
        let key = forge.path("slow.der")
        try await forge.openssl(
            "pkcs8", "-topk8", "-in", leaf.key, "-out", key, "-iter", "65536", "-passout", "pass:x", "-outform", "DER")
        let slow = try more(Forge.bytes(key), last: true)
        #expect(refusal { try Forge.bundle(slow, password: "x") } == sentence)
        let base64 = Data(slow).base64EncodedString(options: .lineLength64Characters)
        let pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\(base64)\n-----END ENCRYPTED PRIVATE KEY-----\n"
        #expect(refusal { try Forge.bundle(Array(pem.utf8), password: "x") } == sentence)
        try await forge.openssl(
            "pkcs8", "-topk8", "-in", leaf.key, "-out", key, "-scrypt", "-scrypt_N", "1024", "-scrypt_r", "1",
            "-scrypt_p", "4096", "-passout", "pass:x")
        let scrypt = try Forge.bytes(key)
        #expect(refusal { try Forge.bundle(scrypt, password: "x") }.contains("(4194304; "))
    }

    @Test func readsDERAndPKCS7() async throws {
        let der = forge.path("leaf.cer"), p7b = forge.path("chain.p7b"), p7pem = forge.path("chain.pem")
        try await forge.openssl("x509", "-in", leaf.certificate, "-outform", "DER", "-out", der)
        let plain = try Forge.bundle(leaf.bytes)
        #expect(try Forge.bundle(Forge.bytes(der)).certificates == plain.certificates)
        for (file, form) in [(p7b, "DER"), (p7pem, "PEM")] {
            try await forge.openssl(
                "crl2pkcs7", "-nocrl", "-certfile", leaf.certificate, "-certfile", root.certificate, "-outform", form,
                "-out", file)
            #expect(try Forge.bundle(Forge.bytes(file)).certificates.count == 2)
        }
        let key = forge.path("key.der")
        try await forge.openssl("pkcs8", "-topk8", "-nocrypt", "-in", leaf.key, "-outform", "DER", "-out", key)
        #expect(try Forge.bundle(Forge.bytes(key)).keys.count == 1)
        try await forge.openssl(
            "pkcs8", "-topk8", "-in", leaf.key, "-outform", "DER", "-out", key, "-passout", "pass:x")
        #expect(try Forge.bundle(Forge.bytes(key), password: "x").keys.count == 1)
    }

    @Test func opensEncryptedKeys() async throws {
        let file = forge.path("locked.key")
        let plain = try Forge.bundle(leaf.keyBytes).keys
        for arguments in [["pkcs8", "-topk8"], ["pkcs8", "-topk8", "-scrypt"], ["ec", "-aes256"]] {
            try await runCommand(
                "openssl", arguments + ["-in", leaf.key, "-out", file, "-passout", "pass:long password"])
            let bytes = try Forge.bytes(file)
            #expect(try Forge.bundle(bytes, password: "long password").keys == plain, "\(arguments)")
            #expect(refusal { try Forge.bundle(bytes) }.contains("the key is encrypted: "))
            #expect(
                refusal { try Forge.bundle(bytes, password: "wrong") } == "file1: the password does not open the "
                    + "key")
        }
    }

    @Test func readsWhatPeopleSend() async throws {
        let text = String(decoding: try leaf.bytes, as: UTF8.self)
        let windows = Array(("\u{FEFF}Bag Attributes\r\n" + text.replacing("\n", with: "\r\n")).utf8)
        #expect(try Forge.bundle(windows).certificates.count == 1)
        let parameters = Array("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n".utf8)
        #expect(try Forge.bundle(parameters + leaf.keyBytes + leaf.bytes + leaf.bytes).certificates.count == 1)
        let trusted = try await forge.openssl("x509", "-in", leaf.certificate, "-trustout", "-addtrust", "serverAuth")
        let plain = try Forge.bundle(leaf.bytes)
        #expect(try Forge.bundle(Array(trusted.utf8)).certificates == plain.certificates)
    }

    @Test func saysWhatAFileIsNot() async throws {
        #expect(refusal { try Forge.bundle([]) } == "file1: is empty")
        let large = [UInt8](repeating: 0x41, count: 1 << 20)
        #expect(refusal { try Forge.bundle(large + [0]) }.hasPrefix("file1: is larger than 1 MiB"))
        #expect(
            refusal { try Forge.bundle(leaf.bytes, large) } == "file2: is, with the files before it, larger than "
                + "1 MiB")
        #expect(refusal { try Forge.bundle(large) }.hasPrefix("file1: holds no certificate and no key: PEM"))
        #expect(refusal { try Forge.bundle(leaf.bytes, Array("x".utf8)) }.hasPrefix("file2: holds no certificate"))
        #expect(refusal { try Forge.bundle([0x30, 0x03, 0x02, 0x01, 0x05]) }.hasPrefix("file1: is damaged, or no"))
        let damaged = try Array(leaf.bytes.dropLast(60))
        #expect(refusal { try Forge.bundle(damaged) } == "file1: PEM block 1 in it is damaged")
        var request = CertificateBundle()
        let made = try forge.store().request(subject: "CN=x")
        let said = refusal { try request.read(made.request.pem, path: "x.csr") }
        #expect(said.hasPrefix("x.csr: holds a certificate request: send it to the authority"))
        #expect(
            refusal { try request.read(path: "/nowhere") } == "/nowhere: cannot be opened: No such file or "
                + "directory")
    }

    @Test func boundsTheNumber() async throws {
        let plain = try Forge.bundle(root.bytes)
        let der = try #require(plain.certificates.first)
        // Different certificates by their signature, which nobody looks at here.
        var text: [UInt8] = []
        for number in 0..<101 {
            var other = der
            other[other.count - 1] = UInt8(number)
            let base64 = Data(other).base64EncodedString(options: .lineLength64Characters)
            text += Array("-----BEGIN CERTIFICATE-----\n\(base64)\n-----END CERTIFICATE-----\n".utf8)
        }
        let said = refusal { try Forge.bundle(text) }
        #expect(said == "file1: holds more than 100 certificates: leave those of the chain")
    }

    /// Whatever happens to a file on its way, reading it ends soon, with a bundle or an error, and the process lives.
    @Test func survivesDamage() async throws {
        let plain = try leaf.bytes + root.bytes + leaf.keyBytes
        let der = try Forge.bundle(leaf.bytes).certificates[0]
        let files = [
            plain, der, try await pkcs12("-iter", "1"), try await pkcs12("-iter", "1", "-nomac"),
            try await pkcs12("-keypbe", "NONE", "-certpbe", "NONE", "-nomac"),
        ]
        var random = SystemRandomNumberGenerator()
        let start = ContinuousClock.now
        var taken = 0
        for file in files {
            for _ in 0..<250 {
                var copy = file
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let place = Int.random(in: 0..<copy.count, using: &random)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: copy[place] = UInt8.random(in: 0...255, using: &random)
                    case 1: copy[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                    case 2: copy.removeSubrange(place..<min(copy.count, place + Int.random(in: 1...9, using: &random)))
                    default: copy.insert(contentsOf: copy.prefix(place).suffix(5), at: place)
                    }
                    if copy.isEmpty { copy = [0x30] }
                }
                guard let bundle = try? Forge.bundle(copy, password: "secret") else { continue }
                taken += 1
                _ = try? forge.store().importing(bundle)
            }
        }
        #expect(taken > 0)
        // Milliseconds each; the limit is for a machine that is a hundred times slower.
        #expect(ContinuousClock.now - start < .seconds(120))
    }
}
