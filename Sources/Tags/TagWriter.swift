/// What became of a write to a device.
package enum WriteOutcome: Sendable, Equatable {
    /// The device confirmed it.
    case confirmed
    /// The device, or the driver before it sent a byte, refused it: nothing has changed.
    case refused(WriteRefusal)
    /// The connection broke after the request was sent: it may or may not have been executed.
    case unknown(reason: String)
}

/// Why a write was refused.
package struct WriteRefusal: Sendable, Equatable {
    package enum Code: String, Sendable {
        case unknownTag = "unknown-tag"
        case readOnly = "read-only"
        case wrongType = "wrong-type"
        case outOfRange = "out-of-range"
        case busy
        case deviceRefused = "device-refused"
        case deviceOffline = "device-offline"
    }

    package let code: Code
    package let reason: String

    package init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}

/// Writes to devices. Drivers implement it; only the write arbiter calls it.
///
/// An implementation MUST NOT repeat a request of its own accord once a byte of it may have reached the device, and MUST
/// return within the device's timeout and a connection attempt.
package protocol TagWriter: Sendable {
    /// Writes `data`, in scaled units and of the tag's own type, to the device.
    func write(_ data: TagData, to tag: TagHandle) async -> WriteOutcome
}
