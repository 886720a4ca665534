import TLS

/// What the coordinator knows of the certificate files of what runs.
struct CertificateWatch {
    var files = FileWatch()
    var warnings = ExpiryWarnings()
    /// What was in the files of a client of ours (an MQTT agent, the audit log's forwarder) when it began to use them.
    var shown: [String: [String: FileState]] = [:]
    /// By agent.
    private var troubles: [String: CertificateTrouble] = [:]
    /// Of the default certificate that was told of last.
    var toldDefault: String?
    /// What that does not name.
    var toldMissing: [String] = []
    /// When files that could not be used were last tried again, or the default certificate to be made anew.
    var lastTry: ContinuousClock.Instant?

    /// Why an agent does not use the files as they are; nil when it does.
    func problem(of agent: String) -> String? { troubles[agent]?.told }

    var hasTrouble: Bool { !troubles.isEmpty }
    /// Whether something has to be told yet if it lasts.
    var hasPendingTrouble: Bool { troubles.values.contains(where: \.isPending) }

    /// - Returns: whether to tell of it now.
    mutating func note(_ problem: String, of agent: String, patience: Duration) -> Bool {
        troubles[agent, default: CertificateTrouble()].note(problem, patience: patience, now: .now)
    }

    /// - Returns: whether a problem was told of that is no more.
    mutating func settle(_ agent: String) -> Bool { troubles.removeValue(forKey: agent)?.told != nil }

    /// Of an agent that runs no more.
    mutating func forget(_ agent: String) {
        troubles[agent] = nil
        shown[agent] = nil
    }
}
