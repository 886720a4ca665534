import MQTTAgent
import SecurityPolicy
import TLS
import Yams

extension ConfigurationReader {
    func readAudit(_ root: Section, tls: TLSSetup, into configuration: inout GatewayConfiguration) {
        guard let section = root.section("audit", keys: ["max-bytes", "max-age", "reserve", "forward"]) else { return }
        let preset = configuration.audit
        let maximum = section.size("max-bytes", in: (1 << 20)...(1 << 44), default: Int(preset.maximumBytes))
        configuration.audit.maximumBytes = Int64(maximum)
        configuration.audit.maximumAge = section.duration(
            "max-age", in: .seconds(3600)...(.seconds(36_500 * 86_400)), default: preset.maximumAge)
        // Left out, it follows a small log.
        let reserve = min(Int(preset.reserve), maximum / 16)
        configuration.audit.reserve = Int64(section.size("reserve", in: (1 << 16)...(1 << 40), default: reserve))
        if configuration.audit.reserve > configuration.audit.maximumBytes / 2 {
            section.error("reserve", "\"reserve\" is part of \"max-bytes\" and at most half of it")
        }
        guard let forward = section.section("forward", keys: ["syslog", "file"]) else { return }
        if let path = forward.text("file", expected: "the path of a file to append to") {
            if path.text.isEmpty {
                log.add(.error, path.place, "\"file\" is empty; it takes the path of a file to append to")
            } else {
                configuration.auditForwarding.file = absolute(path.text)
            }
        }
        if let syslog = forward.section("syslog", keys: ["url", "tls"]) {
            configuration.auditForwarding.syslog = readSyslog(syslog, tls)
        }
    }

    private func readSyslog(_ section: Section, _ setup: TLSSetup) -> AuditForwarding.Syslog? {
        let expected = "the URL of a syslog receiver, as syslog+tls://logs.example:6514"
        let tls = readClientTLS(section, setup, isEnabled: true)
        guard let url = section.required("url", expected: expected) else { return nil }
        let scheme = "syslog+tls://"
        guard url.text.lowercased().hasPrefix(scheme) else {
            log.add(
                .error, url.place,
                "\"url\" takes \(expected), found \(quoted(url)); the audit log is forwarded over TLS only")
            return nil
        }
        var rest = String(url.text.dropFirst(scheme.count))
        if rest.hasSuffix("]") || !rest.contains(":") { rest += ":6514" }
        do throws(BrokerURLError) {
            let place = try BrokerURL(parsing: "ssl://" + rest)
            return AuditForwarding.Syslog(host: place.host, port: place.port, tls: tls, place: url.place)
        } catch {
            log.add(.error, url.place, "\"url\" takes \(expected), found \(quoted(url))")
            return nil
        }
    }
}
