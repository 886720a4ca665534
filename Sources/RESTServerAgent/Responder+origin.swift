extension Responder {
    /// A browser asks whether a page of another origin may send a request. Only origins of the list may, each by name.
    func preflight(_ route: Route, _ request: ServerRequest) -> Reply {
        guard let origin = request.fields.origin, allows(origin) else {
            return .failure(.forbidden, "this origin is not among the agent's cors-allowed-origins")
        }
        return Reply(.ok, .none)
            .with("Access-Control-Allow-Methods", route.allow)
            .with("Access-Control-Allow-Headers", "authorization, content-type, last-event-id")
            .with("Access-Control-Max-Age", "600")
    }

    /// Lets the page of an allowed origin see the answer.
    func withOrigin(_ reply: Reply, _ request: ServerRequest) -> Reply {
        if allowedOrigins.isEmpty { return reply }
        let varied = reply.with("Vary", "Origin")
        guard let origin = request.fields.origin, allows(origin) else { return varied }
        return varied.with("Access-Control-Allow-Origin", origin).with("Access-Control-Allow-Credentials", "true")
    }

    private func allows(_ origin: String) -> Bool {
        allowedOrigins.contains { $0.utf8.elementsEqual(origin.utf8) }
    }
}
