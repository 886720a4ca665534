import Glibc

/// A thread of the kernel's: what blocks must not stand on Swift's cooperative pool, where the code under test runs.
struct PeerThread {
    private let thread: pthread_t

    /// `join()` must follow.
    init(_ body: @escaping @Sendable () -> Void) throws {
        var thread = pthread_t()
        let job = Unmanaged.passRetained(Job(body))
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, job.toOpaque())
        guard code == 0 else {
            job.release()
            throw TestPeerError("no thread: \(code)")
        }
        self.thread = thread
    }

    /// Blocks until it has ended.
    func join() { pthread_join(thread, nil) }

    /// One that nobody waits for.
    static func detach(_ body: @escaping @Sendable () -> Void) throws {
        pthread_detach(try PeerThread(body).thread)
    }

    private final class Job {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
