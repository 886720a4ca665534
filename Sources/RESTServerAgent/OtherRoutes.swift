import NIOHTTP1
import SecurityPolicy

/// The routes that see no tags.
struct OtherRoutes: Sendable {
    let verifier: PasswordVerifier
    /// Whether the page has a link to log in: where nobody has to.
    let offersLogin: Bool
    /// Whether the page has a form to write.
    let writes: Bool

    var routes: [Route] {
        let pages = ["/", "/iotgateway", "/iotgateway/"].map { path in
            Route(
                path: path, methods: [.GET],
                access: .signedIn { _ in HTMLPage.reply(offersLogin: offersLogin, writes: writes) })
        }
        return pages + [
            Route(path: "/healthz", methods: [.GET], access: .open { Reply(.ok, .json, body: OtherRoutes.alive) }),
            Route(path: "/readyz", methods: [.GET], access: .open { ready() }),
        ]
    }

    private static let alive = Array("{\"alive\":true}".utf8)

    private func ready() -> Reply {
        guard verifier.hasAdministrator else { return .failure(.serviceUnavailable, Responder.noAdministrator) }
        return Reply(.ok, .json, body: Array("{\"ready\":true}".utf8))
    }
}
