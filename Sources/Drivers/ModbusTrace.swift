import NIOCore
import Tags

/// Puts what goes over the wire into words for `sallyport device trace`.
struct ModbusTrace {
    let unit: UInt8
    let isZeroBased: Bool

    func request(_ request: ModbusRequest, transaction: UInt16, bytes: [UInt8]) -> TraceEntry {
        TraceEntry(
            time: .now, direction: .request, text: "\(words(request)), transaction \(transaction), unit \(unit)",
            bytes: bytes)
    }

    func reply(_ pdu: ByteBuffer, to request: ModbusRequest, frame: ModbusFrame) -> TraceEntry {
        var text = "reply to transaction \(frame.transaction)"
        if case .read(let area, let count) = request.kind {
            text += ": " + values(pdu, area: area, count: Int(count))
        } else {
            text += ": done"
        }
        return TraceEntry(time: .now, direction: .reply, text: text, bytes: frame.bytes)
    }

    func exception(_ exception: ModbusException, to request: ModbusRequest, frame: ModbusFrame) -> TraceEntry {
        TraceEntry(
            time: .now, direction: .exception,
            text: "\(exception) to \(words(request)), transaction \(frame.transaction)", bytes: frame.bytes)
    }

    /// "read holding registers 40001–40010 (10)"
    func words(_ request: ModbusRequest) -> String {
        switch request.kind {
        case .read(let area, let count): "read \(area.text) \(span(area, request.address, Int(count)))"
        case .writeOne(let area, let value):
            "write \(area.text) \(span(area, request.address, 1)) = "
                + (area == .coils ? (value == 0 ? "false" : "true") : "\(value)")
        case .writeMany(let area, let count, _): "write \(area.text) \(span(area, request.address, Int(count)))"
        }
    }

    private func span(_ area: ModbusAddress.Area, _ address: UInt16, _ count: Int) -> String {
        let first = ModbusAddress(area: area, offset: address).text(zeroBased: isZeroBased)
        guard count > 1 else { return "\(first) (1)" }
        let end = UInt16(min(Int(address) + count - 1, 65535))
        return "\(first)–\(ModbusAddress(area: area, offset: end).text(zeroBased: isZeroBased)) (\(count))"
    }

    private func values(_ pdu: ByteBuffer, area: ModbusAddress.Area, count: Int) -> String {
        let shown = min(count, 16)
        let start = pdu.readerIndex + 2
        var values: [String] = []
        for index in 0..<shown {
            if area.isRegisters {
                values.append("\(pdu.getInteger(at: start + index * 2, as: UInt16.self) ?? 0)")
            } else {
                let byte = pdu.getInteger(at: start + index / 8, as: UInt8.self) ?? 0
                values.append(byte >> UInt8(index % 8) & 1 == 1 ? "1" : "0")
            }
        }
        return values.joined(separator: area.isRegisters ? ", " : "") + (count > shown ? " …" : "")
    }
}

/// The listeners of one device's trace. Each has a bounded buffer: a slow one misses the oldest entries and is told how
/// many.
struct TraceListeners {
    private struct Listener {
        let continuation: AsyncStream<TraceEntry>.Continuation
        var missed = 0
    }

    static let buffered = 256

    private var listeners: [Int: Listener] = [:]
    private var next = 0

    /// What the sender asks before it puts anything into words.
    var isEmpty: Bool { listeners.isEmpty }

    mutating func add(_ continuation: AsyncStream<TraceEntry>.Continuation) -> Int {
        next += 1
        listeners[next] = Listener(continuation: continuation)
        return next
    }

    mutating func remove(_ id: Int) {
        listeners[id] = nil
    }

    mutating func send(_ entry: TraceEntry) {
        for id in listeners.keys {
            guard var listener = listeners[id] else { continue }
            switch listener.continuation.yield(entry) {
            case .dropped: listener.missed += 1
            case .enqueued(let room) where listener.missed > 0 && room > 0:
                // The reader has caught up a little: tell it without making it lose another entry.
                let text = "\(listener.missed) entries missed: the reader was too slow"
                listener.continuation.yield(TraceEntry(time: .now, direction: .event, text: text))
                listener.missed = 0
            default: break
            }
            listeners[id] = listener
        }
    }

    mutating func finish() {
        for listener in listeners.values { listener.continuation.finish() }
        listeners = [:]
    }
}
