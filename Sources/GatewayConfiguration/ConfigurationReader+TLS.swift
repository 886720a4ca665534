import TLS
import Tags
import Yams

extension ConfigurationReader {
    /// What `tls:` says, for the agents.
    struct TLSSetup {
        var minimumVersion = TLSVersion.v1_2
        /// By folded name; nil where something about the identity is wrong and reported.
        var identities: [String: TLSIdentityOptions?] = [:]
    }

    static let certificateLimit = 1 << 20

    func readTLS(_ root: Section, into configuration: inout GatewayConfiguration) -> TLSSetup {
        var setup = TLSSetup()
        guard let section = root.section("tls", keys: ["minimum-version", "identities"]) else { return setup }
        setup.minimumVersion = section.choice("minimum-version", default: .v1_2)
        let used = identitiesInUse(root)
        var seen: [String: SourcePlace] = [:]
        for node in section.list("identities") {
            let keys = ["name", "certificate", "key", "key-password"]
            guard let section = self.section(node, "an identity", keys: keys) else { continue }
            let name = section.required("name", expected: "the name of the identity")
            let isUsed = name.map { used.contains(TagName.folded($0.text)) } ?? false
            if let name {
                if TagName.folded(name.text) == "default" {
                    log.add(
                        .error, name.place, "the identity \"default\" always exists (self-signed); choose another name")
                }
                if name.text.isEmpty { log.add(.error, name.place, "the name of the identity is empty") }
                checkUnique(name, "identity", in: &seen)
            }
            let certificate = section.required("certificate", expected: "the path of a PEM file")
            let key = section.required("key", expected: "the path of a PEM file")
            if let certificate { checkPEM(certificate, "the certificate", isUsed: isUsed, isSecret: false) }
            if let key { checkPEM(key, "the key", isUsed: isUsed, isSecret: true) }
            let password = readSecret(section, "key-password", isUsed: isUsed)
            if let password, password.bytes.count > TLSIdentityOptions.longestKeyPassword {
                section.error(
                    "key-password",
                    "\"key-password\" has more than \(TLSIdentityOptions.longestKeyPassword) "
                        + "bytes, and no key can be opened with so many")
            }
            guard let name else { continue }
            // Without the password that was meant, a key would be written in the clear.
            let hasPassword = password != nil || section.entries["key-password"] == nil
            guard let certificate, let key, hasPassword else {
                setup.identities[TagName.folded(name.text)] = .some(nil)
                continue
            }
            let identity = TLSIdentityOptions(
                name: name.text, certificateFile: absolute(certificate.text), keyFile: absolute(key.text),
                keyPassword: password)
            setup.identities[TagName.folded(name.text)] = identity
            configuration.identities.append(identity)
        }
        configuration.minimumTLSVersion = setup.minimumVersion
        return setup
    }

    /// The identities that enabled agents and the forwarding of the audit log name, before those are read: missing files
    /// of others are warnings.
    private func identitiesInUse(_ root: Section) -> Set<String> {
        var names: Set<String> = []
        if case .mapping(let audit)? = root.entries["audit"]?.node,
            case .mapping(let forward)? = Section.value("forward", in: audit),
            case .mapping(let syslog)? = Section.value("syslog", in: forward),
            case .mapping(let tls)? = Section.value("tls", in: syslog),
            let name = Section.value("identity", in: tls)?.scalar?.string
        {
            names.insert(TagName.folded(name))
        }
        guard case .sequence(let agents)? = root.entries["agents"]?.node else { return names }
        for case .mapping(let agent) in agents {
            if Section.value("enabled", in: agent)?.scalar?.string == "false" { continue }
            guard case .mapping(let tls)? = Section.value("tls", in: agent) else { continue }
            if let name = Section.value("identity", in: tls)?.scalar?.string { names.insert(TagName.folded(name)) }
        }
        return names
    }

    /// Reports a PEM file that is missing, is something else, or is a key that others may read or replace.
    func checkPEM(_ path: ScalarText, _ what: String, isUsed: Bool, isSecret: Bool) {
        let shown = shown(path.text)
        do throws(FileProblem) {
            let contents = try FileContents(path: absolute(path.text), limit: ConfigurationReader.certificateLimit)
            if !contents.looksLikePEM {
                log.add(.error, path.place, "\(what) \(shown) is not PEM (no line -----BEGIN …-----)")
            } else if isSecret, let problem = contents.access.problem() {
                log.add(.error, path.place, "\(what) \(shown) \(problem)")
            }
        } catch {
            unreadable(what, path, error, isUsed: isUsed)
        }
    }

    /// `crl-file`: the absolute path; the problem is reported when the file is missing or is something else.
    func readRevocationFile(_ section: Section, isUsed: Bool) -> String? {
        guard let path = section.text("crl-file", expected: "the path of a file of revocation lists, PEM or DER") else {
            return nil
        }
        do throws(FileProblem) {
            let contents = try FileContents(path: absolute(path.text), limit: RevocationLists.sizeLimit)
            if !contents.looksLikeRevocationLists {
                log.add(
                    .error, path.place,
                    "the crl-file \(shown(path.text)) holds no revocation list, neither in PEM "
                        + "(-----BEGIN X509 CRL-----) nor in DER form")
            }
        } catch {
            unreadable("the crl-file", path, error, isUsed: isUsed)
        }
        return absolute(path.text)
    }

    private func unreadable(_ what: String, _ path: ScalarText, _ problem: FileProblem, isUsed: Bool) {
        log.add(
            isUsed || problem != .missing ? .error : .warning, path.place,
            "\(what) \(shown(path.text)) \(problem)\(isUsed ? "" : " (no enabled agent uses it)")")
    }

    /// How a client of ours checks its peer and shows itself: `tls: { ca-file, identity, pin-sha256, crl-file, verify }`.
    ///
    /// - Parameter mayNotVerify: whether `verify: false` can be written at all; the posture rules judge it.
    func readClientTLS(
        _ agent: Section, _ setup: TLSSetup, isEnabled: Bool, mayNotVerify: Bool = false
    ) -> TLSClientOptions {
        var options = TLSClientOptions(minimumVersion: setup.minimumVersion)
        let keys = ["ca-file", "identity", "pin-sha256", "crl-file"] + (mayNotVerify ? ["verify"] : [])
        guard let section = agent.section("tls", keys: keys) else { return options }
        if let path = section.text("ca-file", expected: "the path of a PEM file") {
            checkPEM(path, "the ca-file", isUsed: isEnabled, isSecret: false)
            options.caFile = absolute(path.text)
        }
        if let name = section.text("identity", expected: "the name of an identity under tls: identities:") {
            if TagName.folded(name.text) == "default" {
                log.add(
                    .error, name.place,
                    "the identity \"default\" is self-signed and for servers; name one of tls: identities:, or leave "
                        + "it out"
                )
            } else {
                options.identity = identity(name, setup)
            }
        }
        options.pins = readPins(section)
        options.revocationFile = readRevocationFile(section, isUsed: isEnabled)
        options.verifiesPeer = mayNotVerify ? section.boolean("verify", default: true) : true
        if !options.verifiesPeer {
            for key in ["ca-file", "crl-file"] where section.has(key) {
                section.warn(key, "\"\(key)\" has no effect with verify: false")
            }
        }
        return options
    }

    private func readPins(_ section: Section) -> [[UInt8]] {
        let expected =
            "a list of pins, each the base64 of the SHA-256 of a public key: 44 characters, the last one ="
        if section.isEmptyList("pin-sha256") {
            section.error("pin-sha256", "\"pin-sha256\" is empty; it takes \(expected); leave it out to pin nothing")
        }
        return section.list("pin-sha256").compactMap { node in
            guard let text = section.text(of: node, "\"pin-sha256\" takes \(expected)") else { return nil }
            if let pin = PublicKeyPin.bytes(of: text.text) { return pin }
            log.add(.error, text.place, "\"pin-sha256\" takes \(expected); found \(quoted(text))")
            return nil
        }
    }

    /// The identity of that name; the problem is reported when there is none.
    func identity(_ name: ScalarText, _ setup: TLSSetup) -> TLSIdentityOptions? {
        if let found = setup.identities[TagName.folded(name.text)] { return found }
        let names = setup.identities.values.compactMap { $0?.name }.sorted()
        let hint =
            NearestName.of(name.text, in: names).map { "; did you mean \"\($0)\"?" }
            ?? "; tls: identities: lists \(names.isEmpty ? "none" : names.joined(separator: ", "))"
        log.add(.error, name.place, "no identity is named \(quoted(name))\(hint)")
        return nil
    }
}
