import NIOCore
import NIOHTTP1

/// What a request's head may be. Everything that could be read in two ways is refused: who stands in front of us may
/// have read it in the other.
struct RequestLimits: Sendable {
    /// Bytes of a body.
    var body: Int
    /// Bytes of the request target: about a thousand ids in a GET. More of them go in a POST.
    var target = 64 << 10
    /// Bytes of all header fields, and of one.
    var fields = 16 << 10
    var field = 8 << 10
    var fieldCount = 100
    /// Bodies that one listener holds at a time: sixteen of the largest, and never less than 16 MiB.
    var bodies: Int { max(16 << 20, body.multipliedReportingOverflow(by: 16).overflow ? body : body * 16) }

    /// Bytes that one request may take on the wire, with the spaces that the codec passes over; a body even in chunks of
    /// one byte each.
    func wire(withBody: Bool) -> Int {
        let head = target + fields + 8 * fieldCount + 4096
        guard withBody else { return head }
        let (chunks, overflow) = body.multipliedReportingOverflow(by: 8)
        return overflow ? .max : max(chunks, chunks &+ head)
    }

    var bodyPadded: Reply {
        .failure(.contentTooLarge, "there is far more around the body's chunks than in them")
    }

    /// For the codec, which counts the target as a field.
    var decoder: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = target + 1024
        limits.maxHeaderListSize = target + fields + 1024
        limits.maxHeaderFieldCount = fieldCount
        return limits
    }

    var bodyTooLarge: Reply {
        .failure(.contentTooLarge, "the body is larger than \(body) bytes (the agent's setting limits.body)")
    }

    var tooManyBodies: Reply {
        .failure(.serviceUnavailable, "too many large requests at once; try again in a few seconds")
            .with("Retry-After", "5")
    }

    var headTooLarge: Reply {
        .failure(
            .headerFieldsTooLarge,
            "the request line or header fields are too large: \(target) bytes of target, \(fields) bytes and"
                + " \(fieldCount) header fields are allowed")
    }

    /// The answer to a head that may not be served, nil when it may.
    func refusal(of head: HTTPRequestHead, _ fields: RequestFields) -> Reply? {
        func bad(_ reason: String) -> Reply { .failure(.badRequest, reason) }
        guard head.version == .http1_1 || head.version == .http1_0 else {
            return .failure(.versionNotSupported, "HTTP/1.1 and HTTP/1.0 are spoken here")
        }
        guard head.uri.utf8.count <= target else {
            return .failure(
                .uriTooLong, "the request target is longer than \(target) bytes; send the ids in a POST instead")
        }
        guard fields.bytes <= self.fields, fields.largest <= field else { return headTooLarge }
        guard fields.hostCount == 1 else {
            return bad(fields.hostCount == 0 ? "the Host header is missing" : "there is more than one Host header")
        }
        guard HostField.isWellFormed(fields.host) else { return bad("the Host header is malformed") }
        guard head.uri.utf8.first == 0x2F else { return bad("the request target must begin with /") }
        if let refusal = framing(head, fields) { return refusal }
        if let expect = fields.expect, !isNamed(expect, "100-continue") {
            return .failure(.expectationFailed, "the only expectation met here is 100-continue")
        }
        return nil
    }

    private func framing(_ head: HTTPRequestHead, _ fields: RequestFields) -> Reply? {
        func bad(_ reason: String) -> Reply { .failure(.badRequest, reason) }
        if !fields.transferEncodings.isEmpty {
            guard fields.contentLengths.isEmpty else {
                return bad("Content-Length and Transfer-Encoding may not stand together")
            }
            guard head.version == .http1_1 else { return bad("HTTP/1.0 has no Transfer-Encoding") }
            guard fields.transferEncodings.count == 1, isNamed(fields.transferEncodings[0], "chunked") else {
                return .failure(.notImplemented, "the only Transfer-Encoding taken here is chunked")
            }
        }
        guard fields.contentLengths.count <= 1 else { return bad("there is more than one Content-Length") }
        if let text = fields.contentLengths.first {
            guard !text.isEmpty, text.utf8.allSatisfy({ $0 &- 0x30 < 10 }) else {
                return bad("the Content-Length is not a number")
            }
            guard let length = Int(text), length <= body else { return bodyTooLarge }
        }
        return nil
    }
}
