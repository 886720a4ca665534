import Glibc
import NIOCore
import NIOHTTP1

/// One request, complete and within the limits.
struct ServerRequest: Sendable {
    var method: HTTPMethod
    /// As sent, not decoded; begins with `/`.
    var target: String
    var fields: RequestFields { head.fields }
    var body: ByteBuffer
    /// What the body takes of the listener's budget.
    var share: BodyBudget.Share?
    /// Whether the client wants the connection kept.
    var keepsAlive: Bool
    /// Whether an answer may come in chunks: not where HTTP/1.0 is spoken.
    var takesChunks = true
    /// Shared, since a request is handed on often and has many fields.
    private let head: Head

    private final class Head: Sendable {
        let fields: RequestFields

        init(_ fields: RequestFields) {
            self.fields = fields
        }
    }

    init(method: HTTPMethod, target: String, fields: RequestFields, body: ByteBuffer, keepsAlive: Bool) {
        self.method = method
        self.target = target
        self.body = body
        self.keepsAlive = keepsAlive
        head = Head(fields)
    }
}

/// What comes up from a connection, in order.
enum Incoming: Sendable {
    case request(ServerRequest)
    /// What was sent is not a request that may be served: the answer, after which the connection ends.
    case refusal(Reply)
}

/// The header fields that anything here looks at, found in one pass.
struct RequestFields: Sendable {
    /// The first of them.
    var host = ""
    var hostCount = 0
    var authorization: [String] = []
    var contentType: String?
    var origin: String?
    var requestMethod: String?
    var expect: String?
    var contentLengths: [String] = []
    var transferEncodings: [String] = []
    /// Of every line of that name, in order.
    var forwardedFor: [String] = []
    var connection = ""
    var lastEventID: String?
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
            case 4 where isNamed(name, "host"):
                if hostCount == 0 { host = value }
                hostCount += 1
            case 6 where isNamed(name, "origin"): origin = origin ?? value
            // Of several the one that cannot be met counts.
            case 6 where isNamed(name, "expect"): if expect == nil || !isNamed(value, "100-continue") { expect = value }
            case 10 where isNamed(name, "connection"): connection += (connection.isEmpty ? "" : ",") + value
            case 12 where isNamed(name, "content-type"): contentType = contentType ?? value
            case 13 where isNamed(name, "authorization"): authorization.append(value)
            case 13 where isNamed(name, "last-event-id"): lastEventID = lastEventID ?? value
            case 14 where isNamed(name, "content-length"): contentLengths.append(value)
            case 15 where isNamed(name, "x-forwarded-for"): forwardedFor.append(value)
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
    let isSame = text.utf8.withContiguousStorageIfAvailable { bytes in
        guard bytes.count == wanted.count else { return false }
        for index in 0..<bytes.count {
            let byte = bytes[index]
            if (byte &- 0x41 < 26 ? byte | 0x20 : byte) != wanted[index] { return false }
        }
        return true
    }
    return isSame ?? text.utf8.elementsEqual(wanted) { ($0 &- 0x41 < 26 ? $0 | 0x20 : $0) == $1 }
}

/// Whether two texts are the same bytes, where `==` takes different writings of one character for the same.
func isSameBytes(_ left: String, _ right: String) -> Bool {
    let isSame = left.utf8.withContiguousStorageIfAvailable { left in
        right.utf8.withContiguousStorageIfAvailable { right in
            guard left.count == right.count, let one = left.baseAddress, let other = right.baseAddress else {
                return left.count == right.count
            }
            return memcmp(one, other, left.count) == 0
        }
    }
    return (isSame ?? nil) ?? left.utf8.elementsEqual(right.utf8)
}
