import Synchronization
import TLS

/// What a listener shows to new connections, and whether its answers tell browsers to come by HTTPS only
/// (`Strict-Transport-Security`): while the certificate comes from an authority. With a self-signed one, browsers would
/// refuse to go on where people confirm by hand.
final class ServedTLS: Sendable {
    private let tls: Mutex<ServerTLS?>
    private let strict: Atomic<Bool>

    /// - Parameter tls: nil: plain HTTP.
    init(_ tls: ServerTLS?) {
        self.tls = Mutex(tls)
        strict = Atomic(ServedTLS.isStrict(tls))
    }

    var now: ServerTLS? { tls.withLock { $0 } }

    /// Asked for every answer.
    var isStrict: Bool { strict.load(ordering: .relaxed) }

    static func isStrict(_ tls: ServerTLS?) -> Bool { tls?.identity.isFromAuthority ?? false }

    func replace(_ new: ServerTLS) {
        tls.withLock { $0 = new }
        strict.store(ServedTLS.isStrict(new), ordering: .relaxed)
    }
}
