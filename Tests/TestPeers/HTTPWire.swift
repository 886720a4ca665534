/// What is not HTTP/1.1, or too much of it.
struct HTTPFault: Error {
    let status: Int
}

struct HTTPRequest {
    let method: String
    let path: String
    /// Names in lower case.
    let headers: [(name: String, value: String)]
    let body: [UInt8]

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// Whether the client lets the connection be used again.
    var keepsAlive: Bool { header("connection")?.lowercased() != "close" }
}

/// Reads requests from a connection, one after the other.
struct HTTPReader {
    static let headLimit = 64 << 10
    static let bodyLimit = 64 << 20

    private let connection: PeerConnection
    private var bytes: [UInt8] = []

    init(_ connection: PeerConnection) { self.connection = connection }

    /// Nil when the connection has ended, or nothing has begun within the limit.
    mutating func next(within limit: Duration?) throws(HTTPFault) -> HTTPRequest? {
        let deadline = limit.map { ContinuousClock.now + $0 }
        if bytes.isEmpty, !more(until: deadline) { return nil }
        guard let head = try line(endingWith: [13, 10, 13, 10], atMost: Self.headLimit) else { return nil }
        var lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
        let request = lines.removeFirst().split(separator: " ")
        guard request.count == 3, request[2] == "HTTP/1.1" || request[2] == "HTTP/1.0" else {
            throw HTTPFault(status: 400)
        }
        var headers: [(name: String, value: String)] = []
        for line in lines {
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else { throw HTTPFault(status: 400) }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers.append((line[..<colon].lowercased(), String(value)))
        }
        let lead = HTTPRequest(method: String(request[0]), path: String(request[1]), headers: headers, body: [])
        if lead.header("expect")?.lowercased() == "100-continue" {
            connection.write("HTTP/1.1 100 Continue\r\n\r\n".utf8)
        }
        guard let body = try body(of: lead) else { return nil }
        return HTTPRequest(method: lead.method, path: lead.path, headers: headers, body: body)
    }

    private mutating func body(of request: HTTPRequest) throws(HTTPFault) -> [UInt8]? {
        if let coding = request.header("transfer-encoding") {
            guard coding.lowercased() == "chunked" else { throw HTTPFault(status: 501) }
            return try chunks()
        }
        guard let text = request.header("content-length") else { return [] }
        guard let length = Int(text), length >= 0 else { throw HTTPFault(status: 400) }
        guard length <= Self.bodyLimit else { throw HTTPFault(status: 413) }
        return take(length)
    }

    private mutating func chunks() throws(HTTPFault) -> [UInt8]? {
        var body: [UInt8] = []
        while true {
            guard let line = try line(endingWith: [13, 10], atMost: 1024) else { return nil }
            guard let size = Int(line.prefix { $0 != ";" }, radix: 16), size >= 0 else { throw HTTPFault(status: 400) }
            guard size <= Self.bodyLimit - body.count else { throw HTTPFault(status: 413) }
            if size == 0 { break }
            guard let chunk = take(size), let end = take(2) else { return nil }
            guard end == [13, 10] else { throw HTTPFault(status: 400) }
            body += chunk
        }
        // Trailers say nothing that is recorded.
        while true {
            guard let line = try line(endingWith: [13, 10], atMost: Self.headLimit) else { return nil }
            if line.isEmpty { return body }
        }
    }

    /// Nil if the connection ended before.
    private mutating func line(endingWith end: [UInt8], atMost limit: Int) throws(HTTPFault) -> String? {
        var searched = 0
        while true {
            var index = searched
            while index + end.count <= bytes.count {
                if bytes[index] == end[0], bytes[index..<index + end.count].elementsEqual(end) {
                    defer { bytes.removeSubrange(..<(index + end.count)) }
                    guard let text = String(validating: bytes[..<index], as: UTF8.self) else {
                        throw HTTPFault(status: 400)
                    }
                    return text
                }
                index += 1
            }
            searched = index
            guard bytes.count <= limit else { throw HTTPFault(status: 431) }
            guard more(until: nil) else { return nil }
        }
    }

    private mutating func take(_ count: Int) -> [UInt8]? {
        while bytes.count < count {
            guard more(until: nil) else { return nil }
        }
        defer { bytes.removeSubrange(..<count) }
        return Array(bytes[..<count])
    }

    private mutating func more(until deadline: ContinuousClock.Instant?) -> Bool {
        guard case .bytes(let arrival) = connection.read(until: deadline) else { return false }
        bytes += arrival
        return true
    }
}

/// Zeros in gzip, without a library: one block with fixed codes, a zero, and repetitions of 258 zeros, 13 bits each.
///
/// The checksum at the end is wrong: who gets there has unpacked it all.
struct GzipBomb {
    let head: [UInt8]
    /// 13 bits come to whole bytes again after 13 bytes, which hold eight repetitions.
    let unit: [UInt8]
    /// How often the unit comes.
    let count: Int
    let tail: [UInt8]

    init(megabytes: Int) {
        // Last block, fixed codes (from the lowest bit on: 1, then 01), then the literal 0 as 00110000.
        let start = Self.bits(of: "110" + "00110000" + Self.repetition(16))
        count = (megabytes << 20) / (8 * 258) + 1
        head = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF] + start[0..<2]
        unit = Array(start[2..<15])
        // Five bits of one more repetition are out by now: the other eight, then the end, which is seven zeros.
        let length = UInt32(truncatingIfNeeded: 1 + 258 * (8 * count + 1))
        tail = Self.bits(of: "10100000" + "0000000") + [0, 0, 0, 0] + (0..<4).map { UInt8(length >> (8 * $0) & 0xFF) }
    }

    /// Length 258 is code 285, 11000101 and no more bits; distance 1 is 00000.
    private static func repetition(_ count: Int) -> String {
        String(repeating: "1100010100000", count: count)
    }

    /// The first bit is the lowest of the first byte.
    private static func bits(of text: String) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: (text.utf8.count + 7) / 8)
        for (index, bit) in text.utf8.enumerated() where bit == UInt8(ascii: "1") {
            bytes[index / 8] |= 1 << (index % 8)
        }
        return bytes
    }
}
