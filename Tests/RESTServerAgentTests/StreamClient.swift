import Foundation
import NIOCore
import TagStore
import Tags
import Testing

@testable import RESTServerAgent

/// A client of the stream over a bare socket, which takes chunks and events apart by itself.
final class StreamClient {
    struct Event: Equatable {
        /// Empty for a comment.
        var name = ""
        var id: String?
        var data = ""
        var isComment = false

        private struct Values: Decodable {
            struct Value: Decodable {
                let id: String
                let q: Bool
                let t: Int64
                let v: Double?

                enum Key: CodingKey { case id, q, t, v }

                init(from decoder: any Decoder) throws {
                    let container = try decoder.container(keyedBy: Key.self)
                    id = try container.decode(String.self, forKey: .id)
                    q = try container.decode(Bool.self, forKey: .q)
                    t = try container.decode(Int64.self, forKey: .t)
                    v = try? container.decode(Double.self, forKey: .v)
                }
            }

            let values: [Value]
        }

        private struct Refused: Decodable {
            struct One: Decodable {
                let id: String
                let r: String
            }

            let refused: [One]
        }

        /// `Simulator.T2.5S=1`, with a `!` behind what is not good.
        var values: [String] {
            get throws {
                try JSONDecoder().decode(Values.self, from: Data(data.utf8)).values.map { value in
                    let number = value.v.map { Int(exactly: $0).map { "\($0)" } ?? "\($0)" } ?? "null"
                    return "\(value.id)=\(number)\(value.q ? "" : "!")"
                }
            }
        }

        /// `Simulator.T2.5S: unknown tag`
        var refused: [String] {
            get throws {
                try JSONDecoder().decode(Refused.self, from: Data(data.utf8)).refused.map { "\($0.id): \($0.r)" }
            }
        }
    }

    let connection: RawConnection
    private(set) var head = ""
    private let patience: Int
    private var raw: [UInt8] = []
    private var text: [UInt8] = []
    private var isChunked = true
    private var hasEnded = false

    /// Asks, and returns when the head has come.
    init(
        _ address: SocketAddress, _ ids: [String], _ headers: [String] = [Fixture.admin], patience: Int = 20,
        receiveBuffer: Int32? = nil
    ) async throws {
        self.patience = patience
        connection = try RawConnection(address, patience: patience)
        if let receiveBuffer { connection.setReceiveBuffer(receiveBuffer) }
        try await connection.send(Fixture.request("GET", StreamClient.target(ids), headers))
        let end = Array("\r\n\r\n".utf8)
        while !raw.suffix(4).elementsEqual(end) {
            guard let byte = try await connection.receiveSome(1) else { break }
            raw += byte
        }
        head = String(decoding: raw, as: UTF8.self)
        raw = []
        isChunked = head.contains("Transfer-Encoding: chunked")
    }

    static func target(_ ids: [String]) -> String {
        "/iotgateway/stream?"
            + ids.map { "ids=" + $0.replacing("+", with: "%2B").replacing(" ", with: "%20") }
            .joined(separator: "&")
    }

    /// The next event or comment; nil at the end of the stream. Comments keep a stream from being silent: who waits for
    /// an event waits no longer than `patience` allows twice.
    func next(comments: Bool = false) async throws -> Event? {
        let end = ContinuousClock.now + .seconds(2 * patience)
        while true {
            if let event = takeEvent() {
                if event.isComment && !comments || event.name.isEmpty && !event.isComment {
                    guard ContinuousClock.now < end else { throw RawConnection.Failure(description: "only comments") }
                    continue
                }
                return event
            }
            if hasEnded { return nil }
            guard let bytes = try await connection.receiveSome() else {
                hasEnded = true
                continue
            }
            raw += bytes
            takeChunks()
        }
    }

    /// The first event of that name; the others are passed over.
    func first(_ name: String) async throws -> Event {
        while let event = try await next() {
            if event.name == name { return event }
        }
        throw RawConnection.Failure(description: "the stream ended before an event \(name)")
    }

    /// Values until all of these have come, in this order; whether nothing else came is not looked at.
    func wait(for values: [String]) async throws {
        var left = values[...]
        while let wanted = left.first {
            let event = try await first("values")
            for value in try event.values where value == left.first ?? wanted { left = left.dropFirst() }
        }
    }

    private func takeEvent() -> Event? {
        let split: Int? = text.withUnsafeBytes { bytes in
            var place = 0
            while place + 1 < bytes.count {
                if bytes[place] == 0x0A, bytes[place + 1] == 0x0A { return place }
                place += bytes[place + 1] == 0x0A ? 1 : 2
            }
            return nil
        }
        guard let split else { return nil }
        let block = String(decoding: text[..<split], as: UTF8.self)
        text.removeFirst(split + 2)
        var event = Event()
        for line in block.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix(":") { event.isComment = true }
            if line.hasPrefix("event: ") { event.name = String(line.dropFirst(7)) }
            if line.hasPrefix("id: ") { event.id = String(line.dropFirst(4)) }
            if line.hasPrefix("data: ") { event.data += line.dropFirst(6) }
        }
        return event
    }

    private func takeChunks() {
        guard isChunked else {
            text += raw
            raw = []
            return
        }
        while let line = raw.firstIndex(of: 0x0D), raw.count > line + 1 {
            guard let size = Int(String(decoding: raw[..<line], as: UTF8.self), radix: 16) else {
                Issue.record("no chunk: \(String(decoding: raw.prefix(40), as: UTF8.self))")
                hasEnded = true
                return
            }
            guard raw.count >= line + 2 + size + 2 else { return }
            text += raw[(line + 2)..<(line + 2 + size)]
            raw.removeFirst(line + 2 + size + 2)
            if size == 0 { hasEnded = true }
        }
    }
}

extension Fixture {
    /// Changes tags by their place in `Fixture.tags`.
    func set(_ values: [(Int, TagData)], _ quality: Quality = .good) async {
        await store.apply(
            values.map { TagUpdate(handle: handles[$0], value: Fixture.value($1, quality)) })
    }
}
