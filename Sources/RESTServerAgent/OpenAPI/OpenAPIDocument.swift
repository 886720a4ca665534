import NIOHTTP1

/// What `openapi.json` says: OpenAPI 3.1, made from the agent's own routes and options.
struct OpenAPIDocument: Sendable {
    static let path = "/iotgateway/openapi.json"

    /// Of the interface. The product's version is nobody's business who only asks for values.
    private static let version = "1.0"

    let options: RESTServerAgentOptions
    let routes: [Route]

    /// The routes and one more, which answers the document of them all. It is made once.
    static func describing(_ routes: [Route], _ options: RESTServerAgentOptions) -> [Route] {
        let document = OpenAPIDocument(options: options, routes: routes + [route(answering: [])])
        return routes + [route(answering: document.tree.bytes)]
    }

    private static func route(answering bytes: [UInt8]) -> Route {
        let operation = Operation(
            .GET, "This document.", answers: [.init(.ok, "OpenAPI 3.1.", .json(.init("OpenAPI")))])
        return Route(path: path, operations: [operation], access: .signedIn { _ in Reply(.ok, .json, body: bytes) })
    }

    var tree: JSONTree {
        [
            "openapi": "3.1.0",
            "info": [
                "title": "Sallyport REST server agent",
                "version": .string(OpenAPIDocument.version),
                "description": .string(description),
            ],
            // Whatever name, port and proxy it was asked by.
            "servers": [["url": "/"]],
            "paths": .object(routes.map { .init(name: $0.path, value: item($0)) }),
            "components": [
                "securitySchemes": securitySchemes,
                "schemas": .object(schemas.map { .init(name: $0.0, value: $0.1) }),
                "responses": .object(
                    Status.allCases.compactMap { status in
                        summary(of: status).map { .init(name: status.name, value: answer(.init(status, $0))) }
                    }),
            ],
        ]
    }

    private var description: String {
        """
        Values of the plant's tags. What a caller may see and do is decided for each tag by the groups that it is in: a \
        tag that it may not browse answers as one that does not exist. Every path also takes HEAD where it takes GET; \
        another method is answered 405 with Allow, and another path 404; where a login is needed, to who has logged in, \
        and 401 to others. A method that HTTP does not know is answered 501 or 400. A request body is at most \
        \(options.limits.body) bytes, a request names at most \(options.limits.idsPerRequest) tags, and it comes whole \
        within \(options.limits.requestTimeout.components.seconds) s.
        """
    }

    // MARK: paths

    private func item(_ route: Route) -> JSONTree {
        var members: [JSONTree.Member] = []
        for operation in route.operations {
            let member = JSONTree.Member(
                name: operation.method.rawValue.lowercased(), value: self.operation(operation, of: route))
            members.append(member)
            guard operation.method == .GET else { continue }
            var head = operation
            head.method = .HEAD
            head.summary = "The head of what GET answers."
            members.append(.init(name: "head", value: self.operation(head, of: route)))
        }
        if !options.corsAllowedOrigins.isEmpty {
            members.append(.init(name: "options", value: operation(OpenAPIDocument.preflight, of: route)))
        }
        return .object(members)
    }

    private func operation(_ operation: Operation, of route: Route) -> JSONTree {
        var members: [JSONTree.Member] = [
            .init(name: "operationId", value: .string(OpenAPIDocument.id(of: operation, at: route.path))),
            .init(name: "summary", value: .string(operation.summary)),
        ]
        let isOpen = route.isOpen || operation.method == .OPTIONS
        members.append(.init(name: "security", value: security(isOpen: isOpen)))
        if !operation.parameters.isEmpty {
            members.append(.init(name: "parameters", value: .array(operation.parameters.map(parameter))))
        }
        if let body = operation.body {
            members.append(
                .init(
                    name: "requestBody",
                    value: [
                        "description": "At most \(options.limits.body) bytes.",
                        "required": true,
                        "content": ["application/json": ["schema": reference(body)]],
                    ]))
        }
        members.append(.init(name: "responses", value: responses(of: operation, route)))
        return .object(members)
    }

    /// `getRead`: the method and the words of the path, unlike any other's.
    static func id(of operation: Operation, at path: String) -> String {
        var words = path.split { !$0.isLetter && !$0.isNumber }.map(String.init)
        if words.count > 1, words[0] == "iotgateway" { words.removeFirst() }
        if path.hasSuffix("/") { words.append(words.isEmpty ? "root" : "slash") }
        return operation.method.rawValue.lowercased()
            + words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    private func parameter(_ parameter: Operation.Parameter) -> JSONTree {
        let text: JSONTree = ["type": "string", "maxLength": .integer(RequestedIDs.longestID)]
        let common: JSONTree = [
            "name": .string(parameter.name), "in": .string(parameter.place.rawValue),
            "description": .string(parameter.summary), "required": .boolean(parameter.isRequired),
        ]
        guard parameter.repeats else { return common.with("schema", text) }
        return common.with("style", "form").with("explode", true).with(
            "schema",
            [
                "type": "array", "minItems": 1, "maxItems": .integer(options.limits.idsPerRequest), "items": text,
            ])
    }

    /// What a browser asks before a page of another origin may ask.
    private static let preflight = Operation(
        .OPTIONS, "Whether a page of another origin may ask.",
        parameters: [
            .init(place: .header, name: "Origin", summary: "The page's.", isRequired: true),
            .init(
                place: .header, name: "Access-Control-Request-Method", summary: "The method it is about.",
                isRequired: true),
        ],
        answers: [
            .init(.ok, "It may.", Operation.Content.none),
            .init(.forbidden, "The origin is not among the agent's cors-allowed-origins."),
            .init(.unauthorized, "The two headers are missing, and the caller has not logged in."),
            .init(.methodNotAllowed, "The two headers are missing."),
        ])

    // MARK: security

    private var asksForCertificates: Bool { options.https && options.clientCertificates.mode != .none }
    var requiresCertificates: Bool { options.https && options.clientCertificates.mode == .required }

    private var securitySchemes: JSONTree {
        let schemes: JSONTree = [
            "basic": ["type": "http", "scheme": "basic", "description": "A user's name and password."],
            "token": ["type": "http", "scheme": "bearer", "description": "An API token."],
        ]
        guard asksForCertificates else { return schemes }
        return schemes.with(
            "certificate", ["type": "mutualTLS", "description": "A client certificate of the agent's ca-file."])
    }

    private func security(isOpen: Bool) -> JSONTree {
        func needing(_ names: String...) -> JSONTree {
            .object(names.map { .init(name: $0, value: .array([])) })
        }
        // Without a certificate the handshake fails, whatever is asked.
        if requiresCertificates {
            return isOpen
                ? [needing("certificate")]
                : [needing("certificate"), needing("basic", "certificate"), needing("token", "certificate")]
        }
        if isOpen { return .array([]) }
        var ways = [needing("basic"), needing("token")]
        if asksForCertificates { ways.append(needing("certificate")) }
        if options.anonymous { ways.append(.object([])) }
        return .array(ways)
    }

    func reference(_ schema: Operation.Schema) -> JSONTree { ["$ref": "#/components/schemas/\(schema.name)"] }
}
