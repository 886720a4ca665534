/// How far a value can be trusted, and why not: a small code with its text in a table.
///
/// 0 is good, 1–63 uncertain, 64 and up bad. In messages only good is `q:true`; in REST reads good and uncertain are
/// `s:true`.
package struct Quality: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt8

    @inlinable
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    // The one of RawRepresentable is generic, and was called through its witness for each update.
    @inlinable
    package static func == (left: Quality, right: Quality) -> Bool { left.rawValue == right.rawValue }

    @inlinable package static var good: Quality { Quality(rawValue: 0) }

    /// The last value, from before the device was demoted or while a reload goes on.
    package static let uncertainLastUsable = Quality(rawValue: 1)
    /// The value was clamped to its scale.
    package static let uncertainClamped = Quality(rawValue: 2)

    /// No value has come yet.
    package static let waitingForInitialData = Quality(rawValue: 64)
    package static let notConnected = Quality(rawValue: 65)
    package static let timeout = Quality(rawValue: 66)
    /// The device answered with an exception.
    package static let deviceException = Quality(rawValue: 67)
    /// The device refused the address (Modbus exception 2).
    package static let addressRefused = Quality(rawValue: 68)
    /// The device's answer broke the protocol.
    package static let protocolError = Quality(rawValue: 69)
    /// The raw value does not fit the tag's type or range, or is not a number.
    package static let outOfRange = Quality(rawValue: 70)
    /// The device or its channel is disabled in the configuration.
    package static let disabled = Quality(rawValue: 71)
    /// The tag is no longer configured.
    package static let removed = Quality(rawValue: 72)

    @inlinable package var isGood: Bool { rawValue == 0 }
    @inlinable package var isBad: Bool { rawValue >= 64 }

    /// A few words, fit for a metric label or a reason on the wire.
    package var text: String {
        switch self {
        case .good: "good"
        case .uncertainLastUsable: "uncertain: last usable value"
        case .uncertainClamped: "uncertain: clamped"
        case .waitingForInitialData: "bad: waiting for initial data"
        case .notConnected: "bad: not connected"
        case .timeout: "bad: timeout"
        case .deviceException: "bad: device exception"
        case .addressRefused: "bad: address refused by the device"
        case .protocolError: "bad: protocol error"
        case .outOfRange: "bad: out of range"
        case .disabled: "bad: disabled"
        case .removed: "bad: removed"
        default: isBad ? "bad" : "uncertain"
        }
    }
}
