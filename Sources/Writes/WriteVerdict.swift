/// What became of one write request: exactly one of these.
package struct WriteVerdict: Sendable, Equatable {
    package enum Outcome: Sendable, Equatable {
        /// The device confirmed it.
        case applied
        case rejected(Code)
        /// The connection broke after the request was sent: it may or may not have been executed.
        case unknown
    }

    /// The closed list of SURFACE.md, as far as a write can meet them yet.
    package enum Code: String, Sendable, CaseIterable {
        case badRequest = "bad-request"
        case unknownTag = "unknown-tag"
        case forbidden
        case readOnly = "read-only"
        case writesOff = "writes-off"
        case wrongType = "wrong-type"
        case outOfRange = "out-of-range"
        case busy
        case deviceRefused = "device-refused"
        case deviceOffline = "device-offline"
        case auditUnavailable = "audit-unavailable"
    }

    /// As configured; as asked for when there is no such tag for who asks.
    package var tag: String
    package var outcome: Outcome
    /// For people; empty when applied.
    package var reason: String

    package init(tag: String, _ outcome: Outcome, reason: String = "") {
        self.tag = tag
        self.outcome = outcome
        self.reason = reason
    }

    package var isApplied: Bool { outcome == .applied }

    /// `applied`, the code of a rejection, or `unknown`.
    package var word: String {
        switch outcome {
        case .applied: "applied"
        case .rejected(let code): code.rawValue
        case .unknown: "unknown"
        }
    }

    /// The word first, then the sentence: `out-of-range: 150 is …`. Empty when applied: what `r` is on the wire.
    package var text: String { isApplied ? "" : "\(word): \(reason)" }
}
