import FoundationEssentials
import Glibc

/// A line of a recorder's file: what was published, and who says so.
package struct Recorded: Sendable, Codable, Equatable {
    /// Which message, or which part of it: two lines with the same identity are duplicates.
    package struct Identity: Sendable, Hashable {
        package var gateway: String
        package var agent: String
        package var epoch: String
        package var sequence: Int
        package var offset: Int
        package var events: Int
    }

    package var gateway: String?
    package var agent: String?
    package var epoch: String?
    package var sequence: Int?
    package var offset: Int?
    package var events: Int?
    /// `FROM-TO`
    package var gap: String?
    /// Nil where it is not UTF-8.
    package var payload: String?
    /// Milliseconds since 1970.
    package var received: Int
    /// Counted from 1 for each recorder.
    package var connection: Int

    // MQTT
    package var topic: String?
    package var qos: Int?
    package var retain: Bool?
    package var dup: Bool?
    /// A last will: its client went without a word.
    package var will: Bool?
    /// The reason code, where it was refused.
    package var reason: Int?

    // HTTP
    package var idempotencyKey: String?
    package var method: String?
    package var path: String?
    package var contentType: String?
    /// Whether there was such a header.
    package var authorization: Bool?
    /// Of a reply that was sent to its end; 0 without one.
    package var status: Int?

    enum CodingKeys: String, CodingKey {
        case gateway = "sallyport-gateway"
        case agent = "sallyport-agent"
        case epoch = "sallyport-epoch"
        case sequence = "sallyport-sequence"
        case offset = "sallyport-offset"
        case events = "sallyport-events"
        case gap = "sallyport-gap"
        case idempotencyKey = "idempotency-key"
        case contentType = "content-type"
        case payload, received, connection, topic, qos, retain, dup, will, reason, method, path, authorization, status
    }

    /// Received now.
    init(connection: Int, payload: [UInt8]) {
        self.connection = connection
        self.payload = String(validating: payload, as: UTF8.self)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        received = now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    }

    /// Takes what user properties or headers say of the identity; names in lower case.
    mutating func identify(by pairs: [(name: String, value: String)]) {
        for pair in pairs {
            switch CodingKeys(rawValue: pair.name) {
            case .gateway: gateway = pair.value
            case .agent: agent = pair.value
            case .epoch: epoch = pair.value
            case .sequence: sequence = Int(pair.value)
            case .offset: offset = Int(pair.value)
            case .events: events = Int(pair.value)
            case .gap: gap = pair.value
            default: break
            }
        }
    }

    /// Nil unless all of it is there.
    package var identity: Identity? {
        guard let gateway, let agent, let epoch, let sequence, let offset, let events else { return nil }
        return Identity(
            gateway: gateway, agent: agent, epoch: epoch, sequence: sequence, offset: offset, events: events)
    }

    /// The sequences that the publisher says it has dropped.
    package var gapRange: ClosedRange<Int>? {
        let ends = gap?.split(separator: "-", omittingEmptySubsequences: false).compactMap { Int($0) } ?? []
        guard ends.count == 2, ends[0] <= ends[1] else { return nil }
        return ends[0]...ends[1]
    }

    /// Whether its publisher was told that it is in safe hands, or may believe so: not refused, and over HTTP a 2xx.
    package var isAccepted: Bool {
        if method != nil { return (200..<300).contains(status ?? 0) }
        return reason == nil
    }
}

/// Reads what a recorder has written, also while it writes.
package struct RecorderFile: Sendable {
    package let path: String

    package init(path: String) {
        self.path = path
    }

    /// All lines. A last one that is torn was never acknowledged, and is left out; any other is an error.
    package func records() throws -> [Recorded] {
        try records(from: 0).records
    }

    /// The lines from a place in the file on, and the place behind them, to go on from. The `status` of a line over HTTP
    /// comes after the line itself.
    package func records(from position: Int) throws -> (records: [Recorded], end: Int) {
        guard access(path, F_OK) == 0 else { return ([], position) }
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
        guard position < bytes.count, let last = bytes.lastIndex(of: UInt8(ascii: "\n")), last >= position else {
            return ([], position)
        }
        let decoder = JSONDecoder()
        let records = try bytes[position..<last].split(separator: UInt8(ascii: "\n")).map { line in
            do {
                return try decoder.decode(Recorded.self, from: Data(line))
            } catch {
                throw TestPeerError("\(path): \(error): \(String(decoding: line.prefix(200), as: UTF8.self))")
            }
        }
        return (records, last + 1)
    }
}
