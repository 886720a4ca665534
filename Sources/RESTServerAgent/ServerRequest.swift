import NIOCore
import NIOHTTP1

/// One request, complete and within the limits.
struct ServerRequest: Sendable {
    var method: HTTPMethod
    /// As sent, not decoded; begins with `/`.
    var target: String
    var fields: RequestFields
    var body: ByteBuffer
    /// What the body takes of the listener's budget.
    var share: BodyBudget.Share?
    /// Whether the client wants the connection kept.
    var keepsAlive: Bool
}

/// What comes up from a connection, in order.
enum Incoming: Sendable {
    case request(ServerRequest)
    /// What was sent is not a request that may be served: the answer, after which the connection ends.
    case refusal(Reply)
}

/// The header fields that anything here looks at, found in one pass.
struct RequestFields: Sendable {
    var hosts: [String] = []
    var authorization: [String] = []
    var contentType: String?
    var origin: String?
    var requestMethod: String?
    var expect: String?
    var contentLengths: [String] = []
    var transferEncodings: [String] = []
    var connection = ""
    /// Whether a body follows, as far as the head tells.
    var announcesBody: Bool {
        !transferEncodings.isEmpty || contentLengths.contains { $0.utf8.contains { $0 != 0x30 } }
    }
    /// Bytes of all names and values.
    var bytes = 0
    /// Bytes of the largest name with its value.
    var largest = 0

    init(_ headers: HTTPHeaders) {
        for (name, value) in headers {
            let size = name.utf8.count + value.utf8.count + 4
            bytes += size
            largest = max(largest, size)
            switch name.utf8.count {
            case 4 where isNamed(name, "host"): hosts.append(value)
            case 6 where isNamed(name, "origin"): origin = origin ?? value
            case 6 where isNamed(name, "expect"): expect = value
            case 10 where isNamed(name, "connection"): connection += (connection.isEmpty ? "" : ",") + value
            case 12 where isNamed(name, "content-type"): contentType = contentType ?? value
            case 13 where isNamed(name, "authorization"): authorization.append(value)
            case 14 where isNamed(name, "content-length"): contentLengths.append(value)
            case 17 where isNamed(name, "transfer-encoding"): transferEncodings.append(value)
            case 29 where isNamed(name, "access-control-request-method"): requestMethod = value
            default: break
            }
        }
    }
}

/// Compares with a lower-case ASCII word, without case.
func isNamed(_ text: some StringProtocol, _ word: StaticString) -> Bool {
    let wanted = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
    return text.utf8.elementsEqual(wanted) { ($0 &- 0x41 < 26 ? $0 | 0x20 : $0) == $1 }
}
