import Foundation
import NIOCore
import Testing

/// A client over a bare socket, so that a test can send what no HTTP library would. Every call runs off the
/// cooperative pool and ends after `patience`.
final class RawConnection: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    struct Response: Sendable, Equatable {
        var status: Int
        /// In lower case.
        var headers: [String: String]
        var head: String
        var body: String

        init(head: String, body: String = "") {
            self.head = head
            self.body = body
            let lines = head.components(separatedBy: "\r\n")
            let words = lines[0].split(separator: " ")
            status = words.count > 1 ? Int(words[1]) ?? 0 : 0
            headers = [:]
            for line in lines.dropFirst() {
                guard let colon = line.firstIndex(of: ":") else { continue }
                headers[line[..<colon].lowercased()] =
                    line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
        }

        /// All that came until the server closed.
        init(_ text: String) {
            let parts = text.components(separatedBy: "\r\n\r\n")
            self.init(head: parts[0], body: parts.dropFirst().joined(separator: "\r\n\r\n"))
        }

        /// What a client can see, without what changes from second to second.
        var comparable: String {
            head.split(separator: "\r\n").filter { !$0.hasPrefix("Date:") }.joined(separator: "\n") + "\n\n" + body
        }
    }

    private let descriptor: Int32

    /// - Parameter source: the address to come from; nil leaves it to the system.
    init(_ address: SocketAddress, patience: Int = 20, from source: String? = nil) throws {
        descriptor = socket(address.protocol == .inet6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "no socket") }
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        if let source {
            let bound = try SocketAddress(ipAddress: source, port: 0).withSockAddr {
                bind(descriptor, $0, socklen_t($1))
            }
            guard bound == 0 else {
                throw Failure(description: "not from \(source): \(String(cString: strerror(errno)))")
            }
        }
        let result = address.withSockAddr { connect(descriptor, $0, socklen_t($1)) }
        guard result == 0 else { throw Failure(description: "no connection: \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    func setReceiveBuffer(_ bytes: Int32) {
        var bytes = bytes
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
    }

    /// From now on its end is a reset: the server cannot write to it any more from that moment.
    func endWithReset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }

    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws {
        try await blocking { [descriptor] in
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBytes { raw in
                    Foundation.send(descriptor, raw.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { throw Failure(description: "send: \(String(cString: strerror(errno)))") }
                sent += count
            }
        }
    }

    /// Everything until the server closes; an error when it does not.
    func receiveAll() async throws -> String {
        try await blocking { [descriptor] in
            var all: [UInt8] = []
            while let piece = try RawConnection.receive(descriptor) { all += piece }
            return String(decoding: all, as: UTF8.self)
        }
    }

    /// What comes next; nil at the end.
    func receiveSome(_ most: Int = 65536) async throws -> [UInt8]? {
        try await blocking { [descriptor] in try RawConnection.receive(descriptor, most) }
    }

    /// One response with its `Content-Length`.
    func response(bodyless: Bool = false) async throws -> Response {
        try await blocking { [descriptor] in
            var all: [UInt8] = []
            let end = Array("\r\n\r\n".utf8)
            func headEnd() -> Int? {
                guard all.count >= 4 else { return nil }
                return (0...(all.count - 4)).first { Array(all[$0..<$0 + 4]) == end }
            }
            var split = headEnd()
            while split == nil {
                // A byte at a time, so that the next response stays in the socket.
                guard let byte = try RawConnection.receive(descriptor, 1) else {
                    throw Failure(description: "closed after \(String(decoding: all, as: UTF8.self))")
                }
                all += byte
                split = byte == [0x0A] ? headEnd() : nil
            }
            var response = Response(head: String(decoding: all[..<split!], as: UTF8.self))
            let length = bodyless ? 0 : Int(response.headers["content-length"] ?? "0") ?? 0
            var body: [UInt8] = []
            while body.count < length {
                guard let piece = try RawConnection.receive(descriptor, length - body.count) else {
                    throw Failure(description: "closed in the body")
                }
                body += piece
            }
            response.body = String(decoding: body, as: UTF8.self)
            return response
        }
    }

    /// nil at the end of the connection, orderly or not.
    private static func receive(_ descriptor: Int32, _ most: Int = 65536) throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: min(most, 65536))
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { return Array(buffer[..<count]) }
        if count < 0, errno == EAGAIN { throw Failure(description: "the server keeps silent and open") }
        return nil
    }

    private func blocking<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { done in
            // A thread each: tests that wait side by side would use a pool up.
            Thread.detachNewThread { done.resume(with: Result(catching: body)) }
        }
    }
}

extension Fixture {
    /// One request on a connection of its own.
    func ask(
        _ method: String = "GET", _ target: String, _ headers: [String] = [Fixture.admin], body: String = ""
    ) async throws -> RawConnection.Response {
        let connection = try RawConnection(address)
        try await connection.send(Fixture.request(method, target, headers, body: body))
        return try await connection.response(bodyless: method == "HEAD")
    }

    func expect(
        _ status: Int, _ method: String, _ target: String, _ headers: [String] = [Fixture.admin], body: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let reply = try await ask(method, target, headers, body: body)
        #expect(reply.status == status, sourceLocation: sourceLocation)
    }

    static func request(
        _ method: String = "GET", _ target: String, _ headers: [String] = [Fixture.admin], body: String = ""
    ) -> String {
        let lengths = body.isEmpty && method != "POST" ? [] : ["Content-Length: \(body.utf8.count)"]
        let lines = ["\(method) \(target) HTTP/1.1", "Host: localhost"] + headers + lengths
        return lines.joined(separator: "\r\n") + "\r\n\r\n" + body
    }
}
