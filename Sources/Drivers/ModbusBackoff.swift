/// How long a device that does not answer is left alone: jittered and exponential at first, and after some failures
/// in a row a whole period at a time, so that a dead device costs others nothing.
struct ModbusBackoff: Equatable, Sendable {
    let demoteAfter: Int
    /// Nanoseconds.
    let period: Int64
    let base: Int64
    private(set) var failures = 0

    init(demotion: ModbusDeviceOptions.Demotion, poll: Duration) {
        demoteAfter = max(demotion.after, 1)
        period = demotion.period.pollNanoseconds
        base = min(max(poll.pollNanoseconds, 100_000_000), 1_000_000_000, period)
    }

    var isDemoted: Bool { failures >= demoteAfter }

    /// Nanoseconds until the next attempt.
    ///
    /// - Parameter random: 0..<1.
    mutating func failed(random: Double) -> Int64 {
        failures = min(failures + 1, 1_000_000)
        // A thousand devices behind one switch come back together: they must not knock together.
        if isDemoted { return Int64(Double(period) * (0.9 + 0.2 * random)) }
        let doubled = base << min(failures - 1, 16)
        return Int64(Double(min(doubled, period)) * (0.5 + 0.5 * random))
    }

    mutating func succeeded() {
        failures = 0
    }
}
