import Glibc

/// The time of day, which may jump.
enum WallClock {
    static var milliseconds: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// What the age of messages is measured with: it does not jump when the time of day is set. Between two runs it goes on by
/// what the time of day says, unless that is more than a year or less than nothing.
struct AgeClock: Sendable {
    private static let mostAway: Int64 = 366 * 86400
    private let base: Int64
    private let begin = ContinuousClock.now

    /// - Parameters:
    ///   - age: what it showed at last.
    ///   - time: when that was, in milliseconds since 1970.
    init(age: Int64, time: Int64, now: Int64 = WallClock.milliseconds) {
        let (away, isFar) = now.subtractingReportingOverflow(time)
        let seconds = isFar ? 0 : away / 1000
        base = max(0, age) + ((0...AgeClock.mostAway).contains(seconds) ? seconds : 0)
    }

    /// Seconds.
    var now: Int64 { base + begin.duration(to: .now).components.seconds }
}
