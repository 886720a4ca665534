/// A point in time: microseconds since 1970-01-01T00:00:00Z. On the wire it is cut to milliseconds.
package struct Timestamp: Hashable, Comparable, Sendable, BitwiseCopyable {
    package var microseconds: Int64

    @inlinable
    package init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// Milliseconds since 1970, saturating where they do not fit.
    @inlinable
    package init(milliseconds: Int64) {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1000)
        microseconds = overflow ? (milliseconds < 0 ? .min : .max) : product
    }

    /// Milliseconds since 1970, rounded down: what the wire carries.
    @inlinable @inline(__always)
    package var milliseconds: Int64 {
        let quotient = microseconds / 1000
        return microseconds % 1000 < 0 ? quotient - 1 : quotient
    }

    @inlinable
    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }
}
