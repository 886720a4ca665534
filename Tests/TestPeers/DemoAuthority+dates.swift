import Glibc

extension DemoAuthority {
    /// A certificate for a key that is there, valid from `begin` until `end`, both in seconds from now: for what ends while
    /// a test runs. It takes the place of the identity's old one.
    package func reissue(_ identity: Identity, from begin: Int = -60, until end: Int) async throws {
        let database = try TemporaryDirectory()
        let configuration = try database.write(
            """
            [ca]
            default_ca = demo
            [demo]
            database = \(database.file("index"))
            serial = \(database.file("serial"))
            new_certs_dir = \(database.path)
            default_md = sha256
            policy = any
            unique_subject = no
            [any]
            commonName = optional
            organizationName = optional

            """, to: "ca.cnf")
        try database.write("", to: "index")
        // An even count of digits.
        try database.write("10" + String(UInt32.random(in: 0x1000_0000...UInt32.max), radix: 16), to: "serial")
        let base = String(identity.certificateFile.dropLast(4))
        try await runCommand(
            "openssl",
            [
                "ca", "-batch", "-notext", "-config", configuration, "-cert", certificateFile, "-keyfile",
                String(certificateFile.dropLast(4)) + ".key", "-startdate", Self.stamp(begin),
                "-enddate",
                Self.stamp(end), "-in", base + ".csr", "-extfile", base + ".cnf", "-extensions", "leaf", "-out",
                identity.certificateFile,
            ])
    }

    /// A revocation list with this one certificate on it, or with none, PEM.
    ///
    /// - Parameter seconds: until there is to be another.
    package func revocationList(
        of identity: Identity?, in directory: TemporaryDirectory, lasting seconds: Int = 2 * 86_400
    ) async throws -> String {
        let configuration = try directory.write(
            """
            [ca]
            default_ca = demo
            [demo]
            database = \(directory.file("revoked"))
            default_md = sha256

            """, to: "crl.cnf")
        try directory.write("", to: "revoked")
        let common = [
            "ca", "-config", configuration, "-cert", certificateFile, "-keyfile",
            String(certificateFile.dropLast(4)) + ".key",
        ]
        if let identity { try await runCommand("openssl", common + ["-revoke", identity.certificateFile]) }
        let list = directory.file("ca.crl")
        try await runCommand("openssl", common + ["-gencrl", "-crlsec", "\(seconds)", "-out", list])
        return list
    }

    /// `20270131235900Z`
    private static func stamp(_ seconds: Int) -> String {
        var moment = time(nil) + seconds
        var parts = tm()
        gmtime_r(&moment, &parts)
        var text = [CChar](repeating: 0, count: 32)
        strftime(&text, text.count, "%Y%m%d%H%M%SZ", &parts)
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
