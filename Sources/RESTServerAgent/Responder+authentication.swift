import Logging
import SecurityPolicy
import Synchronization
import Tags

extension Responder {
    /// The answer to who is not let in.
    struct Refusal: Error {
        let reply: Reply
    }

    /// Who logged in on a connection, by the header that said so: most clients send the same with every request.
    struct Login: Sendable {
        fileprivate let header: String
        fileprivate var receipt: PasswordVerifier.Receipt
    }

    func principal(
        of request: ServerRequest, from address: ClientAddress, login: inout Login?
    ) async -> Result<Principal, Refusal> {
        if var current = login, request.fields.authorization.count == 1,
            request.fields.authorization[0].utf8.elementsEqual(current.header.utf8),
            verifier.stillHolds(&current.receipt)
        {
            login = current
            return .success(current.receipt.principal)
        }
        login = nil
        let credentials: BasicCredentials
        switch self.credentials(of: request, from: address) {
        case .success(let found): credentials = found
        case .failure(let refusal): return .failure(refusal)
        }
        switch await verifier.verify(
            user: credentials.user, password: credentials.password, client: address.client)
        {
        case .verified(let principal):
            if let receipt = verifier.receipt(user: credentials.user, password: credentials.password) {
                login = Login(header: request.fields.authorization[0], receipt: receipt)
            }
            return .success(principal)
        case .refused:
            failures.note(.refused(user: credentials.user), from: address)
            return .failure(unauthorized("wrong user name or password"))
        case .busy:
            failures.note(.busy, from: address)
            let reply = Reply.failure(.tooManyRequests, "too many logins at once; try again in a few seconds")
            return .failure(Refusal(reply: reply.with("Retry-After", "5")))
        }
    }

    /// The credentials that a request carries, right or wrong, or the answer when it carries none.
    func credentials(
        of request: ServerRequest, from address: ClientAddress
    ) -> Result<BasicCredentials, Refusal> {
        do {
            return .success(try BasicCredentials.parse(request.fields.authorization))
        } catch {
            switch error {
            case .missing: return .failure(unauthorized("user name and password are needed"))
            case .malformed:
                failures.note(.malformed, from: address)
                return .failure(unauthorized("the Authorization header is not HTTP Basic"))
            case .emptyPassword(let user):
                failures.note(.emptyPassword(user: user), from: address)
                return .failure(unauthorized("wrong user name or password"))
            }
        }
    }

    private func unauthorized(_ reason: String) -> Refusal {
        let reply = Reply.failure(.unauthorized, reason)
        return Refusal(reply: reply.with("WWW-Authenticate", "Basic realm=\"Sallyport\", charset=\"UTF-8\""))
    }
}

/// Tells the log of refused logins, at most once a second for each client and kind: a flood must not fill the disk, and
/// one kind from one client must not hide another.
final class LoginFailureLog: Sendable {
    enum Failure {
        case malformed
        case emptyPassword(user: String)
        case refused(user: String)
        case busy
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

    init(logger: Logger) {
        self.logger = logger
    }

    func note(_ failure: Failure, from address: ClientAddress) {
        let now = ContinuousClock.now
        let kind =
            switch failure {
            case .malformed: 0
            case .emptyPassword: 1
            case .refused: 2
            case .busy: 3
            }
        let dropped: Int? = state.withLock { counts in
            var slot = Slot(kind: kind, client: address.client)
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
        var metadata: Logger.Metadata = ["client": "\(address)"]
        if dropped > 0 { metadata["not-logged-before-this"] = "\(dropped)" }
        switch failure {
        case .malformed: metadata["reason"] = "the Authorization header is not HTTP Basic"
        case .emptyPassword(let user):
            metadata["reason"] = "empty password: refused for every user"
            metadata["user"] = "\(LoginFailureLog.printable(user))"
        case .refused(let user):
            metadata["reason"] = "unknown or disabled user, or wrong password"
            metadata["user"] = "\(LoginFailureLog.printable(user))"
        case .busy: metadata["reason"] = "too many passwords are being checked"
        }
        logger.warning("Login refused", metadata: metadata)
    }

    /// What was sent as a name, cut and without control characters: it goes into a line of the log.
    static func printable(_ text: String) -> String {
        let scalars = text.unicodeScalars.prefix(64).map { $0.properties.generalCategory == .control ? "?" : $0 }
        return String(String.UnicodeScalarView(scalars))
    }
}
