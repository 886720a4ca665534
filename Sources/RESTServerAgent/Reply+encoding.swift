import NIOCore
import Synchronization
import Tags
import WireFormat

extension Reply {
    /// Appends head and body to one buffer: one write, one TLS record for short answers.
    ///
    /// - Parameter common: what stands in every head, as `HTTPDate` makes it.
    func encode(into buffer: inout ByteBuffer, common: [UInt8]) {
        buffer.reserveCapacity(minimumWritableBytes: 320 + headers.count * 64 + body.count)
        buffer.writeStaticString(status.line)
        switch content {
        case .json: buffer.writeStaticString("Content-Type: application/json\r\nContent-Length: ")
        case .html: buffer.writeStaticString("Content-Type: text/html; charset=utf-8\r\nContent-Length: ")
        case .metrics: buffer.writeStaticString("Content-Type: text/plain; version=0.0.4\r\nContent-Length: ")
        case .events: buffer.writeStaticString("Content-Type: text/event-stream\r\nX-Accel-Buffering: no")
        case .none: buffer.writeStaticString("Content-Length: ")
        }
        if content == .events {
            if isChunked { buffer.writeStaticString("\r\nTransfer-Encoding: chunked") }
        } else {
            var length = JSONBytes(capacity: 20)
            length.append(unsigned: UInt64(body.count))
            buffer.writeBytes(length.bytes)
        }
        buffer.writeBytes(common)
        for (name, value) in headers {
            buffer.writeStaticString(name)
            buffer.writeStaticString(": ")
            buffer.writeString(value)
            buffer.writeStaticString("\r\n")
        }
        if closes || stream != nil { buffer.writeStaticString("Connection: close\r\n") }
        buffer.writeStaticString("\r\n")
        if !omitsBody { buffer.writeBytes(body) }
    }
}

/// The fields that stand in every head, `Date` among them, made once a second.
final class HTTPDate: Sendable {
    private let last = Mutex<(second: Int64, fields: [UInt8], strict: [UInt8])>((.min, [], []))

    /// A year, as is usual; each answer begins it anew.
    private static let strictTransport = "Strict-Transport-Security: max-age=31536000\r\n"

    /// From the end of the line of `Content-Length` to that of `Date`.
    ///
    /// - Parameter strict: with `Strict-Transport-Security` behind it.
    func commonFields(strict: Bool = false) -> [UInt8] {
        let time = Timestamp.now
        let second = time.microseconds / 1_000_000
        return last.withLock { last in
            if last.second != second {
                let hygiene = "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nDate: "
                let fields = Array(hygiene.utf8) + HTTPDate.text(time) + Array("\r\n".utf8)
                last = (second, fields, fields + Array(HTTPDate.strictTransport.utf8))
            }
            return strict ? last.strict : last.fields
        }
    }

    /// As in `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func text(_ time: Timestamp) -> [UInt8] {
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let civil = CivilTime(time)
        let day = Int(((time.milliseconds / 86_400_000) % 7 + 7) % 7)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let date = "\(days[day]), \(two(civil.day)) \(months[civil.month - 1]) \(civil.year)"
        return Array("\(date) \(two(civil.hour)):\(two(civil.minute)):\(two(civil.second)) GMT".utf8)
    }
}
