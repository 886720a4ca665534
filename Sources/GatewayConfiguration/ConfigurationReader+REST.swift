import RESTServerAgent
import SecurityPolicy
import TLS
import Tags
import Yams

extension ConfigurationReader {
    func readRESTServer(
        _ section: Section, _ name: String, _ isEnabled: Bool, _ tls: TLSSetup, _ groups: [String]
    ) -> RESTServerAgentOptions {
        var options = RESTServerAgentOptions(name: name, minimumVersion: tls.minimumVersion)
        readBind(section, into: &options)
        options.port = UInt16(section.integer("port", in: 1...65_535, default: Int(options.port)))
        options.https = section.boolean("https", default: true)
        readServerTLS(section, tls, isEnabled: isEnabled, groups, into: &options)
        options.allowFrom = readNetworks(section, "allow-from")
        options.trustedProxies = readNetworks(section, "trusted-proxies")
        options.anonymous = section.boolean("anonymous", default: false)
        if options.anonymous, isEnabled, !groups.contains(where: { ConfigurationReader.isAnonymous($0) }) {
            section.warn(
                "anonymous",
                "who does not log in sees nothing: security: groups: has no group \(GroupOptions.anonymous) with rules")
        }
        options.writeEndpoint = section.boolean("write-endpoint", default: false)
        options.corsAllowedOrigins = section.list("cors-allowed-origins").compactMap { readOrigin($0, section) }
        options.arrayValues = section.choice("array-values", default: .array)
        if let limits = section.section(
            "limits",
            keys: ["connections", "connections-per-address", "body", "request-timeout", "ids-per-request", "streams"])
        {
            let preset = options.limits
            options.limits.connections = limits.integer("connections", in: 1...65_535, default: preset.connections)
            options.limits.connectionsPerAddress = limits.integer(
                "connections-per-address", in: 1...65_535, default: preset.connectionsPerAddress)
            options.limits.body = limits.size("body", in: 1024...(64 << 20), default: preset.body)
            options.limits.requestTimeout = limits.duration(
                "request-timeout", in: .seconds(1)...(.seconds(300)), default: preset.requestTimeout)
            options.limits.idsPerRequest = limits.integer(
                "ids-per-request", in: 1...1_000_000, default: preset.idsPerRequest)
            options.limits.streams = limits.integer("streams", in: 1...65_535, default: preset.streams)
        }
        options.items = readItems(section, isEnabled: isEnabled, isPublished: false)
        return options
    }

    private func readBind(_ section: Section, into options: inout RESTServerAgentOptions) {
        guard let bind = section.text("bind", expected: "an address or an interface name") else { return }
        options.bind = bind.text
        if HostScope.address(bind.text) != nil { return }
        let isInterface =
            (1...15).contains(bind.text.utf8.count)
            && bind.text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x2F }
        if bind.text.lowercased() == "localhost" {
            log.add(.error, bind.place, "\"bind\" takes an address or an interface name; write 127.0.0.1 for localhost")
        } else if !isInterface || bind.text.allSatisfy({ $0.isNumber || $0 == "." }) {
            log.add(
                .error, bind.place,
                "\"bind\" takes an address, as 127.0.0.1, or an interface name, as eth0; found \(quoted(bind))")
        }
    }

    private func readServerTLS(
        _ agent: Section, _ tls: TLSSetup, isEnabled: Bool, _ groups: [String],
        into options: inout RESTServerAgentOptions
    ) {
        guard let section = agent.section("tls", keys: ["identity", "client-certificates"]) else { return }
        if !options.https { agent.warn("tls", "\"tls\" has no effect with https: false") }
        if let name = section.text("identity", expected: "default or the name of an identity under tls: identities:"),
            TagName.folded(name.text) != "default"
        {
            options.identity = identity(name, tls)
        }
        readClientCertificates(section, isEnabled: isEnabled, groups, into: &options)
    }

    private func readNetworks(_ section: Section, _ key: String) -> [IPNetwork] {
        section.list(key).compactMap { node in
            let message = "\"\(key)\" takes a list of networks, as 10.0.0.0/8 or 2001:db8::1"
            guard let text = section.text(of: node, message) else { return nil }
            do throws(IPNetwork.ParseFailure) {
                return try IPNetwork(parsing: text.text)
            } catch {
                switch error {
                case .notANetwork: log.add(.error, text.place, "\(message), found \(quoted(text))")
                case .prefix(let longest):
                    log.add(.error, text.place, "the prefix of \(quoted(text)) is no number from 0 to \(longest)")
                case .hostBits(let network):
                    log.add(
                        .error, text.place,
                        "\(quoted(text)) is an address within its network; the network is \(network)")
                }
                return nil
            }
        }
    }

    private func readOrigin(_ node: Node, _ section: Section) -> String? {
        let message = "\"cors-allowed-origins\" takes a list of origins, as https://scada.example"
        guard let text = section.text(of: node, message) else { return nil }
        if text.text == "*" {
            log.add(.error, text.place, "* would let every web page ask; list the origins, as https://scada.example")
            return nil
        }
        let lowered = text.text.lowercased()
        let rest = ["https://", "http://"].first { lowered.hasPrefix($0) }.map { lowered.dropFirst($0.count) }
        guard let rest, !rest.isEmpty, rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            !rest.contains(where: { "/?#@*,\"\\".contains($0) })
        else {
            log.add(.error, text.place, "\(message), found \(quoted(text))")
            return nil
        }
        return text.text
    }
}
