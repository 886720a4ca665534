import COpenSSL
import Synchronization

/// Has an `SSL_CTX` ask our verifier, and keeps the words for the last handshake that failed, written by OpenSSL's
/// callbacks on whatever thread drives it.
final class PeerRefusal: Sendable {
    private let reason = Mutex<String?>(nil)
    private let verifier: PeerVerifier

    init(verifier: PeerVerifier) {
        self.verifier = verifier
    }

    /// The first reason of a handshake stays: what follows comes from it.
    func note(_ text: @autoclosure () -> String) {
        reason.withLock { if $0 == nil { $0 = text() } }
    }

    func take() -> String? {
        reason.withLock { reason in
            defer { reason = nil }
            return reason
        }
    }

    /// Where every context keeps its record. The context holds a reference of its own, because the library that
    /// borrowed the context may outlive ours.
    private static let index = unsafe sallyport_context_index { _, record, _, _, _, _ in
        if let record = unsafe record { unsafe Unmanaged<PeerRefusal>.fromOpaque(record).release() }
    }

    /// Lets the context ask and report here, and nobody else: what the borrowing library puts into the context's own
    /// store, or does not, is never looked at. False when OpenSSL has no memory.
    func attach(to context: OpaquePointer) -> Bool {
        let retained = unsafe Unmanaged.passRetained(self)
        guard Self.index >= 0, unsafe SSL_CTX_set_ex_data(context, Self.index, retained.toOpaque()) == 1 else {
            unsafe retained.release()
            return false
        }
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        unsafe SSL_CTX_set_cert_verify_callback(
            context,
            { handshake, record in
                guard let handshake = unsafe handshake, let record = unsafe record else { return 0 }
                return unsafe Unmanaged<PeerRefusal>.fromOpaque(record).takeUnretainedValue().judge(handshake)
            }, retained.toOpaque())
        unsafe sallyport_set_info_callback(context) { connection, kind, value in
            guard let connection = unsafe connection, let record = unsafe PeerRefusal.of(connection: connection) else {
                return
            }
            if kind & SSL_CB_HANDSHAKE_START != 0 {
                // A new handshake, not what TLS 1.3 sends after one.
                if unsafe SSL_is_init_finished(connection) == 0 { _ = record.take() }
            } else if kind & SSL_CB_ALERT != 0, value >> 8 == SSL3_AL_FATAL {
                let name = PeerRefusal.alertName(value)
                record.note(
                    kind & SSL_CB_READ != 0
                        ? "the peer ended the TLS handshake: \(name)"
                        : "the TLS handshake failed on our side: \(name)")
            }
        }
        return true
    }

    /// 1 when what the handshake was shown is good; else 0, with the error from which the alert is made.
    private func judge(_ handshake: OpaquePointer) -> Int32 {
        let fault: PeerFault? =
            if let leaf = unsafe X509_STORE_CTX_get0_cert(handshake) {
                unsafe verifier.fault(of: leaf, among: X509_STORE_CTX_get0_untrusted(handshake))
            } else {
                .library
            }
        unsafe X509_STORE_CTX_set_error(handshake, fault?.code ?? X509_V_OK)
        guard let fault else { return 1 }
        note(fault.reason)
        return 0
    }

    private static func alertName(_ value: Int32) -> String {
        // OpenSSL 3.0 has no word for this one.
        if value & 0xFF == TLS13_AD_CERTIFICATE_REQUIRED { return "certificate required" }
        return unsafe String(cString: SSL_alert_desc_string_long(value))
    }

    private static func of(connection: OpaquePointer) -> PeerRefusal? {
        guard let context = unsafe SSL_get_SSL_CTX(connection),
            let record = unsafe SSL_CTX_get_ex_data(context, index)
        else { return nil }
        return unsafe Unmanaged<PeerRefusal>.fromOpaque(record).takeUnretainedValue()
    }
}
