import NIOHTTP1
import SecurityPolicy
import TLS

extension Responder {
    /// The answer to who is not let in.
    struct Refusal: Error {
        let reply: Reply
    }

    /// Who logged in on a connection, by the header that said so: most clients send the same with every request.
    struct Login: Sendable {
        fileprivate let header: String
        fileprivate var receipt: PasswordVerifier.Receipt

        fileprivate mutating func holds(_ verifier: PasswordVerifier) -> Bool { verifier.stillHolds(&receipt) }
    }

    /// Who asks. An `Authorization` header wins over a client certificate, and a wrong one is never overlooked; without
    /// both it is `anonymous` where the agent lets that in.
    func principal(
        of request: ServerRequest, on peer: Peer, from client: ClientAddress, login: inout Login?
    ) async -> Result<Principal, Refusal> {
        if let known = principalAtOnce(of: request, on: peer, from: client, login: &login) { return known }
        switch credentials(of: request, from: client) {
        case .failure(let refusal): return .failure(refusal)
        case .success(.token(let token)): return check(token, request, from: client, login: &login)
        case .success(.basic(let credentials)):
            return await check(credentials, request, from: client, login: &login)
        }
    }

    /// As `principal`, without waiting: nil for a password that this connection has not shown before.
    func principalAtOnce(
        of request: ServerRequest, on peer: Peer, from client: ClientAddress, login: inout Login?
    ) -> Result<Principal, Refusal>? {
        if let refusal = certificateRefusal(peer, from: client) { return .failure(refusal) }
        if request.fields.authorization.isEmpty { return withoutHeader(request, on: peer, from: client) }
        if let principal = heldPrincipal(of: request, login: &login) { return .success(principal) }
        login = nil
        switch credentials(of: request, from: client) {
        case .failure(let refusal): return .failure(refusal)
        case .success(.token(let token)): return check(token, request, from: client, login: &login)
        case .success(.basic): return nil
        }
    }

    /// Who logged in with the same header before on this connection, as long as that holds.
    private func heldPrincipal(of request: ServerRequest, login: inout Login?) -> Principal? {
        guard request.fields.authorization.count == 1, let header = login?.header,
            isSameBytes(request.fields.authorization[0], header), login?.holds(verifier) == true
        else { return nil }
        return login?.receipt.principal
    }

    /// The answer to a request that needs a principal and whose head shows that it has none; nil when it may have one.
    func refusalByHead(of request: ServerRequest, on peer: Peer, from client: ClientAddress) -> Refusal? {
        if let refusal = certificateRefusal(peer, from: client) { return refusal }
        if request.fields.authorization.isEmpty {
            if case .failure(let refusal) = withoutHeader(request, on: peer, from: client) { return refusal }
            return nil
        }
        switch credentials(of: request, from: client) {
        case .failure(let refusal): return refusal
        case .success(.basic): return nil
        case .success(.token(let token)):
            // It costs nothing to look at; a password does, and waits for the whole request.
            var login: Login?
            if case .failure(let refusal) = check(token, request, from: client, login: &login) { return refusal }
            return nil
        }
    }

    /// What the login of a request that was let in stands on; nil when that is forgotten already.
    func ground(of request: ServerRequest, on peer: Peer, _ login: Login?) -> Subscriber.Ground? {
        guard request.fields.authorization.isEmpty else { return login.map { .receipt($0.receipt, on: peer) } }
        if case .mapped = peer.certificate { return .certificate(peer) }
        return .anonymous
    }

    // MARK: Authorization

    private func check(
        _ credentials: BasicCredentials, _ request: ServerRequest, from client: ClientAddress, login: inout Login?
    ) async -> Result<Principal, Refusal> {
        let user = credentials.user
        switch await verifier.verify(user: user, password: credentials.password, client: client.client) {
        case .verified(let principal):
            if let receipt = verifier.receipt(user: user, password: credentials.password) {
                login = Login(header: request.fields.authorization[0], receipt: receipt)
            }
            trail.loggedIn(principal, from: client)
            return .success(principal)
        case .refused: return .failure(refuse(.refused(user: user), .user, user, from: client))
        case .busy: return .failure(refuse(.busy, .user, user, from: client))
        case .throttled(let wait): return .failure(refuse(.throttled, .user, user, from: client, wait: wait))
        }
    }

    private func check(
        _ token: String, _ request: ServerRequest, from client: ClientAddress, login: inout Login?
    ) -> Result<Principal, Refusal> {
        switch verifier.verify(token: token, client: client.client) {
        case .verified(let principal):
            if let receipt = verifier.receipt(token: token) {
                login = Login(header: request.fields.authorization[0], receipt: receipt)
            }
            trail.loggedIn(principal, from: client)
            return .success(principal)
        case .refused: return .failure(refuse(.token, .token, "", from: client))
        case .busy: return .failure(refuse(.busy, .token, "", from: client))
        case .throttled(let wait): return .failure(refuse(.throttled, .token, "", from: client, wait: wait))
        }
    }

    /// The credentials that a request's header carries, right or wrong, or the answer when they cannot be read.
    private func credentials(
        of request: ServerRequest, from client: ClientAddress
    ) -> Result<Credentials, Refusal> {
        do {
            return .success(try Credentials.parse(request.fields.authorization))
        } catch {
            switch error {
            case .missing: return .failure(unauthorized(Responder.loginNeeded))
            case .malformed: return .failure(refuse(.malformed, .user, "", from: client))
            case .emptyPassword(let user):
                return .failure(refuse(.emptyPassword(user: user), .user, user, from: client))
            }
        }
    }

    // MARK: no header

    private static let loginNeeded = "user name and password are needed"

    private func withoutHeader(
        _ request: ServerRequest, on peer: Peer, from client: ClientAddress
    ) -> Result<Principal, Refusal> {
        if case .mapped(let certificate, let holder) = peer.certificate {
            if certificate.hasExpired() { return .failure(refuse(expired: certificate, client)) }
            let principal: Principal
            switch holder {
            case .principal(let fixed): principal = fixed
            case .user(let name):
                guard let user = verifier.principal(ofUser: name) else {
                    let failure = LoginFailureLog.Failure.certificate(
                        name: certificate.name,
                        reason: "the user \(name), whose certificate it is, is unknown or disabled")
                    return .failure(refuse(failure, .certificate, certificate.name, from: client))
                }
                principal = user
            }
            if peer.noteLogin() { trail.loggedIn(principal, from: client) }
            return .success(principal)
        }
        // A browser offers a login only when it is refused: the page's link asks for that.
        guard anonymous, !asksToLogIn(request) else { return .failure(unauthorized(Responder.loginNeeded)) }
        return .success(.anonymous)
    }

    /// Where certificates are required, one that says nothing to us, or has expired, lets nobody in, whatever else is
    /// sent.
    private func certificateRefusal(_ peer: Peer, from client: ClientAddress) -> Refusal? {
        guard certificates.mode == .required else { return nil }
        switch peer.certificate {
        case .unmapped:
            return Refusal(reply: .failure(.forbidden, "the client certificate is not one that this agent lets in"))
        case .mapped(let certificate, _): return certificate.hasExpired() ? refuse(expired: certificate, client) : nil
        case .none: return nil
        }
    }

    /// The handshake was before its end, or resumed a session of that time.
    private func refuse(expired certificate: ClientCertificate, _ client: ClientAddress) -> Refusal {
        let failure = LoginFailureLog.Failure.certificate(
            name: certificate.name, reason: "the client certificate has expired since the connection began")
        return refuse(failure, .certificate, certificate.name, from: client)
    }

    private func asksToLogIn(_ request: ServerRequest) -> Bool {
        request.method == .GET && request.target.utf8.elementsEqual(HTMLPage.loginTarget.utf8)
    }

    // MARK: refusing

    /// Tells the log and the audit log, and gives the answer, which tells less.
    private func refuse(
        _ failure: LoginFailureLog.Failure, _ kind: Principal.Kind, _ name: String, from client: ClientAddress,
        wait: Duration? = nil
    ) -> Refusal {
        failures.note(failure, from: client)
        let isChecked =
            switch failure {
            case .busy, .throttled: false
            default: true
            }
        // What was not even looked at is one entry for the address: a flood of names is not to fill the log with them.
        trail.refusedLogin(kind, isChecked ? name : "", from: client, reason: failure.reason)
        switch failure {
        case .busy: return tooMany("too many logins at once; try again in a few seconds", .seconds(5))
        case .throttled: return tooMany("too many failed logins; try again later", wait ?? .seconds(5))
        case .malformed: return unauthorized("the Authorization header is neither HTTP Basic nor Bearer")
        case .token: return unauthorized("wrong API token")
        case .certificate: return unauthorized("the client certificate does not let in any more")
        case .emptyPassword, .refused: return unauthorized("wrong user name or password")
        case .network: return Refusal(reply: .failure(.forbidden, "this address may not use the agent"))
        }
    }

    /// The answer to a client behind a trusted proxy that is not among `allow-from`.
    func refusedNetwork(_ client: ClientAddress) -> Reply {
        refuse(.network, .anonymous, "", from: client).reply
    }

    private func tooMany(_ reason: String, _ wait: Duration) -> Refusal {
        let (seconds, rest) = wait.components
        let whole = max(1, rest > 0 ? seconds + 1 : seconds)
        return Refusal(reply: .failure(.tooManyRequests, reason).with("Retry-After", "\(whole)"))
    }

    private func unauthorized(_ reason: String) -> Refusal {
        let reply = Reply.failure(.unauthorized, reason)
        return Refusal(reply: reply.with("WWW-Authenticate", "Basic realm=\"Sallyport\", charset=\"UTF-8\""))
    }
}
