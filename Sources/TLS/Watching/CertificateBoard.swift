import Synchronization

/// A certificate whose end somebody has to know of.
package struct WatchedCertificate: Sendable, Equatable {
    package enum Role: String, Sendable, Codable, CaseIterable {
        /// Shown by a listener.
        case server
        /// Shown by a client of ours.
        case client
        /// The last root of a file of authorities.
        case authority
        /// The next list is due by then.
        case revocationList = "revocation-list"
    }

    package var role: Role
    /// Of the identity, or the file's path.
    package var name: String
    /// The agents that use it, sorted.
    package var agents: [String]
    /// Seconds since 1970; nil where it is not known.
    package var validFrom: Int64?
    /// Seconds since 1970.
    package var validUntil: Int64

    package init(role: Role, name: String, agents: [String], validFrom: Int64? = nil, validUntil: Int64) {
        self.role = role
        self.name = name
        self.agents = agents
        self.validFrom = validFrom
        self.validUntil = validUntil
    }

    /// `2027-01-31 23:59 UTC`
    package var expiry: String { CertificateTime.text(validUntil) }

    /// - Parameter now: seconds since 1970; nil asks the clock.
    package func secondsLeft(now: Int64? = nil) -> Int64 { validUntil - (now ?? CertificateTime.now) }

    /// Whole days that are left, rounded down; below zero once it has ended.
    ///
    /// - Parameter now: seconds since 1970; nil asks the clock.
    package func daysLeft(now: Int64? = nil) -> Int {
        let seconds = secondsLeft(now: now)
        return Int(seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400)
    }
}

/// The certificates in use, as whoever watches them saw them last; read for health, status and metrics.
package final class CertificateBoard: Sendable {
    private let box = Mutex<[WatchedCertificate]>([])

    package init() {}

    package var certificates: [WatchedCertificate] { box.withLock { $0 } }

    package func replace(_ certificates: [WatchedCertificate]) { box.withLock { $0 = certificates } }
}
