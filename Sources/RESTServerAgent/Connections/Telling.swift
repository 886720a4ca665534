/// How often something happened, and whether the log is to hear of it again: at most once a second, so that a flood does
/// not fill the disk. Pure; the caller brings the time.
struct Telling {
    static let period = Duration.seconds(1)

    private(set) var happened = 0
    private var toldUpTo = 0
    private var lastTold: ContinuousClock.Instant?

    init() {}

    /// It happened once more.
    ///
    /// - Returns: how many were not told before this one; nil when it is not to be told.
    mutating func tell(_ now: ContinuousClock.Instant) -> Int? {
        happened += 1
        if let lastTold, now - lastTold < Telling.period { return nil }
        defer {
            lastTold = now
            toldUpTo = happened
        }
        return happened - toldUpTo - 1
    }
}
