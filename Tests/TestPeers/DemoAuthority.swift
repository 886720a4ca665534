/// A certificate authority of one test's own, made with `openssl`. Nothing of it is valid for more than some days
/// from now, and nothing expires on a date of the calendar.
package final class DemoAuthority: Sendable {
    package enum Usage: String, Sendable {
        case server = "serverAuth"
        case client = "clientAuth"
    }

    /// Paths of PEM files.
    package struct Identity: Sendable {
        package let certificateFile: String
        package let keyFile: String
    }

    private let directory: TemporaryDirectory
    /// The authority's certificate, PEM.
    package let certificateFile: String

    package init(name: String = "Demo CA") async throws {
        directory = try TemporaryDirectory()
        certificateFile = directory.file("ca.pem")
        let configuration = try directory.write(
            """
            [req]
            distinguished_name = name
            x509_extensions = authority
            prompt = no
            [name]
            CN = \(name)
            [authority]
            basicConstraints = critical,CA:TRUE
            keyUsage = critical,keyCertSign,cRLSign
            subjectKeyIdentifier = hash

            """, to: "ca.cnf")
        try await runCommand(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "30",
                "-config", configuration, "-keyout", directory.file("ca.key"), "-out", certificateFile,
            ])
    }

    /// Makes a key and its certificate. `names` as OpenSSL writes them: `DNS:localhost`, `IP:127.0.0.1`; negative `days`
    /// make one that has expired. `revocationList` is where the authority would publish one.
    package func issue(
        _ commonName: String, organization: String? = nil, names: [String] = ["DNS:localhost", "IP:127.0.0.1"],
        usage: Usage = .server,
        days: Int = 30, revocationList: String? = nil
    ) async throws -> Identity {
        let serial = String(UInt64.random(in: 1...UInt64(Int64.max)), radix: 16)
        let base = "\(commonName.filter { $0.isLetter || $0.isNumber })-\(serial)"
        let configuration = try directory.write(
            """
            [req]
            distinguished_name = name
            prompt = no
            [name]
            \(organization.map { "O = \($0)" } ?? "")
            CN = \(commonName)
            [leaf]
            basicConstraints = critical,CA:FALSE
            keyUsage = critical,digitalSignature
            extendedKeyUsage = \(usage.rawValue)
            \(names.isEmpty ? "" : "subjectAltName = \(names.joined(separator: ","))")
            \(revocationList.map { "crlDistributionPoints = URI:\($0)" } ?? "")

            """, to: "\(base).cnf")
        let identity = Identity(
            certificateFile: directory.file("\(base).pem"), keyFile: directory.file("\(base).key"))
        try await runCommand(
            "openssl",
            [
                "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-config",
                configuration, "-keyout", identity.keyFile, "-out", directory.file("\(base).csr"),
            ])
        try await runCommand(
            "openssl",
            [
                "x509", "-req", "-in", directory.file("\(base).csr"), "-CA", certificateFile, "-CAkey",
                directory.file("ca.key"), "-set_serial", "0x\(serial)", "-days", "\(days)", "-extfile", configuration,
                "-extensions", "leaf", "-out", identity.certificateFile,
            ])
        return identity
    }
}
