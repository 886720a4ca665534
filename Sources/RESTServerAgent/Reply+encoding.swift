import NIOCore
import Synchronization
import Tags
import WireFormat

extension Reply {
    /// Head and body in one buffer: one write, one TLS record for a short answer.
    func encoded(_ allocator: ByteBufferAllocator, date: [UInt8]) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: 320 + headers.count * 64 + body.count)
        buffer.writeStaticString(status.line)
        switch content {
        case .json: buffer.writeStaticString("Content-Type: application/json\r\n")
        case .html: buffer.writeStaticString("Content-Type: text/html; charset=utf-8\r\n")
        case .none: break
        }
        buffer.writeStaticString("Content-Length: ")
        var length = JSONBytes(capacity: 20)
        length.append(unsigned: UInt64(body.count))
        buffer.writeBytes(length.bytes)
        buffer.writeStaticString("\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nDate: ")
        buffer.writeBytes(date)
        buffer.writeStaticString("\r\n")
        for (name, value) in headers {
            buffer.writeStaticString(name)
            buffer.writeStaticString(": ")
            buffer.writeString(value)
            buffer.writeStaticString("\r\n")
        }
        if closes { buffer.writeStaticString("Connection: close\r\n") }
        buffer.writeStaticString("\r\n")
        if !omitsBody { buffer.writeBytes(body) }
        return buffer
    }
}

/// The `Date` header's text, made once a second.
final class HTTPDate: Sendable {
    private let last = Mutex<(second: Int64, text: [UInt8])>((.min, []))

    var now: [UInt8] {
        let time = Timestamp.now
        let second = time.microseconds / 1_000_000
        return last.withLock { last in
            if last.second != second { last = (second, HTTPDate.text(time)) }
            return last.text
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
