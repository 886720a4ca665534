import Synchronization

/// One way of a connection through the proxy, on a thread of its own.
struct FaultProxyWay: Sendable {
    private struct Piece {
        let due: ContinuousClock.Instant
        var bytes: [UInt8]
    }

    /// How soon a change of the behaviour is seen.
    private static let tick = Duration.milliseconds(50)
    /// What may be under way: a delay must not take memory without bounds.
    private static let limit = 4 << 20

    private let source: PeerConnection
    private let sink: PeerConnection
    private let isUp: Bool
    private let core: FaultProxy.Core
    private let begin = ContinuousClock.now
    private var pieces: [Piece] = []
    private var size = 0
    private var isAtEnd = false
    private var hasLost = false
    /// Bytes since the last one that was changed.
    private var sound = 0
    /// The bytes per second allow for no more before this.
    private var nextWrite = ContinuousClock.now

    init(from source: PeerConnection, to sink: PeerConnection, isUp: Bool, _ core: FaultProxy.Core) {
        self.source = source
        self.sink = sink
        self.isUp = isUp
        self.core = core
    }

    /// Until both connections are ended.
    mutating func run() {
        while !source.isEnding, !sink.isEnding {
            var behaviour = core.behaviour.withLock { $0 }
            if let age = behaviour.resetEvery, ContinuousClock.now - begin >= age { return reset() }
            switch (behaviour.ways, isUp) {
            case (.up, false), (.down, true):
                behaviour.delay = .zero
                behaviour.bytesPerSecond = nil
                behaviour.swallows = false
                behaviour.corruptEvery = nil
            default: break
            }
            if behaviour.holds {
                _ = source.pause(until: .now + Self.tick)
            } else if behaviour.swallows {
                swallow()
            } else {
                guard move(behaviour) else { break }
            }
        }
        // Whoever sees the end first tells the other side in the same way.
        if source.isReset || sink.isReset { return reset() }
        source.end(.close)
        sink.end(.close)
    }

    private func reset() {
        source.end(.reset)
        sink.end(.reset)
    }

    private mutating func swallow() {
        // What is under way is lost as well.
        var lost = size
        pieces = []
        size = 0
        if isAtEnd {
            _ = source.pause(until: .now + Self.tick)
        } else {
            switch source.read(until: .now + Self.tick) {
            case .bytes(let bytes): lost += bytes.count
            case .end: isAtEnd = true
            case .timeout: break
            }
        }
        guard lost > 0 else { return }
        hasLost = true
        let count = lost
        core.count { $0.swallowed += count }
    }

    /// Takes what is there and passes on what is due; false at the end.
    private mutating func move(_ behaviour: FaultProxy.Behaviour) -> Bool {
        if isAtEnd, pieces.isEmpty { return false }
        let next = pieces.first.map { max($0.due, nextWrite) }
        let deadline = min(next ?? .now + Self.tick, .now + Self.tick)
        if isAtEnd || size >= Self.limit {
            guard source.pause(until: deadline) else { return false }
        } else {
            switch source.read(until: deadline) {
            case .bytes(let bytes):
                if hasLost {
                    reset()
                    return false
                }
                pieces.append(Piece(due: .now + behaviour.delay, bytes: corrupted(bytes, behaviour.corruptEvery)))
                size += bytes.count
            case .end: isAtEnd = true
            case .timeout: break
            }
        }
        return pass(behaviour.bytesPerSecond)
    }

    private mutating func pass(_ bytesPerSecond: Int?) -> Bool {
        while let piece = pieces.first, piece.due <= .now, bytesPerSecond == nil || nextWrite <= .now {
            // Twenty writes a second, or one byte at a time.
            let count = min(piece.bytes.count, bytesPerSecond.map { max(1, $0 / 20) } ?? .max)
            guard sink.write(piece.bytes.prefix(count)) else { return false }
            if count == piece.bytes.count { pieces.removeFirst() } else { pieces[0].bytes.removeFirst(count) }
            size -= count
            let isUp = isUp
            core.count { if isUp { $0.up += count } else { $0.down += count } }
            if let bytesPerSecond { nextWrite = .now + .seconds(1) * count / max(1, bytesPerSecond) }
        }
        return true
    }

    private mutating func corrupted(_ bytes: [UInt8], _ distance: Int?) -> [UInt8] {
        guard let distance, distance > 0 else { return bytes }
        var bytes = bytes
        // The distance may have become smaller.
        sound %= distance
        var index = distance - 1 - sound
        var changed = 0
        while index < bytes.count {
            bytes[index] ^= 0x20
            changed += 1
            index += distance
        }
        sound = (sound + bytes.count) % distance
        let count = changed
        core.count { $0.corrupted += count }
        return bytes
    }
}
