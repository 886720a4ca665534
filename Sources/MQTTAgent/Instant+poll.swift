extension ContinuousClock.Instant {
    /// For `poll`: rounded up, never negative, at most an hour.
    func milliseconds(until later: ContinuousClock.Instant) -> Int32 {
        let (seconds, attoseconds) = duration(to: later).components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return Int32(min(seconds, 3600) * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
