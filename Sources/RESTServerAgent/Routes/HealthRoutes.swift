import NIOHTTP1
import SecurityPolicy
import TLS
import TagStore
import WireFormat

/// What watches over the gateway asks: whether it lives, whether it is ready, and its figures.
struct HealthRoutes: Sendable {
    /// What is left when `readyz` begins to warn, in seconds.
    private static let warning: Int64 = 30 * 86_400

    let store: TagStore
    let policy: PolicyBox
    let verifier: PasswordVerifier
    let certificates: CertificateBoard
    let listeners: ListenerBoard
    let version: String
    /// What this listener serves; nil: plain HTTP.
    let served: @Sendable () -> TLSIdentity?
    /// Seconds since 1970; nil asks the clock.
    var now: @Sendable () -> Int64? = { nil }

    var routes: [Route] {
        [
            Route(
                path: "/healthz",
                operations: [
                    Operation(
                        .GET, "Whether the process answers.", answers: [.init(.ok, "It does.", .json(.init("Alive")))])
                ],
                access: .open { alive() }),
            Route(
                path: "/readyz",
                operations: [
                    Operation(
                        .GET, "Whether the interface is ready for use.",
                        answers: [
                            .init(.ok, "It is, perhaps with warnings.", .json(.init("Ready"))),
                            .init(
                                .serviceUnavailable,
                                "No administrator exists yet, or the certificate of this interface has ended."),
                        ])
                ],
                access: .open { ready() }),
            Route(
                path: "/metrics",
                operations: [
                    Operation(
                        .GET, "Figures of the gateway for Prometheus.",
                        answers: [.init(.ok, "The figures.", .metrics)])
                ],
                access: .gateway(.metrics) { _ in metrics() }),
        ]
    }

    /// Takes the locks that every read and every decision takes: where one is held for ever there is no answer.
    private func alive() -> Reply {
        _ = store.read([])
        _ = policy.snapshot
        return Reply(.ok, .json, body: HealthRoutes.alive)
    }

    private static let alive = Array("{\"alive\":true}".utf8)

    private func ready() -> Reply {
        guard verifier.hasAdministrator else { return .failure(.serviceUnavailable, Responder.noAdministrator) }
        var json = JSONBytes(capacity: 128)
        json.append(raw: "{\"ready\":true")
        if let certificate = served().map(WatchedCertificate.init(served:)) {
            let left = certificate.secondsLeft(now: now())
            guard left >= 0 else {
                return .failure(
                    .serviceUnavailable,
                    "the certificate of this interface has ended on \(certificate.expiry): renew it")
            }
            if left <= HealthRoutes.warning {
                json.append(raw: ",\"warnings\":[")
                json.append(
                    string: "the certificate of this interface ends on \(certificate.expiry), days left: "
                        + "\(certificate.daysLeft(now: now()))")
                json.append(0x5D)
            }
        }
        json.append(0x7D)
        return Reply(.ok, .json, body: json.bytes)
    }

    private func metrics() -> Reply {
        var text = MetricsText()
        text.add(
            "sallyport_build_info", .gauge, "Always 1; the version is in its label.", [([("version", version)], "1")])
        text.add(
            "sallyport_certificate_expiry_timestamp_seconds", .gauge,
            "When a certificate in use ends, or the next revocation list is due.",
            certificates.certificates.map { certificate in
                ([("role", certificate.role.rawValue), ("name", certificate.name)], "\(certificate.validUntil)")
            })
        addListeners(to: &text)
        let process = ProcessFigures.current()
        text.add("process_open_fds", .gauge, "Open file descriptors.", process.openDescriptors.map { "\($0)" })
        text.add(
            "process_resident_memory_bytes", .gauge, "Memory of the process in RAM.",
            process.residentMemory.map { "\($0)" })
        text.add(
            "process_start_time_seconds", .gauge, "When the process began, in seconds since 1970.",
            process.started.map { "\($0)" })
        return Reply(.ok, .metrics, body: Array(text.text.utf8))
    }

    private func addListeners(to text: inout MetricsText) {
        let counts = listeners.counts
        func add(
            _ name: StaticString, _ kind: MetricsText.Kind, _ help: StaticString, _ figure: (ListenerCounts) -> Int
        ) {
            text.add(name, kind, help, counts.map { ([("agent", $0.agent)], "\(figure($0.counts))") })
        }
        add("sallyport_connections", .gauge, "Open connections of a REST server agent.") { $0.connections }
        add(
            "sallyport_connections_refused_total", .counter,
            "Connections that a REST server agent closed at once: by its networks or its caps."
        ) { $0.refusedConnections }
        add("sallyport_login_failures_total", .counter, "Logins that a REST server agent refused.") { $0.failedLogins }
        add("sallyport_streams", .gauge, "Open streams of a REST server agent.") { $0.streams.open }
        add(
            "sallyport_streams_refused_total", .counter, "Streams that a REST server agent refused for want of a place."
        ) { $0.streams.refused }
        add(
            "sallyport_stream_missed_events_total", .counter,
            "Events that told a client of a stream of changes which it has not had."
        ) { $0.streams.missed }
        add(
            "sallyport_streams_cut_off_total", .counter,
            "Streams whose connection ended because the client took nothing."
        ) { $0.streams.cutOff }
    }
}

extension WatchedCertificate {
    fileprivate init(served identity: TLSIdentity) {
        self.init(
            role: .server, name: identity.name, agents: [], validFrom: identity.validFrom,
            validUntil: identity.validUntil)
    }
}
