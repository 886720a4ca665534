import CMosquitto
import Glibc

/// Wakes a thread that sleeps in `poll`: an eventfd that anybody may signal.
final class WakeUp: Sendable {
    let descriptor: Int32

    init() throws(BrokerLoss) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard descriptor >= 0 else { throw BrokerLoss(.network, "no file descriptor is left for the connection") }
    }

    deinit {
        close(descriptor)
    }

    func signal() {
        var one: UInt64 = 1
        _ = unsafe Glibc.write(descriptor, &one, 8)
    }

    func clear() {
        var count: UInt64 = 0
        _ = unsafe Glibc.read(descriptor, &count, 8)
    }
}
