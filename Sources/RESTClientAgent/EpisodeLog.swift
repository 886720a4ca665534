/// What of an endpoint's trouble is worth a line in the log: its beginning, every tenth attempt and its end, and never more
/// than a line a second. Pure.
struct EpisodeLog: Sendable {
    private static let pace = Duration.seconds(1)

    private var lastLine: ContinuousClock.Instant?
    /// A line has told of the trouble that there is.
    private(set) var isTold = false

    /// - Parameter count: of attempts that failed, with this one.
    mutating func failed(_ count: Int, at now: ContinuousClock.Instant) -> Bool {
        guard !isTold || count % 10 == 0 else { return false }
        guard takeLine(at: now) else { return false }
        isTold = true
        return true
    }

    /// Whether the end is to be told.
    mutating func ended(at now: ContinuousClock.Instant) -> Bool {
        guard isTold, takeLine(at: now) else { return false }
        isTold = false
        return true
    }

    /// The end, untold.
    mutating func isOver() { isTold = false }

    private mutating func takeLine(at now: ContinuousClock.Instant) -> Bool {
        if let lastLine, lastLine.duration(to: now) < EpisodeLog.pace { return false }
        lastLine = now
        return true
    }
}
