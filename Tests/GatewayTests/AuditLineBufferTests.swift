import Dispatch
import Synchronization
import Testing

@testable import Gateway

@Suite("Lines of an audit log's export", .timeLimit(.minutes(1)))
struct AuditLineBufferTests {
    private struct HungUp: Error {}

    /// A thread that reads without end, as of a log that is far longer than what may wait.
    private func write(_ lines: AuditLineBuffer) async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            DispatchQueue.global().async {
                while (try? lines.append(Array("{}\n".utf8))) != nil {}
                lines.finish()
                done.resume()
            }
        }
    }

    @Test func theThreadEndsWhenTheReaderIsCancelled() async {
        let lines = AuditLineBuffer()
        let taken = AsyncStream.makeStream(of: Void.self)
        let reader = Task {
            try await lines.drain { _ in
                taken.continuation.yield()
                // Does not take any more until it is cancelled, as a client that hung up.
                while !Task.isCancelled { try? await Task.sleep(for: .seconds(60)) }
            }
        }
        async let writing: Void = write(lines)
        for await _ in taken.stream { break }
        reader.cancel()
        await writing
        await #expect(throws: CancellationError.self) { try await reader.value }
    }

    @Test func theThreadEndsWhenTheClientIsGone() async {
        let lines = AuditLineBuffer()
        async let writing: Void = write(lines)
        await #expect(throws: HungUp.self) { try await lines.drain { _ in throw HungUp() } }
        await writing
    }

    @Test func everyLineComesInOrder() async throws {
        let lines = AuditLineBuffer()
        let count = 12_345
        let written = Task.detached {
            await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                DispatchQueue.global().async {
                    for number in 0..<count { try? lines.append(Array("\(number)\n".utf8)) }
                    lines.finish()
                    done.resume()
                }
            }
        }
        let taken = Mutex<[String]>([])
        try await lines.drain { part in taken.withLock { $0 += part } }
        await written.value
        #expect(taken.withLock { $0 } == (0..<count).map(String.init))
    }
}
