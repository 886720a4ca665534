import COpenSSL
import TLS
import Testing

@Suite("Identities from files", .timeLimit(.minutes(1)))
struct TLSIdentityTests {
    let folder: TemporaryFolder
    let authority: ForgedCertificate
    let leaf: ForgedCertificate

    init() throws {
        folder = try TemporaryFolder()
        authority = try ForgedCertificate(subject: "Plant CA", isAuthority: true)
        leaf = try ForgedCertificate(subject: "gateway", issuer: authority, names: "DNS:gateway.plant,IP:10.0.0.1")
    }

    private func load(
        _ certificates: [UInt8], _ key: [UInt8], password: String? = nil, mode: Int = 0o600
    ) throws -> TLSIdentity {
        try TLSIdentity.load(
            TLSIdentityOptions(
                name: "factory", certificateFile: folder.write("chain.pem", certificates),
                keyFile: folder.write("gateway.key", key, mode: mode), keyPassword: password.map { Secret($0) }))
    }

    private func problem(
        _ certificates: [UInt8], _ key: [UInt8], password: String? = nil, mode: Int = 0o600
    ) -> TLSError? {
        do {
            _ = try load(certificates, key, password: password, mode: mode)
            return nil
        } catch {
            return error as? TLSError
        }
    }

    @Test(arguments: [0o600, 0o400, 0o440, 0o640]) func loadsAChain(_ mode: Int) throws {
        let identity = try load(leaf.certificatePEM + authority.certificatePEM, leaf.keyPEM, mode: mode)
        #expect(identity.certificates.count == 2)
        #expect(identity.subject == "CN = gateway")
        #expect(identity.alternativeNames == ["gateway.plant", "10.0.0.1"])
        #expect("\(identity.privateKey)" == "(secret)")
    }

    @Test(arguments: [0o604, 0o644, 0o666, 0o601]) func refusesAnOpenKey(_ mode: Int) throws {
        let error = try #require(problem(leaf.certificatePEM, leaf.keyPEM, mode: mode))
        #expect(error.code == .permissions)
        #expect(
            error.description
                == "\(folder.path)/gateway.key: the key is open to everybody on this machine (mode 0\(String(mode, radix: 8))): chmod 600 it, and replace it if others had access"
        )
    }

    @Test func opensAnEncryptedKey() throws {
        let key = leaf.encryptedKeyPEM(password: "pässword")
        #expect(try load(leaf.certificatePEM, key, password: "pässword").subject == "CN = gateway")
        #expect(problem(leaf.certificatePEM, key)?.reason == "the key is encrypted: give its password (key-password)")
        let tooLong = String(repeating: "x", count: 5000)
        for wrong in ["password", "", tooLong] {
            let error = problem(leaf.certificatePEM, key, password: wrong)
            #expect(error?.reason == "the password does not open the key")
        }
    }

    @Test func refusesWhatDoesNotBelongTogether() throws {
        let other = try ForgedCertificate(subject: "other")
        #expect(problem(leaf.certificatePEM, other.keyPEM)?.code == .mismatch)
        let order = problem(authority.certificatePEM + leaf.certificatePEM, leaf.keyPEM)
        #expect(order?.reason.hasSuffix("belongs to certificate 2 in it: put that one first, then its issuers") == true)
    }

    @Test func refusesWhatIsNotValid() throws {
        let expired = try ForgedCertificate(subject: "g", issuer: authority, valid: -86_400 ..< -60)
        #expect(problem(expired.certificatePEM, expired.keyPEM)?.code == .expired)
        let future = try ForgedCertificate(subject: "g", issuer: authority, valid: 3600..<86_400)
        #expect(problem(future.certificatePEM, future.keyPEM)?.code == .notYetValid)
        let weak = try ForgedCertificate(subject: "g", issuer: authority, key: .rsa(bits: 1024))
        #expect(problem(weak.certificatePEM, weak.keyPEM)?.code == .weakKey)
    }

    @Test func refusesWhatIsNoCertificateOrKey() throws {
        #expect(problem([], leaf.keyPEM)?.code == .contents)
        #expect(problem(leaf.keyPEM, leaf.keyPEM)?.code == .contents)
        #expect(problem(leaf.certificatePEM, leaf.certificatePEM)?.code == .contents)
        #expect(problem(leaf.certificatePEM, Array(leaf.keyPEM.dropLast(60)))?.code == .contents)
        let large = [UInt8](repeating: 0x41, count: (1 << 20) + 1)
        #expect(problem(large, leaf.keyPEM)?.reason.contains("larger than 1 MiB") == true)
    }
}
