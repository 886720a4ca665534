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
    /// Seconds since 1970.
    package var validUntil: Int64

    package init(role: Role, name: String, agents: [String], validUntil: Int64) {
        self.role = role
        self.name = name
        self.agents = agents
        self.validUntil = validUntil
    }

    /// Whole days that are left, rounded down; below zero once it has ended.
    ///
    /// - Parameter now: seconds since 1970; nil asks the clock.
    package func daysLeft(now: Int64? = nil) -> Int {
        let seconds = validUntil - (now ?? CertificateTime.now)
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
