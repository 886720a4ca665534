import Glibc
import Synchronization

/// A TCP connection of a peer, used by one thread of the peer's own; any thread may end it.
///
/// Every wait is a `poll` on the socket and on a pipe, because only that can be interrupted without sending a FIN first: a
/// connection that is to be reset must not say goodbye.
final class PeerConnection: Sendable {
    enum Ending: Sendable {
        /// FIN, after what the kernel still holds.
        case close
        /// RST.
        case reset
    }

    enum Arrival {
        case bytes([UInt8])
        /// The other side's end, an error, or ours.
        case end
        case timeout
    }

    private struct State {
        var ending: Ending?
        var farewell: [UInt8] = []
        /// Half a message is on its way: a farewell behind it would be nonsense.
        var isBrokenOff = false
        var isClosed = false
    }

    /// Counted from 1 by the listener.
    let number: Int
    private let descriptor: Int32
    private let wakeReader: Int32
    private let wakeWriter: Int32
    private let state = Mutex(State())

    /// - Parameter descriptor: closed by `close()`, which must be called.
    init(owning descriptor: Int32, number: Int) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            Glibc.close(descriptor)
            throw TestPeerError("no pipe: errno \(errno)")
        }
        self.descriptor = descriptor
        self.number = number
        (wakeReader, wakeWriter) = (ends[0], ends[1])
        for each in ends + [descriptor] { _ = fcntl(each, F_SETFD, FD_CLOEXEC) }
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Connects to 127.0.0.1; nil if nobody listens.
    static func dial(port: Int, number: Int) throws -> PeerConnection? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw TestPeerError("no socket: errno \(errno)") }
        // On loopback this takes no time: it is accepted or refused at once.
        guard withLoopback(port: port, { connect(descriptor, $0, $1) }) == 0 else {
            Glibc.close(descriptor)
            return nil
        }
        return try PeerConnection(owning: descriptor, number: number)
    }

    var isEnding: Bool { state.withLock { $0.ending != nil } }

    var isReset: Bool { state.withLock { $0.ending == .reset } }

    /// Whether a stop ended it, as opposed to a peer that said why.
    var isCutShort: Bool { state.withLock { $0.ending != nil && $0.farewell.isEmpty } }

    /// Wakes the thread that uses it, which then closes it. The first call counts.
    ///
    /// - Parameter farewell: sent before a close.
    func end(_ ending: Ending, farewell: [UInt8] = []) {
        state.withLock { state in
            guard state.ending == nil, !state.isClosed else { return }
            state.ending = ending
            state.farewell = farewell
            var byte: UInt8 = 0
            Glibc.write(wakeWriter, &byte, 1)
        }
    }

    /// Waits for bytes.
    func read(atMost limit: Int = 65_536, until deadline: ContinuousClock.Instant? = nil) -> Arrival {
        while true {
            switch wait(for: Int16(POLLIN), until: deadline) {
            case .ended: return .end
            case .timeout: return .timeout
            case .ready: break
            }
            var count = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, initialized in
                count = recv(descriptor, buffer.baseAddress, limit, Int32(MSG_DONTWAIT))
                initialized = max(0, count)
            }
            if count > 0 { return .bytes(bytes) }
            if count < 0, errno == EAGAIN || errno == EINTR { continue }
            return .end
        }
    }

    /// Gives everything to the kernel; false if it ended before.
    @discardableResult
    func write(_ bytes: some Collection<UInt8>) -> Bool {
        guard !isEnding else { return false }
        let bytes = ContiguousArray(bytes)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                send(
                    descriptor, buffer.baseAddress?.advanced(by: sent), buffer.count - sent,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN {
                guard wait(for: Int16(POLLOUT), until: nil) == .ready else {
                    if sent > 0 { state.withLock { $0.isBrokenOff = true } }
                    return false
                }
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    /// Sleeps; false if it was ended from here in the meantime.
    func pause(until deadline: ContinuousClock.Instant) -> Bool {
        wait(for: 0, until: deadline) == .timeout
    }

    /// Reads and forgets until the end.
    func drain() {
        while case .bytes = read() {}
    }

    /// Whether the other side has closed or reset it. Looks, and takes nothing.
    var isAbandoned: Bool {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)
    }

    /// By the thread that uses it, once, as its last act.
    func close() {
        let last = state.withLock { state in
            state.isClosed = true
            return state
        }
        if last.ending == .reset {
            var option = Glibc.linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        } else {
            if !last.farewell.isEmpty, !last.isBrokenOff {
                let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
                _ = send(descriptor, last.farewell, last.farewell.count, flags)
            }
            sayGoodbye()
        }
        Glibc.close(descriptor)
        Glibc.close(wakeReader)
        Glibc.close(wakeWriter)
    }

    /// A socket that is closed with bytes unread sends RST, which would take our last words away from the other side.
    private func sayGoodbye() {
        shutdown(descriptor, Int32(SHUT_WR))
        let deadline = ContinuousClock.now + .milliseconds(200)
        var scrap = [UInt8](repeating: 0, count: 65_536)
        while ContinuousClock.now < deadline {
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&wanted, 1, 50) > 0 else { continue }
            guard recv(descriptor, &scrap, scrap.count, Int32(MSG_DONTWAIT)) > 0 else { return }
        }
    }

    private enum Readiness { case ready, ended, timeout }

    private func wait(for events: Int16, until deadline: ContinuousClock.Instant?) -> Readiness {
        while true {
            var timeout: Int32 = -1
            if let deadline {
                let left = (deadline - .now) / .milliseconds(1)
                timeout = Int32(min(3_600_000, max(0, left.rounded(.up))))
            }
            // Events of 0 still report errors, which a pause does not care for.
            var wanted = [
                pollfd(fd: wakeReader, events: Int16(POLLIN), revents: 0),
                pollfd(fd: events == 0 ? -1 : descriptor, events: events, revents: 0),
            ]
            let count = poll(&wanted, 2, timeout)
            if count > 0 { return wanted[0].revents != 0 ? .ended : .ready }
            if count == 0, let deadline, ContinuousClock.now >= deadline { return .timeout }
            if count < 0, errno != EINTR { return .ended }
        }
    }
}

/// Lends an address of 127.0.0.1 to `bind` or `connect`.
func withLoopback(port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}
