import Foundation
import TLS
import TestPeers
import Testing

/// Certificates as an authority hands them out, made with the `openssl` program: an independent hand.
struct Forge {
    /// Paths of PEM files.
    struct Issued {
        let certificate: String
        let key: String

        var bytes: [UInt8] { get throws { try Forge.bytes(certificate) } }
        var keyBytes: [UInt8] { get throws { try Forge.bytes(key) } }
    }

    static let authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign"
    static let server =
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        + "subjectAltName=DNS:gateway.plant,IP:10.0.0.1"

    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    static func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

    func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    @discardableResult
    func openssl(_ arguments: String...) async throws -> String { try await runCommand("openssl", arguments) }

    /// - Parameters:
    ///   - issuer: nil: itself.
    ///   - key: what `openssl req -newkey` takes, then its options; or the path of a key that is there.
    ///   - request: a request that is there; then no key is made.
    func issue(
        _ name: String, by issuer: Issued? = nil, extensions: String = Forge.server, days: Int = 90,
        key: [String] = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], keyFile: String? = nil, request: String? = nil,
        digest: String = "-sha256"
    ) async throws -> Issued {
        let base = path("\(name.filter { $0.isLetter })-\(UInt32.random(in: 0..<UInt32.max))")
        let issued = Issued(certificate: base + ".pem", key: keyFile ?? base + ".key")
        try Data("[e]\n\(extensions)\n".utf8).write(to: URL(fileURLWithPath: base + ".cnf"))
        if request == nil {
            let source = keyFile.map { ["-new", "-key", $0] } ?? ["-newkey"] + key + ["-noenc", "-keyout", issued.key]
            try await runCommand("openssl", ["req", "-utf8", "-subj", "/CN=\(name)", "-out", base + ".csr"] + source)
        }
        let signer = issuer.map { ["-CA", $0.certificate, "-CAkey", $0.key] } ?? ["-signkey", issued.key]
        try await runCommand(
            "openssl",
            [
                "x509", "-req", "-in", request ?? base + ".csr", "-days", "\(days)", "-extfile", base + ".cnf",
                "-extensions", "e", "-out", issued.certificate, "-set_serial", "\(UInt64.random(in: 1...1 << 60))",
                digest,
            ] + signer)
        return issued
    }

    /// The identity `factory` in this folder.
    func store(
        password: String? = nil, purposes: Set<IdentityPurpose> = [.server], hosts: [String] = ["gateway.plant"],
        addresses: [String] = ["10.0.0.1"], binds: [String] = []
    ) -> IdentityStore {
        IdentityStore(
            TLSIdentityOptions(
                name: "factory", certificateFile: path("gateway.pem"), keyFile: path("gateway.key"),
                keyPassword: password.map { Secret($0) }),
            dataDirectory: folder.path, purposes: purposes,
            machine: MachineNames(hostNames: ["localhost"] + hosts, addresses: ["127.0.0.1"] + addresses), binds: binds)
    }

    static func bundle(_ parts: [UInt8]..., password: String? = nil) throws -> CertificateBundle {
        var bundle = CertificateBundle()
        for (index, part) in parts.enumerated() {
            try bundle.read(part, path: "file\(index + 1)", password: password.map { Secret($0) })
        }
        return bundle
    }
}

/// The sentence of a refusal.
func refusal(_ body: () throws -> some Any) -> String {
    do {
        _ = try body()
        return "it was taken"
    } catch {
        return "\(error)"
    }
}
