import Foundation
import Glibc
import NIOCore
import Synchronization
import TLS
import TagStore
import TestPeers
import Testing

@testable import RESTServerAgent
@testable import SecurityPolicy

@Suite("Health, readiness, figures and strict transport", .timeLimit(.minutes(2)))
struct HealthTests {
    private static let day: Int64 = 86_400

    @Test("healthz answers anybody, readyz once there is an administrator")
    func withoutUsers() async throws {
        try await Fixture.run(withUsers: false) { fixture in
            let alive = try await fixture.ask("GET", "/healthz", [])
            #expect(alive.status == 200 && alive.body == #"{"alive":true}"#)
            let ready = try await fixture.ask("GET", "/readyz", [])
            #expect(ready.status == 503 && ready.body.contains("sallyport user add"))
            try await fixture.users.add(
                name: "admin", password: Fixture.password, groups: [GroupOptions.administrators])
            let now = try await fixture.ask("GET", "/readyz", [])
            #expect(now.status == 200 && now.body == #"{"ready":true}"#)
        }
    }

    @Test("readyz warns below 30 days of this listener's certificate, and is not ready once it has ended")
    func readiness() async throws {
        let identity = try await ServerCertificates().identity
        try await Fixture.run { fixture in
            func ready(left: Int64, identity: TLSIdentity? = identity) throws -> (Status, String) {
                let now = (identity?.validUntil ?? 0) - left
                let routes = HealthRoutes(
                    store: fixture.store, policy: fixture.policy, verifier: fixture.verifier,
                    certificates: fixture.certificates, listeners: ListenerBoard(), version: "1",
                    served: { identity }, now: { now })
                let route = try #require(routes.routes.first { $0.path == "/readyz" })
                guard case .open(let handle) = route.access else { return (.notFound, "") }
                let reply = handle()
                return (reply.status, String(decoding: reply.body, as: UTF8.self))
            }
            #expect(try ready(left: 31 * Self.day) == (.ok, #"{"ready":true}"#))
            #expect(try ready(left: 0, identity: nil) == (.ok, #"{"ready":true}"#))
            let (soon, text) = try ready(left: 29 * Self.day + 5)
            let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            #expect(soon == .ok && object["ready"] as? Bool == true)
            let warning = try #require((object["warnings"] as? [String])?.first)
            #expect(warning.contains(identity.expiry) && warning.hasSuffix("days left: 29"), "\(warning)")
            let (ended, reason) = try ready(left: -1)
            #expect(ended == .serviceUnavailable && reason.contains("has ended on \(identity.expiry)"), "\(reason)")
        }
    }

    @Test("answers ask for HTTPS only while the certificate is an authority's, and never over plain HTTP")
    func strictTransport() async throws {
        let authority = try await ServerCertificates(), selfSigned = try SelfSigned.configuration()
        let issued = try ServerTLS(identity: authority.identity)
        let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        try await Fixture.run(tls: selfSigned) { fixture in
            func isStrict() async throws -> Bool {
                let answer = try await TLSConnection.ask(fixture.address, request)
                #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
                let lines = answer.components(separatedBy: "\r\n").filter { $0.hasPrefix("Strict-Transport-Security") }
                #expect(lines == [] || lines == ["Strict-Transport-Security: max-age=31536000"])
                return !lines.isEmpty
            }
            #expect(try await !isStrict())
            fixture.agent.reload(tls: issued)
            #expect(try await isStrict())
            // Refusals too: they are answers as well.
            let refused = try await TLSConnection.ask(fixture.address, "GET /x HTTP/1.1\r\n\r\n")
            #expect(refused.hasPrefix("HTTP/1.1 400") && refused.contains("Strict-Transport-Security"))
            // At once, not with the next second's head.
            fixture.agent.reload(tls: selfSigned)
            #expect(try await !isStrict())
        }
        try await Fixture.run { fixture in
            let plain = try await fixture.ask("GET", "/healthz", [])
            #expect(plain.status == 200 && !plain.head.contains("Strict-Transport-Security"))
        }
    }

    @Test("metrics are for who has the permission, and are what Prometheus reads")
    func metrics() async throws {
        try await Fixture.run { fixture in
            #expect(try await fixture.ask("GET", "/metrics", []).status == 401)
            #expect(try await fixture.ask("GET", "/metrics", [Fixture.viewer]).status == 403)
            fixture.policy.replace(
                PolicySnapshot(groups: try Fixture.groups() + [GroupOptions(name: "probes", gateway: [.metrics])]))
            let token = try await fixture.users.createToken(name: "prometheus", groups: ["probes"])
            let end = Int64(4_000_000_000)
            fixture.certificates.replace([
                WatchedCertificate(role: .server, name: "default", agents: ["api"], validUntil: end),
                WatchedCertificate(
                    role: .revocationList, name: "/a \"b\"\\c\nd/é", agents: ["api"], validUntil: end + 1),
            ])
            let before = Int64(time(nil))
            let answer = try await fixture.ask("GET", "/metrics", ["Authorization: Bearer \(token)"])
            #expect(answer.status == 200 && answer.headers["content-type"] == "text/plain; version=0.0.4")
            let samples = try PrometheusText(answer.body).samples
            #expect(samples[#"sallyport_build_info{version="1.2.3 (test)"}"#] == 1)
            let expiry = "sallyport_certificate_expiry_timestamp_seconds"
            #expect(samples[expiry + #"{role="server",name="default"}"#] == Double(end))
            #expect(
                samples[expiry + #"{role="revocation-list",name="/a \"b\"\\c\nd/é"}"#] == Double(end + 1), "\(samples)")
            #expect(samples[#"sallyport_connections{agent="api"}"#] ?? 0 >= 1)
            #expect(samples[#"sallyport_connections_refused_total{agent="api"}"#] == 0)
            #expect(samples[#"sallyport_login_failures_total{agent="api"}"#] == 0)
            for name in ["streams", "streams_refused_total", "stream_missed_events_total", "streams_cut_off_total"] {
                #expect(samples["sallyport_\(name){agent=\"api\"}"] == 0, "\(name)")
            }
            #expect(try #require(samples["process_open_fds"]) > 3)
            #expect(try #require(samples["process_resident_memory_bytes"]) > 1_000_000)
            let started = try #require(samples["process_start_time_seconds"])
            #expect(started <= Double(before) + 2 && started > Double(before) - 86_400)

            #expect(try await fixture.ask("GET", "/healthz", ["Authorization: Basic eDp5"]).status == 200)
            #expect(try await fixture.ask("GET", "/metrics", ["Authorization: Basic eDp5"]).status == 401)
            let later = try await fixture.ask("GET", "/metrics", ["Authorization: Bearer \(token)"])
            #expect(try PrometheusText(later.body).samples[#"sallyport_login_failures_total{agent="api"}"#] == 1)
        }
    }
}

extension Fixture {
    /// What `/metrics` says of this agent; nil where it does not have it.
    func figure(_ name: String) async throws -> Double? {
        try PrometheusText(try await ask("GET", "/metrics").body).samples["\(name){agent=\"api\"}"]
    }

    /// Waits until that is so.
    func figure(_ name: String, becomes isWanted: (Double) -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(20)
        while true {
            let now = try await figure(name)
            if let now, isWanted(now) { return }
            guard ContinuousClock.now < end else {
                throw RawConnection.Failure(description: "\(name) stays \(now ?? -1)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

/// The text form of Prometheus, 0.0.4, read by its rules and without mercy: each family once, with HELP and TYPE in
/// front, its samples together, no sample twice.
struct PrometheusText {
    /// By name and labels as they stand.
    private(set) var samples: [String: Double] = [:]

    /// A name, labels with escaped values, a value.
    private static var sample: Regex<(Substring, Substring, Substring?, Substring)> {
        get throws {
            let label = #"[a-zA-Z_]\w*="(?:[^"\\]|\\[\\n"])*""#
            return try Regex("([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{\(label)(?:,\(label))*\\})? (\\S+)")
        }
    }

    init(_ text: String) throws {
        #expect(text.hasSuffix("\n"))
        var family = "", families: Set<String> = [], hasType = true
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            if let match = line.wholeMatch(of: /# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ([^\\]+)/) {
                #expect(hasType, "HELP without TYPE in front of \(line)")
                family = String(match.1)
                #expect(families.insert(family).inserted, "\(family) twice")
                hasType = false
            } else if let match = line.wholeMatch(of: /# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)/) {
                #expect(!hasType && match.1 == family, "\(line)")
                #expect(match.2 != "counter" || family.hasSuffix("_total"), "\(line)")
                hasType = true
            } else {
                let match = try #require(try Self.sample.wholeMatch(in: line), "\(line)")
                #expect(match.1 == family && hasType, "\(line)")
                let value = try #require(Double(match.3), "\(line)")
                let name = String(match.1) + String(match.2 ?? "")
                #expect(samples.updateValue(value, forKey: name) == nil, "\(name) twice")
            }
        }
        #expect(hasType)
    }
}
