/// Why an agent does not use the certificate files as they are now. Each reason is told once, and none before it has
/// lasted.
struct CertificateTrouble {
    /// What was told of last.
    private(set) var told: String?
    /// Since when there is another reason, which was not told of yet.
    private var since: ContinuousClock.Instant?

    /// Whether one waits to be told.
    var isPending: Bool { since != nil }

    /// - Returns: whether to tell of it now.
    mutating func note(_ reason: String, patience: Duration, now: ContinuousClock.Instant) -> Bool {
        guard reason != told else {
            since = nil
            return false
        }
        let begin = since ?? now
        guard now - begin >= patience else {
            since = begin
            return false
        }
        told = reason
        since = nil
        return true
    }
}
