import Logging
import NIOHTTP1
import Publishing
import SecurityPolicy
import TagStore
import WireFormat

/// Answers requests: who asks, may they, and which route.
struct Responder: Sendable {
    static let noAdministrator =
        "no administrator exists yet: make one with `sallyport user add NAME --administrator`"

    let store: TagStore
    let policy: PolicyBox
    let verifier: PasswordVerifier
    let exposure: Exposure
    let allowedOrigins: [String]
    let failures: LoginFailureLog
    private let routes: [String: Route]

    init(
        routes: [Route], store: TagStore, policy: PolicyBox, verifier: PasswordVerifier, exposure: Exposure,
        allowedOrigins: [String], logger: Logger
    ) {
        self.store = store
        self.policy = policy
        self.verifier = verifier
        self.exposure = exposure
        self.allowedOrigins = allowedOrigins
        failures = LoginFailureLog(logger: logger)
        self.routes = Dictionary(routes.map { ($0.path, $0) }) { first, _ in first }
    }

    /// - Parameter login: what the connection keeps of its last login; nil on a new one.
    func respond(to request: ServerRequest, from address: ClientAddress, login: inout Login?) async -> Reply {
        var reply = await answer(request, from: address, login: &login)
        if request.method == .HEAD { reply.omitsBody = true }
        return withOrigin(reply, request)
    }

    /// The answer to a request that is refused whatever its body says: from whom has no credentials at all no body is
    /// taken. nil when the body is to be read.
    func refusal(of request: ServerRequest, from address: ClientAddress) -> Reply? {
        let route = route(of: request)
        var reply: Reply
        if let open = openAnswer(route, request) {
            reply = open
        } else if !verifier.hasAdministrator {
            reply = .failure(.serviceUnavailable, Responder.noAdministrator)
        } else if case .failure(let refusal) = credentials(of: request, from: address) {
            reply = refusal.reply
        } else {
            return nil
        }
        if request.method == .HEAD { reply.omitsBody = true }
        return withOrigin(reply, request)
    }

    private func route(of request: ServerRequest) -> Route? {
        let path = request.target.utf8.firstIndex(of: 0x3F).map { request.target[..<$0] } ?? request.target[...]
        return routes[String(path)]
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

    private func answer(
        _ request: ServerRequest, from address: ClientAddress, login: inout Login?
    ) async -> Reply {
        let route = route(of: request)
        if let open = openAnswer(route, request) { return open }
        guard verifier.hasAdministrator else { return .failure(.serviceUnavailable, Responder.noAdministrator) }
        switch await principal(of: request, from: address, login: &login) {
        case .failure(let refusal): return refusal.reply
        case .success(let principal): return await serve(route, request, principal)
        }
    }

    private func serve(_ route: Route?, _ request: ServerRequest, _ principal: Principal) async -> Reply {
        guard let route else { return .failure(.notFound, "there is nothing at this path; see /iotgateway") }
        guard route.takes(request.method) else { return methodNotAllowed(route) }
        // What a page elsewhere can make a browser send without asking us first is not JSON.
        if request.method == .POST, request.fields.origin != nil, !isJSON(request.fields.contentType) {
            return .failure(.unsupportedMediaType, "a POST from a web page needs Content-Type: application/json")
        }
        switch route.access {
        case .open(let handle): return handle()
        case .signedIn(let handle): return handle(request)
        case .tags(let action, let handle):
            let view = TagView(
                action: action, directory: store.directory, permissions: policy.permissions(for: principal),
                exposure: exposure)
            return await handle(request, view)
        }
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
