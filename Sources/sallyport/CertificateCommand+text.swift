import Gateway
import TLS

extension IdentityDescription {
    func show() {
        Terminal.say("\(identity)  \(certificateFile)")
        if let certificate { show(certificate) }
        line("key file", keyFile)
        line("used by", agents.isEmpty ? "no agent" : agents.joined(separator: ", "))
        for key in pending { line("waiting", "\(key.key), pin-sha256 \(key.pin), \(key.file)") }
        if let previousCertificateFile { line("previous", previousCertificateFile) }
        if let problem { line("problem", problem) }
    }

    private func show(_ certificate: Certificate) {
        let issuer =
            !certificate.selfSigned
            ? certificate.issuer : "itself (self-signed\(certificate.madeHere ? ", made here" : ""))"
        line("subject", certificate.subject.isEmpty ? "-" : certificate.subject)
        line("issuer", issuer)
        line("names", certificate.names.isEmpty ? "none" : certificate.names.joined(separator: ", "))
        if !certificate.missingNames.isEmpty { line("not named", certificate.missingNames.joined(separator: ", ")) }
        line("key", certificate.key)
        line("signature", certificate.signature)
        line("serial", certificate.serial)
        let days = certificate.daysLeft
        let left = days < 0 ? "expired" : days == 1 ? "1 day left" : "\(days) days left"
        line(
            "valid",
            "\(Terminal.minutes(certificate.validFromMilliseconds)) to "
                + "\(Terminal.minutes(certificate.validUntilMilliseconds)) UTC, \(left)")
        line("fingerprint", certificate.fingerprint)
        line("pin-sha256", certificate.pin)
        for issuer in certificate.chain {
            line("chain", "\(issuer.subject), until \(Terminal.minutes(issuer.validUntilMilliseconds)) UTC")
        }
    }

    private func line(_ name: String, _ value: String) {
        Terminal.say("  " + name + String(repeating: " ", count: max(1, 13 - name.count)) + value)
    }
}

extension CertificateChange {
    func show(_ format: OutputFormat, isRunning: Bool) throws {
        for warning in warnings { Terminal.complain("warning: \(warning)") }
        guard format == .text else { return try Terminal.json(self) }
        for note in notes { Terminal.complain("note: \(note)") }
        guard isChanged else {
            return Terminal.say("\(identity) has this certificate already; nothing was changed")
        }
        Terminal.say("\(identity) is \(subject), valid until \(Terminal.minutes(validUntilMilliseconds)) UTC")
        Terminal.say("  fingerprint  \(fingerprint)")
        if let oldFingerprint { Terminal.say("  before       \(oldFingerprint)") }
        guard !agents.isEmpty else { return Terminal.say("  used by      no agent") }
        let when = isRunning ? "new connections from now on" : "from the next start on"
        Terminal.say("  used by      \(agents.joined(separator: ", ")): \(when)")
    }
}
