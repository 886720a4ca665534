/// What an endpoint answered, as far as anybody looks at it: never what it says in its body, but for the beginning of it as a
/// reason for people.
package struct EndpointReply: Sendable, Equatable {
    package var status: Int
    package var retryAfter: String?
    /// The endpoint's own time.
    package var date: String?
    package var location: String?
    /// The beginning of the body, on one line.
    package var text: String

    package init(
        _ status: Int, retryAfter: String? = nil, date: String? = nil, location: String? = nil, text: String = ""
    ) {
        self.status = status
        self.retryAfter = retryAfter
        self.date = date
        self.location = location
        self.text = text
    }

    /// For people.
    package var trouble: String {
        let meaning =
            switch status {
            case 207: "the endpoint says that it took a part of a message only (207); the message counts as delivered"
            case 300..<400:
                "the endpoint sends us to another address (\(status)\(location.map { ", \($0)" } ?? "")), "
                    + "which is not followed; correct url"
            case 401: "the endpoint refuses the credentials (401)"
            case 403: "the endpoint does not allow these credentials to send there (403)"
            case 407: "the proxy asks for credentials (407)"
            case 408: "the endpoint did not get the message in time (408)"
            case 413: "a message is larger than the endpoint takes (413); lower max-events"
            case 429: "the endpoint says that messages come too fast (429)"
            case 503: "the endpoint says that it is unavailable (503)"
            case 502, 504: "the gateway in front of the endpoint gets no answer from it (\(status))"
            case 500...: "the endpoint failed (\(status))"
            default: "the endpoint refuses the message (\(status))"
            }
        return text.isEmpty ? meaning : "\(meaning): \(text)"
    }
}

/// Takes a reply in as it comes, within bounds.
struct ReplyReader {
    /// Bytes; more ends the request.
    static let mostHeaders = 64 << 10
    static let mostBody = 64 << 10
    /// Of the body, kept as a reason for people.
    static let mostText = 512

    private var reply = EndpointReply(0)
    private var headerBytes = 0
    private var bodyBytes = 0
    private var text: [UInt8] = []
    /// The final headers are there to their end.
    private(set) var isDecided = false
    private(set) var isTooLong = false

    /// nil while nobody has decided anything: an answer counts from the end of its headers on.
    var decision: EndpointReply? {
        guard isDecided else { return nil }
        var reply = reply
        reply.text = ReplyReader.line(text)
        return reply
    }

    /// Takes a line of the headers, or of what stands where headers do. False when it is too much.
    mutating func header(_ line: UnsafeRawBufferPointer) -> Bool {
        headerBytes += line.count
        guard headerBytes <= ReplyReader.mostHeaders else {
            isTooLong = true
            return false
        }
        // Behind the body come trailers, which nobody asked for.
        guard !isDecided else { return true }
        let line = unsafe ReplyReader.trimmed(line)
        if unsafe line.isEmpty {
            // 1xx announces another one.
            isDecided = reply.status >= 200
        } else if unsafe line.starts(with: "HTTP/".utf8) {
            reply = EndpointReply(unsafe ReplyReader.status(line))
        } else if let colon = unsafe line.firstIndex(of: 0x3A) {
            let name = unsafe UnsafeRawBufferPointer(rebasing: line[..<colon])
            let value = unsafe UnsafeRawBufferPointer(rebasing: line[(colon + 1)...])
            unsafe take(name, value)
        }
        return true
    }

    private mutating func take(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        func text() -> String { unsafe String(decoding: ReplyReader.trimmed(value), as: UTF8.self) }
        if unsafe ReplyReader.isSame(name, "retry-after") {
            reply.retryAfter = text()
        } else if unsafe ReplyReader.isSame(name, "date") {
            reply.date = text()
        } else if unsafe ReplyReader.isSame(name, "location") {
            reply.location = ReplyReader.line(Array(text().prefix { $0 != "?" }.utf8.prefix(200)))
        }
    }

    /// - Parameter lowercase: without capitals.
    private static func isSame(_ name: UnsafeRawBufferPointer, _ lowercase: String) -> Bool {
        guard name.count == lowercase.utf8.count else { return false }
        var index = 0
        for letter in lowercase.utf8 {
            let byte = unsafe name[index]
            guard byte == letter || (0x41...0x5A).contains(byte) && byte | 0x20 == letter else { return false }
            index += 1
        }
        return true
    }

    /// The second word of a status line; 0 where it is no number.
    private static func status(_ line: UnsafeRawBufferPointer) -> Int {
        let words = unsafe String(decoding: line.prefix(64), as: UTF8.self).split(separator: " ", maxSplits: 2)
        return words.count > 1 ? Int(words[1]) ?? 0 : 0
    }

    /// Without spaces, tabs and line ends around it.
    private static func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D || $0 == 0x0A }
        guard let first = unsafe bytes.firstIndex(where: { !isSpace($0) }),
            let last = unsafe bytes.lastIndex(where: { !isSpace($0) })
        else { return unsafe UnsafeRawBufferPointer(start: nil, count: 0) }
        return unsafe UnsafeRawBufferPointer(rebasing: bytes[first...last])
    }

    /// Takes a piece of the body. False when it is too much.
    mutating func body(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if text.count < ReplyReader.mostText {
            unsafe text.append(contentsOf: bytes.prefix(ReplyReader.mostText - text.count))
        }
        bodyBytes += bytes.count
        isTooLong = bodyBytes > ReplyReader.mostBody
        return !isTooLong
    }

    /// What a stranger sent, fit for a log: valid, without control characters, on one line.
    private static func line(_ bytes: [UInt8]) -> String {
        var line = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator:
                if line.last != " ", !line.isEmpty { line.append(" ") }
            default: line.unicodeScalars.append(scalar)
            }
        }
        return line.trimmed
    }
}

extension String {
    /// Without spaces, tabs and line ends around it.
    fileprivate var trimmed: String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D || $0 == 0x0A }
        guard let first = utf8.firstIndex(where: { !isSpace($0) }), let last = utf8.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(self[first...last])
    }
}
