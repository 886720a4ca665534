import Foundation
import TLS
import TestPeers
import Testing

@Suite("A certificate in the place of the default one", .timeLimit(.minutes(1)))
struct ImportedDefaultTests {
    let forge: Forge
    let machine = MachineNames(hostNames: ["localhost", "press"], addresses: ["127.0.0.1", "10.0.0.9"])

    init() throws { forge = try Forge() }

    private var options: TLSIdentityOptions { DefaultIdentity.options(dataDirectory: forge.folder.path) }

    private var store: IdentityStore {
        IdentityStore(options, dataDirectory: forge.folder.path, purposes: [.server], machine: machine)
    }

    private func ensure(now: Int64? = nil) throws -> TLSIdentity {
        try DefaultIdentity.ensure(
            directory: forge.folder.path, commonName: "press", hostNames: machine.hostNames,
            addresses: machine.addresses, now: now)
    }

    private func renew(_ kind: KeyKind? = nil) throws -> TLSIdentity {
        try DefaultIdentity.renew(
            directory: forge.folder.path, commonName: "press", machine: machine, newKey: kind)
    }

    @Test func staysWhateverItLacks() async throws {
        let made = try ensure()
        let root = try await forge.issue("Root", extensions: Forge.authority)
        let leaf = try await forge.issue("gateway", by: root)
        let imported = try store.importing(Forge.bundle(leaf.bytes, root.bytes, leaf.keyBytes))
        #expect(imported.oldFingerprint == made.fingerprint && imported.identity.isFromAuthority)
        // It holds neither the host name nor the addresses, and has 30 days left: ours would be made anew.
        #expect(try ensure() == imported.identity)
        #expect(
            DefaultIdentity.missingNames(
                in: imported.identity, hostNames: machine.hostNames, addresses: machine.addresses)
                == [])
        let late = refusal { try ensure(now: imported.identity.validUntil + 1) }
        #expect(late.contains("has expired on") && late.hasSuffix("which comes back when you remove it"), "\(late)")
        #expect(refusal { try renew() }.contains("was imported, so it cannot be made anew here: ask who issued it"))
        #expect(refusal { try renew(.p384) }.contains("was imported"))
        #expect(try ensure() == imported.identity)
        // Nor does it go when its key is gone.
        try FileManager.default.moveItem(atPath: options.keyFile, toPath: forge.path("away"))
        #expect(refusal { try ensure() }.contains("default.key: cannot be opened"))
        #expect(FileManager.default.fileExists(atPath: options.certificateFile))
        try FileManager.default.removeItem(atPath: options.certificateFile)
        #expect(try !ensure().isFromAuthority)
    }

    @Test func staysWhenSomebodyElseSignedItThemselves() async throws {
        let own = try await forge.issue("gateway")
        let imported = try store.importing(Forge.bundle(own.bytes, own.keyBytes))
        #expect(imported.warnings.first?.hasPrefix("it is self-signed: every client must be given it") == true)
        #expect(try ensure() == imported.identity)
        // As like ours as `openssl req` makes them.
        let alike = try await forge.issue(
            "alike",
            extensions: "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                + "extendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nsubjectAltName=DNS:press", days: 365)
        let second = try store.importing(Forge.bundle(alike.bytes, alike.keyBytes))
        #expect(try ensure() == second.identity)
    }

    @Test func goesBackToOurs() async throws {
        let made = try ensure()
        let root = try await forge.issue("Root", extensions: Forge.authority)
        let leaf = try await forge.issue("gateway", by: root)
        try store.importing(Forge.bundle(leaf.bytes, root.bytes, leaf.keyBytes))
        var previous = CertificateBundle()
        try previous.read(path: options.certificateFile + ".previous")
        try previous.read(path: options.keyFile + ".previous")
        let undone = try store.importing(previous)
        #expect(undone.identity == made && undone.warnings == [])
        // It is ours again: made anew when its time comes.
        #expect(try ensure(now: made.validUntil - 86_400).fingerprint != made.fingerprint)
    }

    @Test func isRenewedOnDemand() throws {
        let first = try renew()
        #expect(first.alternativeNames == ["localhost", "press", "127.0.0.1", "10.0.0.9"])
        let second = try renew()
        #expect(second.privateKey == first.privateKey && second.fingerprint != first.fingerprint)
        let third = try renew(.p384)
        #expect(third.privateKey != first.privateKey)
        #expect(try ensure() == third)
        #expect(store.describe(agents: []).certificate?.key == "P-384")
        // A renewal that was cut short before its key was in place.
        try FileManager.default.moveItem(atPath: options.keyFile, toPath: options.keyFile + ".next")
        #expect(try ensure() == third)
        try Data("rubbish".utf8).write(to: URL(fileURLWithPath: options.keyFile))
        #expect(refusal { try renew() }.contains("default.key: the private key in it is damaged"))
    }
}
