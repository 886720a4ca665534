/// The bounds of the audit log, as configured.
package struct AuditOptions: Sendable, Equatable {
    /// Bytes of the log in the data directory; the oldest entries are exported when it is reached.
    package var maximumBytes: Int64
    package var maximumAge: Duration
    /// Bytes of these that only writes and administration may use.
    package var reserve: Int64

    package init(
        maximumBytes: Int64 = 256 << 20, maximumAge: Duration = .seconds(365 * 86_400), reserve: Int64 = 16 << 20
    ) {
        self.maximumBytes = maximumBytes
        self.maximumAge = maximumAge
        self.reserve = reserve
    }
}
