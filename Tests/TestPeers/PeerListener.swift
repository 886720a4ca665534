import Glibc
import Synchronization

/// Listens on a port of 127.0.0.1 and runs a handler on a thread for each connection. It can be stopped and started again
/// at the same port, as often as one likes.
final class PeerListener: Sendable {
    typealias Handler = @Sendable (PeerConnection) -> Void

    private struct State {
        /// Nil while stopped. Closed by the thread that accepts.
        var descriptor: Int32?
        var live: [Int: PeerConnection] = [:]
        var accepted = 0
    }

    /// What the threads hold: they must not keep the listener itself alive.
    private final class Core: Sendable {
        let state = Mutex(State())
        let handler: Handler

        init(_ handler: @escaping Handler) { self.handler = handler }
    }

    let port: Int
    private let core: Core

    /// Does not listen yet.
    ///
    /// - Parameter port: 0 for one that is free.
    init(port: Int, _ handler: @escaping Handler) throws {
        self.port = port == 0 ? try freePort() : port
        core = Core(handler)
    }

    deinit { stop(.close) }

    /// Clients can connect when this returns. Nothing happens if it listens already.
    func start() throws {
        let core = core
        let port = port
        try core.state.withLock { state in
            guard state.descriptor == nil else { return }
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard descriptor >= 0 else { throw TestPeerError("no socket: errno \(errno)") }
            var yes: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
            guard withLoopback(port: port, { bind(descriptor, $0, $1) }) == 0, listen(descriptor, 128) == 0 else {
                let code = errno
                close(descriptor)
                throw TestPeerError("cannot listen on port \(port): errno \(code)")
            }
            try PeerThread.detach { Self.accept(on: descriptor, core) }
            state.descriptor = descriptor
        }
    }

    /// New connections are refused when this returns; those that are there end on their own threads soon after.
    func stop(_ ending: PeerConnection.Ending) {
        let live = core.state.withLock { state in
            // It no longer listens at once, and wakes the thread; a close would do neither.
            if let descriptor = state.descriptor { shutdown(descriptor, Int32(SHUT_RDWR)) }
            state.descriptor = nil
            return Array(state.live.values)
        }
        for connection in live { connection.end(ending) }
    }

    /// Ends what is connected and goes on listening.
    func endAll(_ ending: PeerConnection.Ending, farewell: [UInt8] = []) {
        let live = core.state.withLock { Array($0.live.values) }
        for connection in live { connection.end(ending, farewell: farewell) }
    }

    private static func accept(on listener: Int32, _ core: Core) {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            if descriptor < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                if errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM {
                    usleep(10_000)
                    continue
                }
                break
            }
            let number = core.state.withLock { state in
                state.accepted += 1
                return state.accepted
            }
            guard let connection = try? PeerConnection(owning: descriptor, number: number) else { continue }
            let isWanted = core.state.withLock { state in
                guard state.descriptor == listener else { return false }
                state.live[number] = connection
                return true
            }
            // It came while a stop was under way.
            if !isWanted { connection.end(.reset) }
            let serve: @Sendable () -> Void = {
                if !connection.isEnding { core.handler(connection) }
                core.state.withLock { _ = $0.live.removeValue(forKey: number) }
                connection.close()
            }
            do {
                try PeerThread.detach(serve)
            } catch {
                connection.end(.reset)
                serve()
            }
        }
        core.state.withLock { if $0.descriptor == listener { $0.descriptor = nil } }
        close(listener)
    }
}
