import NIOHTTP1
import SecurityPolicy

/// The routes that see no tags.
struct OtherRoutes: Sendable {
    let agent: String
    let verifier: PasswordVerifier

    var routes: [Route] {
        let pages = ["/", "/iotgateway", "/iotgateway/"].map { path in
            Route(path: path, methods: [.GET], access: .signedIn { _ in HTMLPage.reply() })
        }
        return pages + [
            Route(path: "/healthz", methods: [.GET], access: .open { Reply(.ok, .json, body: OtherRoutes.alive) }),
            Route(path: "/readyz", methods: [.GET], access: .open { ready() }),
            Route(path: "/iotgateway/write", methods: [.POST], access: .signedIn { _ in writesAreOff() }),
        ]
    }

    private static let alive = Array("{\"alive\":true}".utf8)

    private func ready() -> Reply {
        guard verifier.hasAdministrator else { return .failure(.serviceUnavailable, Responder.noAdministrator) }
        return Reply(.ok, .json, body: Array("{\"ready\":true}".utf8))
    }

    /// Stands above every permission: administrators are refused too.
    private func writesAreOff() -> Reply {
        .failure(.forbidden, "writing is off: write-endpoint is false for the agent \(agent)")
    }
}
