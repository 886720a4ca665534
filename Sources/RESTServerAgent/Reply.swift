import NIOCore
import WireFormat

/// What one request is answered with, complete.
struct Reply: Sendable {
    enum Content: Sendable {
        case json
        case html
        /// The text form of Prometheus.
        case metrics
        /// Server-sent events: no length, and the connection ends with them.
        case events
        case none
    }

    var status: Status
    var content: Content
    /// Names of ours; the values never come from outside but for an origin that is on the configured list.
    var headers: [(name: StaticString, value: String)] = []
    var body: [UInt8]
    /// The connection ends after it.
    var closes = false
    /// HEAD: the headers of the body without the body.
    var omitsBody = false
    /// What follows the head, where the content is events.
    var stream: LiveStream.Opening?
    /// How events are framed.
    var isChunked = true

    init(_ status: Status, _ content: Content = .json, body: [UInt8] = []) {
        self.status = status
        self.content = content
        self.body = body
    }

    /// `{"succeeded":false,"reason":"…"}`
    static func failure(_ status: Status, _ reason: String) -> Reply {
        var json = JSONBytes(capacity: reason.utf8.count + 40)
        json.append(raw: "{\"succeeded\":false,\"reason\":")
        json.append(string: reason)
        json.append(0x7D)
        return Reply(status, .json, body: json.bytes)
    }

    func closing() -> Reply {
        var reply = self
        reply.closes = true
        return reply
    }

    func with(_ name: StaticString, _ value: String) -> Reply {
        var reply = self
        reply.headers.append((name, value))
        return reply
    }
}

/// Status codes with their phrases: word characters and spaces only, because real clients parse them so.
enum Status: Sendable, Equatable, CaseIterable {
    case ok, badRequest, unauthorized, forbidden, notFound, methodNotAllowed, requestTimeout, contentTooLarge
    case uriTooLong, unsupportedMediaType, expectationFailed, tooManyRequests, headerFieldsTooLarge
    case notImplemented, serviceUnavailable, versionNotSupported

    var line: StaticString {
        switch self {
        case .ok: "HTTP/1.1 200 OK\r\n"
        case .badRequest: "HTTP/1.1 400 Bad Request\r\n"
        case .unauthorized: "HTTP/1.1 401 Unauthorized\r\n"
        case .forbidden: "HTTP/1.1 403 Forbidden\r\n"
        case .notFound: "HTTP/1.1 404 Not Found\r\n"
        case .methodNotAllowed: "HTTP/1.1 405 Method Not Allowed\r\n"
        case .requestTimeout: "HTTP/1.1 408 Request Timeout\r\n"
        case .contentTooLarge: "HTTP/1.1 413 Content Too Large\r\n"
        case .uriTooLong: "HTTP/1.1 414 URI Too Long\r\n"
        case .unsupportedMediaType: "HTTP/1.1 415 Unsupported Media Type\r\n"
        case .expectationFailed: "HTTP/1.1 417 Expectation Failed\r\n"
        case .tooManyRequests: "HTTP/1.1 429 Too Many Requests\r\n"
        case .headerFieldsTooLarge: "HTTP/1.1 431 Request Header Fields Too Large\r\n"
        case .notImplemented: "HTTP/1.1 501 Not Implemented\r\n"
        case .serviceUnavailable: "HTTP/1.1 503 Service Unavailable\r\n"
        case .versionNotSupported: "HTTP/1.1 505 HTTP Version Not Supported\r\n"
        }
    }
}
