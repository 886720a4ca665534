import Logging
import NIOHTTP1
import SecurityPolicy
import TagStore

/// Answers requests: who asks, may they, and which route.
struct Responder: Sendable {
    static let noAdministrator =
        "no administrator exists yet: make one with `sallyport user add NAME --administrator`"

    let store: TagStore
    let policy: PolicyBox
    let verifier: PasswordVerifier
    let exposure: Exposure
    let writing: WriteAccess.Grant
    let allowedOrigins: [String]
    let anonymous: Bool
    let networks: NetworkRules
    let certificates: CertificateMap
    let failures: LoginFailureLog
    let trail: AuditTrail
    /// Few: looking at each is quicker than to make a key of a part of the target.
    let routes: [Route]

    init(
        options: RESTServerAgentOptions, routes: [Route], store: TagStore, policy: PolicyBox,
        verifier: PasswordVerifier, exposure: Exposure, writing: WriteAccess.Grant, logger: Logger
    ) {
        self.store = store
        self.policy = policy
        self.verifier = verifier
        self.exposure = exposure
        self.writing = writing
        allowedOrigins = options.corsAllowedOrigins
        anonymous = options.anonymous
        networks = NetworkRules(allowed: options.allowFrom, proxies: options.trustedProxies)
        certificates = CertificateMap(options.https ? options.clientCertificates : ClientCertificateOptions())
        failures = LoginFailureLog(logger: logger)
        trail = AuditTrail(agent: options.name, audit: writing.audit)
        self.routes = routes
    }

    /// - Parameter login: what the connection keeps of its last login; nil on a new one.
    func respond(to request: ServerRequest, from peer: Peer, login: inout Login?) async -> Reply {
        finished(await answer(request, on: peer, login: &login), request)
    }

    /// The answer that needs no waiting, nil when `respond` has to be asked: on the event loop, for whoever logged in on
    /// this connection before, or needs no password.
    func respondAtOnce(to request: ServerRequest, from peer: Peer, login: inout Login?) -> Reply? {
        answerAtOnce(request, on: peer, login: &login).map { finished($0, request) }
    }

    /// The answer to a request that is refused whatever its body says: from whom has no credentials at all no body is
    /// taken. nil when the body is to be read.
    func refusal(of request: ServerRequest, from peer: Peer) -> Reply? {
        switch client(of: request, on: peer) {
        case .failure(let refusal): return finished(refusal.reply, request)
        case .success(let client):
            if let open = withoutPrincipal(route(of: request), request) { return finished(open, request) }
            return refusalByHead(of: request, on: peer, from: client).map { finished($0.reply, request) }
        }
    }

    private func finished(_ reply: Reply, _ request: ServerRequest) -> Reply {
        var reply = reply
        if request.method == .HEAD { reply.omitsBody = true }
        return withOrigin(reply, request)
    }

    /// For whom the peer asks: for itself, or a trusted proxy for its client.
    private func client(of request: ServerRequest, on peer: Peer) -> Result<ClientAddress, Refusal> {
        guard peer.isTrustedProxy else { return .success(peer.address) }
        let client: ClientAddress
        do {
            client = try networks.client(of: peer.address, forwardedFor: request.fields.forwardedFor)
        } catch {
            return .failure(Refusal(reply: .failure(.badRequest, "X-Forwarded-For is not a list of addresses")))
        }
        guard networks.allows(client) else { return .failure(Refusal(reply: refusedNetwork(client))) }
        return .success(client)
    }

    private func route(of request: ServerRequest) -> Route? {
        var target = request.target
        let found = target.withUTF8 { target in
            let path = UnsafeBufferPointer(rebasing: target.prefix { $0 != 0x3F })
            return routes.firstIndex { $0.isAt(path) }
        }
        return found.map { routes[$0] }
    }

    /// What anybody is answered, nil when it takes a principal.
    private func openAnswer(_ route: Route?, _ request: ServerRequest) -> Reply? {
        guard let route else { return nil }
        if request.method == .OPTIONS, request.fields.requestMethod != nil, request.fields.origin != nil {
            return preflight(route, request)
        }
        guard case .open(let handle) = route.access else { return nil }
        return route.takes(request.method) ? handle() : methodNotAllowed(route)
    }

    /// What anybody is answered, and everybody while there is no administrator; nil when it takes a principal.
    private func withoutPrincipal(_ route: Route?, _ request: ServerRequest) -> Reply? {
        if let open = openAnswer(route, request) { return open }
        return verifier.hasAdministrator ? nil : .failure(.serviceUnavailable, Responder.noAdministrator)
    }

    private func answer(_ request: ServerRequest, on peer: Peer, login: inout Login?) async -> Reply {
        switch client(of: request, on: peer) {
        case .failure(let refusal): return refusal.reply
        case .success(let client):
            let route = route(of: request)
            if let open = withoutPrincipal(route, request) { return open }
            switch await principal(of: request, on: peer, from: client, login: &login) {
            case .failure(let refusal): return refusal.reply
            case .success(let principal):
                return await serve(route, request, Asker(principal: principal, client: client), on: peer, login)
            }
        }
    }

    private func answerAtOnce(_ request: ServerRequest, on peer: Peer, login: inout Login?) -> Reply? {
        switch client(of: request, on: peer) {
        case .failure(let refusal): return refusal.reply
        case .success(let client):
            let route = route(of: request)
            if let open = withoutPrincipal(route, request) { return open }
            switch principalAtOnce(of: request, on: peer, from: client, login: &login) {
            case nil: return nil
            case .failure(let refusal)?: return refusal.reply
            case .success(let principal)?:
                return serveAtOnce(route, request, Asker(principal: principal, client: client), on: peer, login)
            }
        }
    }

    private func serve(
        _ route: Route?, _ request: ServerRequest, _ asker: Asker, on peer: Peer, _ login: Login?
    ) async -> Reply {
        if let reply = serveAtOnce(route, request, asker, on: peer, login) { return reply }
        switch route?.access {
        case .tags(let action, let handle)?: return await handle(request, view(action, asker))
        case .writes(let handle)?:
            return await handle(request, WriteAccess(writing, principal: asker.principal, address: asker.client))
        case .open?, .signedIn?, .gateway?, .events?, nil:
            return .failure(.notFound, "there is nothing at this path; see /iotgateway")
        }
    }

    /// nil when the route's handler has to wait for something.
    private func serveAtOnce(
        _ route: Route?, _ request: ServerRequest, _ asker: Asker, on peer: Peer, _ login: Login?
    ) -> Reply? {
        guard let route else { return .failure(.notFound, "there is nothing at this path; see /iotgateway") }
        guard route.takes(request.method) else { return methodNotAllowed(route) }
        // What a page elsewhere can make a browser send without asking us first is not JSON.
        if request.method == .POST, request.fields.origin != nil, !isJSON(request.fields.contentType) {
            return .failure(.unsupportedMediaType, "a POST from a web page needs Content-Type: application/json")
        }
        switch route.access {
        case .open(let handle): return handle()
        case .signedIn(let handle): return handle(request)
        case .gateway(let permission, let handle):
            guard policy.snapshot.allows(permission, to: asker.principal) else {
                return .failure(
                    .forbidden,
                    "this takes the permission \"gateway: [\(permission.rawValue)]\" of one of your groups")
            }
            return handle(request)
        case .tags(let action, _): return route.atOnce?(request, view(action, asker))
        case .events(let action, let handle):
            guard let ground = ground(of: request, on: peer, login) else {
                return .failure(.serviceUnavailable, "the login is forgotten already; try again")
                    .with("Retry-After", "1")
            }
            return handle(request, Subscriber(action, self, from: asker.client, on: ground))
        case .writes: return nil
        }
    }

    private func view(_ action: TagAction, _ asker: Asker) -> TagView { view(action, asker, store.directory) }

    /// The tags of a directory, as this principal may see them now.
    func view(_ action: TagAction, _ asker: Asker, _ directory: TagDirectory) -> TagView {
        TagView(
            action: action, directory: directory, permissions: policy.permissions(for: asker.principal),
            exposure: exposure, asker: asker, trail: trail)
    }

    private func methodNotAllowed(_ route: Route) -> Reply {
        .failure(.methodNotAllowed, "this path takes \(route.allow)").with("Allow", route.allow)
    }

    private func isJSON(_ type: String?) -> Bool {
        guard let type else { return false }
        let essence = type.prefix { $0 != ";" }
        return isNamed(essence.filter { $0 != " " && $0 != "\t" }, "application/json")
    }
}
