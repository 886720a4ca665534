import NIOHTTP1

extension OpenAPIDocument {
    /// When any request is answered so, whatever it asks for; nil: only some operations say that.
    func summary(of status: Status) -> String? {
        switch status {
        case .ok: nil
        case .badRequest:
            "The request is malformed: as HTTP, in its query or in its body. The reason says where. Nothing of it was"
                + " carried out."
        case .unauthorized: "No credentials, or wrong ones."
        case .forbidden:
            "The caller's permissions, its client certificate, or its address behind a proxy does not let it in."
        case .notFound: "There is nothing at this path."
        case .methodNotAllowed: "The path does not take this method."
        case .requestTimeout: "The request did not come whole in time. The connection ends."
        case .contentTooLarge: "The body is larger than \(options.limits.body) bytes. The connection ends."
        case .uriTooLong: "The target of the request is too long. The connection ends."
        case .unsupportedMediaType: "A web page sent the body without Content-Type: application/json."
        case .expectationFailed: "The request expects something else than 100-continue. The connection ends."
        case .tooManyRequests: "Too many failed logins, or too many passwords wait to be checked."
        case .headerFieldsTooLarge: "Too many header fields, or too large ones. The connection ends."
        case .notImplemented: "The method or the Transfer-Encoding is not known here. The connection ends."
        case .serviceUnavailable: "No administrator exists yet, or there are too many large requests at once."
        case .versionNotSupported: "Neither HTTP/1.1 nor HTTP/1.0. The connection ends."
        }
    }

    /// What a request of this operation may be answered apart from what the operation says itself.
    private func common(_ operation: Operation, _ route: Route) -> Set<Status> {
        var statuses: Set<Status> = [
            .badRequest, .requestTimeout, .contentTooLarge, .uriTooLong, .expectationFailed, .headerFieldsTooLarge,
            .notImplemented, .versionNotSupported,
        ]
        // Behind a trusted proxy everybody's address is looked at.
        if !options.allowFrom.isEmpty, !options.trustedProxies.isEmpty { statuses.insert(.forbidden) }
        guard !route.isOpen else { return statuses }
        statuses.formUnion([.unauthorized, .tooManyRequests, .serviceUnavailable])
        // Without the headers of a preflight it takes a login as any request does, and then is a method that does not go.
        if operation.method == .OPTIONS { return statuses }
        if requiresCertificates { statuses.insert(.forbidden) }
        if case .gateway = route.access { statuses.insert(.forbidden) }
        if operation.method == .POST { statuses.insert(.unsupportedMediaType) }
        return statuses
    }

    func responses(of operation: Operation, _ route: Route) -> JSONTree {
        let own = operation.answers
        let common = common(operation, route).subtracting(own.map(\.status))
        let hasBody = operation.method != .HEAD
        return .object(
            Status.allCases.compactMap { status in
                if let answer = own.first(where: { $0.status == status }) {
                    return .init(name: "\(status.code)", value: self.answer(answer, hasBody: hasBody))
                }
                guard common.contains(status), let summary = summary(of: status) else { return nil }
                return .init(
                    name: "\(status.code)",
                    value: hasBody
                        ? ["$ref": "#/components/responses/\(status.name)"]
                        : answer(.init(status, summary), hasBody: false))
            })
    }

    func answer(_ answer: Operation.Answer, hasBody: Bool = true) -> JSONTree {
        var tree: JSONTree = ["description": .string(answer.summary)]
        if let headers = headers(of: answer.status) { tree = tree.with("headers", headers) }
        guard hasBody, let content = content(answer.content) else { return tree }
        return tree.with("content", content)
    }

    private func content(_ content: Operation.Content) -> JSONTree? {
        switch content {
        case .json(let schema): ["application/json": ["schema": reference(schema)]]
        case .html: ["text/html": ["schema": ["type": "string"]]]
        case .events: ["text/event-stream": ["schema": ["type": "string"]]]
        case .metrics: ["text/plain": ["schema": ["type": "string"]]]
        case .none: nil
        }
    }

    private func headers(of status: Status) -> JSONTree? {
        func header(_ name: String, _ summary: String, _ type: JSONTree, isRequired: Bool = true) -> JSONTree {
            .object([
                .init(
                    name: name,
                    value: [
                        "description": .string(summary), "required": .boolean(isRequired), "schema": ["type": type],
                    ])
            ])
        }
        switch status {
        case .unauthorized: return header("WWW-Authenticate", "HTTP Basic, in UTF-8.", "string")
        case .methodNotAllowed: return header("Allow", "The methods that the path takes.", "string")
        case .tooManyRequests: return header("Retry-After", "Seconds.", "integer")
        case .serviceUnavailable: return header("Retry-After", "Seconds.", "integer", isRequired: false)
        default: return nil
        }
    }
}

extension Route {
    /// Whether anybody is answered.
    var isOpen: Bool { if case .open = access { true } else { false } }
}

extension Status {
    var code: Int {
        line.withUTF8Buffer { bytes in bytes[9..<12].reduce(0) { $0 * 10 + Int($1 - 0x30) } }
    }

    /// The phrase as one word: `BadRequest`.
    var name: String {
        line.withUTF8Buffer { bytes in
            String(decoding: bytes[13...].filter { $0 > 0x20 }, as: UTF8.self)
        }
    }
}
