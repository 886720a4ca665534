import RESTServerAgent
import SecurityPolicy
import TLS
import Tags
import Yams

extension ConfigurationReader {
    /// `client-certificates: { mode, ca-file, crl-file, map }` of a REST server agent.
    func readClientCertificates(
        _ tls: Section, isEnabled: Bool, _ groups: [String], into options: inout RESTServerAgentOptions
    ) {
        let keys = ["mode", "ca-file", "crl-file", "map"]
        guard let section = tls.section("client-certificates", keys: keys) else { return }
        var certificates = ClientCertificateOptions()
        certificates.mode = section.choice("mode", default: .none)
        let isUsed = certificates.mode != .none
        if let path = section.text("ca-file", expected: "the path of a PEM file") {
            if isUsed { checkPEM(path, "the ca-file", isUsed: isEnabled, isSecret: false) }
            certificates.caFile = absolute(path.text)
        }
        if isUsed { certificates.revocationFile = readRevocationFile(section, isUsed: isEnabled) }
        certificates.map = section.list("map").compactMap { readMapping($0, groups) }
        defer { options.clientCertificates = certificates }
        guard isUsed else {
            for key in ["ca-file", "crl-file", "map"] where section.has(key) {
                section.warn(key, "\"\(key)\" has no effect while client-certificates: mode: is none")
            }
            return
        }
        let mode = certificates.mode.rawValue
        if !options.https {
            section.error("mode", "client-certificates: mode: \(mode) needs https: true; certificates are shown in TLS")
        }
        if !section.has("ca-file") {
            section.error(
                "mode",
                "\"ca-file\" is missing; mode: \(mode) takes the authorities that issue the clients' certificates")
        }
        if !section.has("map") || section.isEmptyList("map") {
            section.error(
                "mode",
                "\"map\" is missing; mode: \(mode) takes a list that says who the holder of a certificate is, as "
                    + "- { subject: \"CN=scada,O=Plant\", user: scada }")
        }
    }

    private func readMapping(_ node: Node, _ groups: [String]) -> ClientCertificateOptions.Mapping? {
        let keys = ["subject", "san", "user", "group"]
        guard let section = section(node, "an entry of \"map\"", keys: keys) else { return nil }
        let key = readKey(section)
        let identity = readIdentity(section, groups)
        guard let key, let identity else { return nil }
        return ClientCertificateOptions.Mapping(key: key, identity: identity)
    }

    private func readKey(_ section: Section) -> ClientCertificateOptions.Mapping.Key? {
        guard section.has("subject") != section.has("san") else {
            log.add(
                .error, section.place,
                "an entry of \"map\" takes either \"subject\" or \"san\": what of the certificate says whose it is")
            return nil
        }
        if let text = section.text("subject", expected: "a subject, as \"CN=scada,O=Plant\"") {
            do throws(DistinguishedName.Failure) {
                let name = try DistinguishedName(parsing: text.text)
                if !name.isEmpty { return .subject(name.description) }
                log.add(.error, text.place, "\"subject\" is empty")
            } catch {
                log.add(
                    .error, text.place,
                    "\"subject\" takes a subject, as \"CN=scada,O=Plant\" (openssl x509 -noout -subject -nameopt RFC2253 "
                        + "prints it), found \(quoted(text)): \(error)")
            }
        }
        if let text = section.text("san", expected: "a host name, address, e-mail address or URI") {
            if AlternativeName(parsing: text.text) != nil { return .alternativeName(text.text) }
            log.add(
                .error, text.place,
                "\"san\" takes a host name, address, e-mail address or URI, whole and without *, found \(quoted(text))")
        }
        return nil
    }

    private func readIdentity(
        _ section: Section, _ groups: [String]
    ) -> ClientCertificateOptions.Mapping.Identity? {
        guard section.has("user") != section.has("group") else {
            log.add(
                .error, section.place,
                "an entry of \"map\" takes either \"user\" or \"group\": who the holder of the certificate is")
            return nil
        }
        if let user = section.text("user", expected: "the name of a user") {
            if !user.text.isEmpty { return .user(user.text) }
            log.add(.error, user.place, "\"user\" is empty")
        }
        if let group = section.text("group", expected: "the name of a group under security: groups:") {
            let known = [GroupOptions.administrators] + groups.filter { !ConfigurationReader.isAnonymous($0) }
            let folded = TagName.folded(group.text)
            if let name = known.first(where: { TagName.folded($0) == folded }) { return .group(name) }
            let hint =
                NearestName.of(group.text, in: known).map { "; did you mean \"\($0)\"?" }
                ?? "; the groups are \(known.joined(separator: ", "))"
            log.add(.error, group.place, "no group for certificates is named \(quoted(group))\(hint)")
        }
        return nil
    }

    static func isAnonymous(_ group: String) -> Bool {
        TagName.folded(group) == TagName.folded(GroupOptions.anonymous)
    }
}
