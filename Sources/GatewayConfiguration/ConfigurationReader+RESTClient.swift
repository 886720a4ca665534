import RESTClientAgent
import TLS
import Yams

extension ConfigurationReader {
    /// Beside those that every agent has.
    static let restClientKeys = [
        "url", "method", "headers", "media-type", "username", "password", "token", "timeout", "proxy", "tries",
        "ordered", "requests-in-flight", "publish", "outbox",
    ]

    func readRESTClient(
        _ section: Section, _ name: String, _ isEnabled: Bool, _ tls: TLSSetup
    ) -> RESTClientAgentOptions? {
        let endpoint = readURL(section)
        var options = RESTClientAgentOptions(
            name: name, endpoint: endpoint ?? EndpointURL(host: "localhost", port: 443, usesTLS: true))
        options.method = section.choice("method", default: .post)
        readCredentials(section, isEnabled, into: &options)
        readHeaders(section, isEnabled, into: &options)
        readMediaType(section, into: &options)
        options.timeout = section.duration("timeout", in: .seconds(1)...(.seconds(60)), default: .seconds(5))
        readProxy(section, into: &options)
        options.tries = section.integer("tries", in: 1...100, default: 3)
        readDelivery(section, into: &options)
        options.tls = readClientTLS(section, tls, isEnabled: isEnabled, mayNotVerify: true)
        if let endpoint, !endpoint.usesTLS, section.has("tls") {
            section.warn("tls", "\"tls\" has no effect on an http:// endpoint; use https://")
        }
        options.publish = readPublish(section.section("publish", keys: ConfigurationReader.publishKeys))
        options.outbox = readOutbox(section)
        options.items = readItems(section, isEnabled: isEnabled)
        return endpoint == nil ? nil : options
    }

    private func readURL(_ section: Section) -> EndpointURL? {
        guard let url = section.required("url", expected: "the endpoint's URL, as https://historian.example/ingest")
        else { return nil }
        do throws(EndpointURLError) {
            return try EndpointURL(parsing: url.text)
        } catch {
            log.add(.error, url.place, "\(error)")
            return nil
        }
    }

    private func readCredentials(_ section: Section, _ isEnabled: Bool, into options: inout RESTClientAgentOptions) {
        let username = section.text("username")
        let password = readSecret(section, "password", isUsed: isEnabled)
        let token = readSecret(section, "token", isUsed: isEnabled)
        if section.has("token"), section.has("username") || section.has("password") {
            section.error("token", "a request carries a token, or a username and a password: remove one of the two")
        }
        if section.has("username") != section.has("password") {
            let there = section.has("username") ? "username" : "password"
            section.error(there, "username and password belong together; add the other one")
        }
        if let username, !ConfigurationReader.isUsername(username.text) {
            log.add(
                .error, username.place,
                "\"username\" may not be empty or hold a colon or a control character, which HTTP cannot carry")
        }
        if let password, String(validating: password.bytes, as: UTF8.self) == nil {
            section.error("password", "the password is not UTF-8 text")
        }
        if let token, !token.bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            section.error("token", "a token is ASCII without spaces and line ends")
        }
        if let token {
            options.credentials = .bearer(token)
        } else if let username, let password {
            options.credentials = .basic(username: username.text, password: password)
        }
    }

    /// RFC 7617, §2.
    private static func isUsername(_ text: String) -> Bool {
        !text.isEmpty && text.unicodeScalars.allSatisfy { $0 != ":" && $0.properties.generalCategory != .control }
    }

    private func readHeaders(_ section: Section, _ isEnabled: Bool, into options: inout RESTClientAgentOptions) {
        guard let node = section.entries["headers"]?.node, !Section.isNull(node) else { return }
        guard case .mapping(let mapping) = node else {
            log.add(
                .error, SourcePlace(node, file: file),
                "\"headers\" takes a mapping, as { X-Site: press-shop }, found \(Section.describe(node))")
            return
        }
        let names = mapping.compactMap { $0.key.scalar?.string }
        guard names.count <= 32 else {
            section.error("headers", "\"headers\" takes 32 headers at most")
            return
        }
        guard let headers = self.section(node, "\"headers\"", keys: names) else { return }
        var seen: [String: SourcePlace] = [:]
        for (name, entry) in headers.entries.sorted(by: { ConfigurationReader.stands($0.value, before: $1.value) }) {
            if let first = seen[name.lowercased()] {
                log.add(
                    .error, entry.place,
                    "the header \"\(Section.shortened(name))\" stands twice, first on line \(first.line); remove one")
                continue
            }
            seen[name.lowercased()] = entry.place
            guard let value = readHeader(headers, name, entry.node, isEnabled) else { continue }
            do throws(EndpointHeaderError) {
                options.headers.append(
                    try EndpointHeader(name: name, value: value, hasCredentials: options.credentials != .none))
            } catch {
                log.add(.error, entry.place, "header \"\(Section.shortened(name))\": \(error)")
            }
        }
    }

    private static func stands(_ one: Section.Entry, before other: Section.Entry) -> Bool {
        (one.place.line, one.place.column) < (other.place.line, other.place.column)
    }

    /// The value as text, or by reference; one that is usually a secret by reference only.
    private func readHeader(_ headers: Section, _ name: String, _ node: Node, _ isEnabled: Bool) -> Secret? {
        if case .scalar = node, !EndpointHeader.isSecret(name) {
            return headers.text(name, expected: "the text of the header").map { Secret($0.text) }
        }
        return readSecret(headers, name, isUsed: isEnabled)
    }

    private func readMediaType(_ section: Section, into options: inout RESTClientAgentOptions) {
        guard let type = section.text("media-type", expected: "a media type, as application/json") else { return }
        guard EndpointHeader.isMediaType(type.text) else {
            log.add(
                .error, type.place, "\"media-type\" takes a media type, as application/json, found \(quoted(type))")
            return
        }
        options.mediaType = type.text
    }

    private func readProxy(_ section: Section, into options: inout RESTClientAgentOptions) {
        guard let text = section.text("proxy", expected: "the URL of a proxy, as http://proxy.example:3128") else {
            return
        }
        do throws(EndpointURLError) {
            let proxy = try EndpointURL(parsing: text.text)
            guard !proxy.usesTLS, proxy.target == "/" else {
                log.add(
                    .error, text.place,
                    "\"proxy\" takes http://HOST:PORT and nothing behind it; what goes through it is encrypted by the "
                        + "endpoint's own TLS")
                return
            }
            options.proxy = proxy
        } catch {
            log.add(.error, text.place, "\"proxy\": \(error)")
        }
    }

    private func readDelivery(_ section: Section, into options: inout RESTClientAgentOptions) {
        let isOrdered = section.boolean("ordered", default: true)
        let most = RESTClientAgentOptions.Delivery.mostInFlight
        let inFlight = section.integer("requests-in-flight", in: 1...most, default: 1)
        if isOrdered, inFlight > 1 {
            section.error(
                "requests-in-flight",
                "several requests at once arrive in any order; write ordered: false where that does not matter")
        }
        if !isOrdered, inFlight == 1 {
            section.warn("ordered", "\"ordered\" has no effect without requests-in-flight: 2 or more")
        }
        options.delivery = isOrdered ? .ordered : .unordered(inFlight: inFlight)
    }
}
