import NIOHTTP1

/// What `openapi.json` says of one method of a path. HEAD goes without saying wherever GET does.
struct Operation: Sendable {
    /// A shape among the document's `components/schemas`.
    struct Schema: Sendable, Equatable {
        let name: String
        init(_ name: String) { self.name = name }
    }

    enum Content: Sendable, Equatable {
        case json(Schema)
        case html
        /// Server-sent events.
        case events
        /// The text form of Prometheus.
        case metrics
        case none
    }

    struct Parameter: Sendable {
        enum Place: String, Sendable { case query, header }

        var place = Place.query
        var name: String
        var summary: String
        var isRequired = false
        /// `name=A&name=B`.
        var repeats = false
    }

    struct Answer: Sendable {
        var status: Status
        var summary: String
        var content: Content

        /// - Parameter content: nil: `{"succeeded":false,"reason":"…"}`.
        init(_ status: Status, _ summary: String, _ content: Content? = nil) {
            self.status = status
            self.summary = summary
            self.content = content ?? .json(Schema("Failure"))
        }
    }

    var method: HTTPMethod
    var summary: String
    var parameters: [Parameter] = []
    /// What is sent as JSON; nil: nothing.
    var body: Schema?
    /// Those of this operation alone; what any request may be answered is added where the document is made.
    var answers: [Answer]

    init(
        _ method: HTTPMethod, _ summary: String, parameters: [Parameter] = [], body: Schema? = nil, answers: [Answer]
    ) {
        self.method = method
        self.summary = summary
        self.parameters = parameters
        self.body = body
        self.answers = answers
    }
}
