import Dispatch
import Synchronization

/// Lines from a thread that may block to a task that may not: at most a few parts wait, then the thread does.
final class AuditLineBuffer: Sendable {
    struct Abandoned: Error {}

    private static let partSize = 500

    private struct State {
        var part: [String] = []
        var isAbandoned = false
    }

    private let state = Mutex(State())
    private let room = DispatchSemaphore(value: 4)
    private let stream: AsyncStream<[String]>
    private let continuation: AsyncStream<[String]>.Continuation

    init() {
        // The semaphore bounds it.
        (stream, continuation) = AsyncStream.makeStream(of: [String].self)
    }

    /// Blocks while the reader is behind.
    func append(_ line: [UInt8]) throws {
        let (part, isAbandoned) = state.withLock { state -> ([String]?, Bool) in
            state.part.append(String(decoding: line.dropLast(), as: UTF8.self))
            guard state.part.count >= AuditLineBuffer.partSize else { return (nil, state.isAbandoned) }
            defer { state.part = [] }
            return (state.part, state.isAbandoned)
        }
        if isAbandoned { throw Abandoned() }
        guard let part else { return }
        room.wait()
        continuation.yield(part)
    }

    func finish() {
        let part = state.withLock { $0.part }
        if !part.isEmpty { continuation.yield(part) }
        continuation.finish()
    }

    /// Gives what comes to `take`, until the last line, an error, or the end of the task: in each case the thread does not
    /// wait for room any more.
    func drain(_ take: ([String]) async throws -> Void) async throws {
        defer { abandon() }
        for await part in stream {
            room.signal()
            try await take(part)
        }
        try Task.checkCancellation()
    }

    /// Nobody reads any more.
    private func abandon() {
        state.withLock { $0.isAbandoned = true }
        for _ in 0..<8 { room.signal() }
    }
}
