import NIOHTTP1

/// The routes of the page, which see no tags.
struct OtherRoutes: Sendable {
    /// Whether the page has a link to log in: where nobody has to.
    let offersLogin: Bool
    /// Whether the page has a form to write.
    let writes: Bool

    var routes: [Route] {
        ["/", "/iotgateway", "/iotgateway/"].map { path in
            Route(
                path: path,
                operations: [
                    Operation(.GET, "A page to try the interface.", answers: [.init(.ok, "The page.", .html)])
                ],
                access: .signedIn { _ in HTMLPage.reply(offersLogin: offersLogin, writes: writes) })
        }
    }
}
