import COpenSSL
import Synchronization

/// The words for the last handshake that failed, written by OpenSSL's callbacks on whatever thread drives it.
final class PeerRefusal: Sendable {
    private let reason = Mutex<String?>(nil)
    let host: String

    init(host: String) {
        self.host = host
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

    /// Lets the context report to this record. False when OpenSSL has no memory.
    func attach(to context: OpaquePointer) -> Bool {
        let retained = unsafe Unmanaged.passRetained(self)
        guard Self.index >= 0, unsafe SSL_CTX_set_ex_data(context, Self.index, retained.toOpaque()) == 1 else {
            unsafe retained.release()
            return false
        }
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT) { accepted, store in
            guard accepted == 0, let store = unsafe store else { return accepted }
            let index = SSL_get_ex_data_X509_STORE_CTX_idx()
            if let connection = unsafe X509_STORE_CTX_get_ex_data(store, index),
                let record = unsafe PeerRefusal.of(connection: OpaquePointer(connection))
            {
                record.note(unsafe PeerRefusal.describe(store, host: record.host))
            }
            return 0
        }
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

    /// Why the chain was refused, in words for the person who can mend it.
    private static func describe(_ store: OpaquePointer, host: String) -> String {
        let code = unsafe X509_STORE_CTX_get_error(store)
        let depth = unsafe X509_STORE_CTX_get_error_depth(store)
        var certificate: Certificate?
        if let current = unsafe X509_STORE_CTX_get_current_cert(store), unsafe X509_up_ref(current) == 1 {
            unsafe certificate = Certificate(takingOwnershipOf: current)
        }
        let subject = certificate?.subject ?? "unknown"
        let which = depth == 0 ? "certificate" : "authority's certificate (\(subject))"
        switch code {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "\(which) has expired on \(CertificateTime.text(certificate?.validUntil ?? 0))"
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "\(which) is valid only from \(CertificateTime.text(certificate?.validFrom ?? 0)); "
                + "check the clocks of both machines"
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            let names = certificate?.alternativeNames ?? []
            guard !names.isEmpty else {
                return "host name mismatch: certificate (\(subject)) has no subject alternative name; asked for \(host)"
            }
            let shown = names.prefix(8).map { String($0.prefix(128)) }.joined(separator: ", ")
            let more = names.count > 8 ? " and \(names.count - 8) more" : ""
            return "host name mismatch: certificate is for \(shown)\(more); asked for \(host)"
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            return "certificate (\(subject)) is self-signed and not among the trusted ones"
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            let issuer = certificate.map { $0.isSelfIssued ? $0.subject : $0.issuer } ?? "unknown"
            return "unknown authority: certificate comes from \(issuer), which is not trusted here"
        case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL:
            return "\(which) has a weak key (\(certificate?.securityBits ?? 0) bits of security, 112 are needed)"
        case X509_V_ERR_CA_MD_TOO_WEAK:
            return "\(which) is signed with a weak digest"
        case X509_V_ERR_INVALID_PURPOSE:
            return depth == 0
                ? "certificate (\(subject)) is not meant for a TLS server (extended key usage)"
                : "\(which) is not meant to issue certificates of TLS servers"
        case X509_V_ERR_INVALID_CA:
            return "\(which) is not one of an authority (basic constraints)"
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return "unknown authority: \(which) bears the name of \(certificate?.issuer ?? "one") trusted here "
                + "but was not signed with its key"
        default:
            return "\(which) was refused: \(unsafe String(cString: X509_verify_cert_error_string(Int(code))))"
        }
    }
}
