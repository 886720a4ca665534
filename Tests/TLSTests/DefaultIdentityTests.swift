import Foundation
import TLS
import Testing

@Suite("The default identity", .timeLimit(.minutes(1)))
struct DefaultIdentityTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func ensure(
        hostNames: [String] = ["localhost", "Press-Shop"], addresses: [String] = ["127.0.0.1", "::1"], now: Int64? = nil
    ) throws -> TLSIdentity {
        try DefaultIdentity.ensure(
            directory: folder.path, commonName: "press-shop", hostNames: hostNames, addresses: addresses, now: now)
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func isMadeForItsOwnerOnlyAndReused() throws {
        let first = try ensure()
        #expect(try mode("\(folder.path)/tls") == 0o700)
        #expect(try mode(DefaultIdentity.keyFile(dataDirectory: folder.path)) == 0o600)
        let certificate = DefaultIdentity.certificateFile(dataDirectory: folder.path)
        #expect(try mode(certificate) == 0o600)
        #expect(first.alternativeNames == ["localhost", "press-shop", "127.0.0.1", "::1"])
        #expect(first.subject == "CN = press-shop")
        #expect(first.fingerprint.count == 95)
        let days = (first.validUntil - Int64(Date.now.timeIntervalSince1970)) / 86_400
        #expect((364...365).contains(days))
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: certificate)
        #expect(try ensure() == first)
        #expect(try mode(certificate) == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/tls").count == 2)
    }

    @Test func isRenewedWithTheSameKey() throws {
        let first = try ensure()
        let early = try ensure(now: first.validUntil - 31 * 86_400)
        #expect(early == first)
        let late = first.validUntil - 30 * 86_400
        let renewed = try ensure(now: late)
        #expect(renewed.fingerprint != first.fingerprint)
        #expect(renewed.privateKey == first.privateKey)
        #expect(renewed.validUntil == late + 365 * 86_400)
        let long = try ensure(now: renewed.validUntil + 86_400)
        #expect(long.privateKey == first.privateKey)
    }

    @Test func isRenewedForAHostNameButNotForAnAddress() throws {
        let first = try ensure()
        let fewer = try ensure(addresses: ["127.0.0.1"])
        #expect(fewer == first)
        // An address that has come does not cost the fingerprint that people have noted.
        let addresses = ["127.0.0.1", "10.1.2.3", "fe80::1%eth0"]
        #expect(try ensure(addresses: addresses) == first)
        func missing(_ identity: TLSIdentity) -> [String] {
            DefaultIdentity.missingNames(
                in: identity, hostNames: ["localhost", "PRESS-SHOP", "x.plant"], addresses: addresses)
        }
        #expect(missing(first) == ["x.plant", "10.1.2.3", "fe80::1"])
        let more = try ensure(hostNames: ["localhost", "Press-Shop", "x.plant"], addresses: addresses)
        #expect(more.alternativeNames == ["localhost", "press-shop", "x.plant", "127.0.0.1", "10.1.2.3", "fe80::1"])
        #expect(missing(more) == [])
        #expect(more.privateKey == first.privateKey)
        #expect(try ensure(hostNames: ["else.plant"]).alternativeNames.first == "else.plant")
    }

    /// Whether a damaged one was made here or imported nobody can tell.
    @Test(arguments: ["", "rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
    func putsNothingInThePlaceOfADamagedCertificate(_ contents: String) throws {
        let first = try ensure()
        let certificate = DefaultIdentity.certificateFile(dataDirectory: folder.path)
        try Data(contents.utf8).write(to: URL(fileURLWithPath: certificate))
        let renewing = {
            try DefaultIdentity.renew(
                directory: folder.path, commonName: "press-shop", machine: MachineNames(hostNames: [], addresses: []))
        }
        for said in [
            refusal { try ensure() }, refusal { try DefaultIdentity.check(dataDirectory: folder.path) },
            refusal(renewing),
        ] {
            #expect(
                said.hasSuffix("or remove the file to have the self-signed one made anew with the same key"), "\(said)")
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: certificate)) == Data(contents.utf8))
        try FileManager.default.removeItem(atPath: certificate)
        let second = try ensure()
        #expect(second.privateKey == first.privateKey && second.fingerprint != first.fingerprint)
    }

    @Test func putsNothingInThePlaceOfADamagedKey() throws {
        let first = try ensure()
        let key = DefaultIdentity.keyFile(dataDirectory: folder.path)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: key)
        #expect { try ensure() } throws: { ($0 as? TLSError)?.code == .permissions }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
        try Data("rubbish".utf8).write(to: URL(fileURLWithPath: key))
        #expect { try ensure() } throws: { ($0 as? TLSError)?.code == .contents }
        try FileManager.default.removeItem(atPath: key)
        #expect(try ensure().privateKey != first.privateKey)
    }

    @Test func takesNamesThatNoCertificateHolds() throws {
        let identity = try ensure(hostNames: ["", "bröker", "a b", "good"], addresses: ["no address", "127.0.0.1"])
        #expect(identity.alternativeNames == ["good", "127.0.0.1"])
        let second = try TemporaryFolder()
        defer { withExtendedLifetime(second) {} }
        let long = try DefaultIdentity.ensure(
            directory: second.path, commonName: String(repeating: "ü", count: 200), hostNames: ["x"], addresses: [])
        #expect(long.subject == "CN = " + String(repeating: "ü", count: 64))
    }

    @Test func theMachineHasNames() {
        let names = MachineNames.current()
        #expect(names.hostNames.first == "localhost")
        #expect(names.addresses.contains("127.0.0.1"))
        #expect(names.addresses.allSatisfy { !$0.contains("%") && !$0.hasPrefix("fe80") })
    }
}
