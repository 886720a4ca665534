import NIOHTTP1
import SecurityPolicy
import TLS

/// The routes that see no tags.
struct OtherRoutes: Sendable {
    let verifier: PasswordVerifier
    let certificates: CertificateBoard
    /// Whether the page has a link to log in: where nobody has to.
    let offersLogin: Bool
    /// Whether the page has a form to write.
    let writes: Bool

    var routes: [Route] {
        let pages = ["/", "/iotgateway", "/iotgateway/"].map { path in
            Route(
                path: path,
                operations: [
                    Operation(.GET, "A page to try the interface.", answers: [.init(.ok, "The page.", .html)])
                ],
                access: .signedIn { _ in HTMLPage.reply(offersLogin: offersLogin, writes: writes) })
        }
        return pages + [
            Route(
                path: "/healthz",
                operations: [
                    Operation(
                        .GET, "Whether the process answers.", answers: [.init(.ok, "It does.", .json(.init("Alive")))])
                ],
                access: .open { Reply(.ok, .json, body: OtherRoutes.alive) }),
            Route(
                path: "/readyz",
                operations: [
                    Operation(
                        .GET, "Whether the interface is ready for use.",
                        answers: [
                            .init(.ok, "It is.", .json(.init("Ready"))),
                            .init(.serviceUnavailable, "No administrator exists yet."),
                        ])
                ],
                access: .open { ready() }),
        ]
    }

    private static let alive = Array("{\"alive\":true}".utf8)

    private func ready() -> Reply {
        guard verifier.hasAdministrator else { return .failure(.serviceUnavailable, Responder.noAdministrator) }
        return Reply(.ok, .json, body: Array("{\"ready\":true}".utf8))
    }
}
