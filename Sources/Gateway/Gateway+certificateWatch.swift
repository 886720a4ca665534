import GatewayConfiguration
import Logging
import RESTServerAgent
import TLS

extension Gateway {
    /// How often the files are looked at.
    private static let pause = Duration.seconds(2)
    /// And how soon again while they are being written.
    private static let settlingPause = Duration.milliseconds(500)
    /// How long files may not fit together before it is told.
    private static let patience = Duration.seconds(6)
    /// How often files that could not be used are tried again although nothing has changed: time alone mends some.
    private static let retryPause = Duration.seconds(60)

    /// Looks after the certificates of what runs, until it is cancelled: takes new ones when files change, renews the
    /// default one, warns before one ends.
    func watchCertificates() async {
        while !Task.isCancelled {
            let isSettling = await lookAfterCertificates()
            guard (try? await Task.sleep(for: isSettling ? Gateway.settlingPause : Gateway.pause)) != nil else {
                return
            }
        }
    }

    /// One round.
    ///
    /// - Returns: whether files are being written: the next round is to come soon.
    func lookAfterCertificates() async -> Bool {
        guard let configuration, !isStopWanted else { return false }
        let files = await look(at: configuration.certificateFiles, before: certificateWatch.files.seen)
        let step = certificateWatch.files.look(at: files, now: .now)
        if step == .changed || certificateWatch.hasPendingTrouble || isTimeToTryAgain {
            await refreshCertificates(patience: Gateway.patience)
            if !certificateWatch.hasTrouble, !isDefaultDue { certificateWatch.lastTry = nil }
        }
        warnOfEnds()
        return step == .settling
    }

    /// Whether something is to be done although no file has changed.
    private var isTimeToTryAgain: Bool {
        guard certificateWatch.hasTrouble || isDefaultDue else { return false }
        if let last = certificateWatch.lastTry, .now - last < Gateway.retryPause { return false }
        certificateWatch.lastTry = .now
        return true
    }

    /// Whether a listener serves the default certificate and it is to be made anew.
    private var isDefaultDue: Bool {
        agents.values.contains { agent in
            guard case .restServer(let state) = agent.kind,
                case .restServer(let options) = agent.configuration.options, options.identity == nil,
                let tls = state.snapshot.tls
            else { return false }
            return DefaultIdentity.isDue(tls.identity, now: clock())
        }
    }

    private func warnOfEnds() {
        let now = clock()
        for certificate in certificateWatch.warnings.due(among: certificates.certificates, now: now) {
            let hasEnded = certificate.validUntil < now
            logger.log(
                level: hasEnded ? .error : .warning,
                hasEnded ? "A certificate has ended" : "A certificate ends soon",
                metadata: [
                    "role": "\(certificate.role.rawValue)", "certificate": "\(certificate.name)",
                    "agents": "\(certificate.agents.joined(separator: ", "))", "valid-until": "\(certificate.expiry)",
                    "days-left": "\(certificate.daysLeft(now: now))",
                ])
        }
    }
}
