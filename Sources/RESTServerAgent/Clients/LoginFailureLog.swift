import Logging
import Synchronization

/// Tells the log of refused logins, at most once a second for each client and kind: a flood must not fill the disk, and
/// one kind from one client must not hide another.
final class LoginFailureLog: Sendable {
    enum Failure {
        case malformed
        case emptyPassword(user: String)
        case refused(user: String)
        case token
        case busy
        case throttled
        /// The certificate is good, and nobody is behind it.
        case certificate(name: String, reason: String)
        /// Through a trusted proxy, from a network that is not among `allow-from`.
        case network

        fileprivate var kind: Int {
            switch self {
            case .malformed: 0
            case .emptyPassword: 1
            case .refused: 2
            case .busy: 3
            case .token: 4
            case .throttled: 5
            case .certificate: 6
            case .network: 7
            }
        }

        /// For the log; the client is told less.
        var reason: String {
            switch self {
            case .malformed: "the Authorization header is neither HTTP Basic nor Bearer"
            case .emptyPassword: "empty password: refused for every user"
            case .refused: "unknown or disabled user, or wrong password"
            case .token: "unknown, expired or revoked API token"
            case .busy: "too many passwords are being checked"
            case .throttled: "too many failed logins: not checked"
            case .certificate(_, let reason): reason
            case .network: "the address is not among the agent's allow-from"
            }
        }
    }

    /// The kinds apart, and clients as long as the table has room; those beyond it share a slot for each kind.
    private struct Slot: Hashable {
        var kind: Int
        var client: String?
    }

    private struct Count {
        var last: ContinuousClock.Instant
        var dropped = 0
    }

    static let slots = 64
    private static let period = Duration.seconds(1)

    private let logger: Logger
    private let state = Mutex<[Slot: Count]>([:])
    private let total = Atomic(0)

    init(logger: Logger) {
        self.logger = logger
    }

    /// Those that were not logged included.
    var count: Int { total.load(ordering: .relaxed) }

    func note(_ failure: Failure, from address: ClientAddress) {
        total.wrappingAdd(1, ordering: .relaxed)
        let now = ContinuousClock.now
        let dropped: Int? = state.withLock { counts in
            var slot = Slot(kind: failure.kind, client: address.client)
            if counts[slot] == nil, counts.count >= LoginFailureLog.slots {
                // What has nothing left to tell makes room; when all are busy, this one shares.
                counts = counts.filter { now - $0.value.last < LoginFailureLog.period }
                if counts.count >= LoginFailureLog.slots { slot.client = nil }
            }
            if let count = counts[slot], now - count.last < LoginFailureLog.period {
                counts[slot]?.dropped += 1
                return nil
            }
            defer { counts[slot] = Count(last: now) }
            return counts[slot]?.dropped ?? 0
        }
        guard let dropped else { return }
        var metadata: Logger.Metadata = ["client": "\(address)", "reason": "\(failure.reason)"]
        if dropped > 0 { metadata["not-logged-before-this"] = "\(dropped)" }
        switch failure {
        case .emptyPassword(let user), .refused(let user):
            metadata["user"] = "\(LoginFailureLog.printable(user))"
        case .certificate(let name, _):
            metadata["certificate"] = "\(LoginFailureLog.printable(name, most: 256))"
        case .malformed, .token, .busy, .throttled, .network: break
        }
        logger.warning("Login refused", metadata: metadata)
    }

    /// What was sent as a name, cut and without control characters: it goes into a line of the log.
    static func printable(_ text: String, most: Int = 64) -> String {
        let scalars = text.unicodeScalars.prefix(most).map { $0.properties.generalCategory == .control ? "?" : $0 }
        return String(String.UnicodeScalarView(scalars))
    }
}
