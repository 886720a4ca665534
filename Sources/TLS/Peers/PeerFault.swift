import COpenSSL

/// Why a peer's certificates are refused: OpenSSL's number, from which the alert to the peer is made, and words for the
/// person who can mend it.
struct PeerFault {
    let code: Int32
    let reason: String

    static let library = PeerFault(code: X509_V_ERR_OUT_OF_MEM, reason: "there is no memory to check the certificate")

    static func tooMany(_ count: Int) -> PeerFault {
        PeerFault(
            code: X509_V_ERR_CERT_CHAIN_TOO_LONG,
            reason: "\(count) certificates were shown, \(PeerVerifier.longestChain) are taken")
    }

    static func wrongPin(_ certificate: Certificate) -> PeerFault {
        PeerFault(
            code: X509_V_ERR_APPLICATION_VERIFICATION,
            reason: "certificate (\(certificate.subject)) has another key than those pinned; its pin-sha256 is "
                + PublicKeyPin.text(certificate.publicKeyDigest))
    }

    private init(code: Int32, reason: String) {
        self.code = code
        self.reason = reason
    }

    /// What a verification that failed left in its `X509_STORE_CTX`.
    init(
        _ context: OpaquePointer, purpose: PeerVerifier.Purpose, host: String, lists: RevocationLists?
    ) {
        code = unsafe X509_STORE_CTX_get_error(context)
        let depth = unsafe X509_STORE_CTX_get_error_depth(context)
        let certificate = unsafe X509_STORE_CTX_get_current_cert(context).flatMap { unsafe Certificate(sharing: $0) }
        let subject = certificate?.subject ?? "unknown"
        let which = depth == 0 ? "certificate" : "authority's certificate (\(subject))"
        if let words = unsafe Self.revocation(code, which, certificate, context, lists) {
            reason = words
            return
        }
        switch code {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            reason = "\(which) has expired on \(CertificateTime.text(certificate?.validUntil ?? 0))"
        case X509_V_ERR_CERT_NOT_YET_VALID:
            reason =
                "\(which) is valid only from \(CertificateTime.text(certificate?.validFrom ?? 0)); "
                + "check the clocks of both machines"
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            reason = Self.names(certificate, asked: host)
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            reason = "certificate (\(subject)) is self-signed and not among the trusted ones"
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            let issuer = certificate.map { $0.isSelfIssued ? $0.subject : $0.issuer } ?? "unknown"
            reason = "unknown authority: certificate comes from \(issuer), which is not trusted here"
        case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL:
            reason = "\(which) has a weak key (\(certificate?.securityBits ?? 0) bits of security, 112 are needed)"
        case X509_V_ERR_CA_MD_TOO_WEAK:
            reason = "\(which) is signed with a weak digest"
        case X509_V_ERR_INVALID_PURPOSE:
            let peer = purpose == .server ? "server" : "client"
            reason =
                depth == 0
                ? "certificate (\(subject)) is not meant for a TLS \(peer) (extended key usage)"
                : "\(which) is not meant to issue certificates of TLS \(peer)s"
        case X509_V_ERR_INVALID_CA:
            reason = "\(which) is not one of an authority (basic constraints)"
        case X509_V_ERR_CERT_CHAIN_TOO_LONG:
            reason = "there are too many authorities between the certificate and a trusted one"
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            reason =
                "unknown authority: \(which) bears the name of \(certificate?.issuer ?? "one") trusted here "
                + "but was not signed with its key"
        default:
            reason = "\(which) was refused: \(unsafe String(cString: X509_verify_cert_error_string(Int(code))))"
        }
    }

    private static func names(_ certificate: Certificate?, asked host: String) -> String {
        let names = certificate?.alternativeNames ?? []
        guard !names.isEmpty else {
            return "host name mismatch: certificate (\(certificate?.subject ?? "unknown")) has no subject alternative "
                + "name; asked for \(host)"
        }
        let shown = names.prefix(8).map { String($0.prefix(128)) }.joined(separator: ", ")
        let more = names.count > 8 ? " and \(names.count - 8) more" : ""
        return "host name mismatch: certificate is for \(shown)\(more); asked for \(host)"
    }

    /// The words for what has to do with a revocation list; nil for anything else.
    private static func revocation(
        _ code: Int32, _ which: String, _ certificate: Certificate?, _ context: OpaquePointer, _ lists: RevocationLists?
    ) -> String? {
        let list = unsafe X509_STORE_CTX_get0_current_crl(context)
        let file = lists?.path ?? "the crl-file"
        let issuer = certificate?.issuer ?? "its issuer"
        switch code {
        case X509_V_ERR_CERT_REVOKED:
            let shown = which == "certificate" ? "certificate (\(certificate?.subject ?? "unknown"))" : which
            guard let day = unsafe revocationTime(certificate, list) else { return "\(shown) was revoked" }
            return "\(shown) was revoked on \(CertificateTime.text(day))"
        case X509_V_ERR_UNABLE_TO_GET_CRL:
            return "no revocation list of \(issuer) that can be used is in \(file), so nobody can say whether the "
                + "\(which) was revoked"
        case X509_V_ERR_CRL_HAS_EXPIRED:
            let day = unsafe CertificateTime.text(
                list.map { unsafe CertificateTime.seconds(X509_CRL_get0_nextUpdate($0)) } ?? 0)
            return "the revocation list of \(issuer) has expired on \(day): put a newer one into \(file)"
        case X509_V_ERR_CRL_NOT_YET_VALID:
            let day = unsafe CertificateTime.text(
                list.map { unsafe CertificateTime.seconds(X509_CRL_get0_lastUpdate($0)) } ?? 0)
            return "the revocation list of \(issuer) in \(file) is valid only from \(day); check this machine's clock"
        case X509_V_ERR_CRL_SIGNATURE_FAILURE:
            return "the revocation list of \(issuer) in \(file) was not signed with its key"
        case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, X509_V_ERR_CRL_PATH_VALIDATION_ERROR,
            X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, X509_V_ERR_DIFFERENT_CRL_SCOPE,
            X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION, X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD,
            X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD, X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
            let words = unsafe String(cString: X509_verify_cert_error_string(Int(code)))
            return "the revocation list of \(issuer) in \(file) cannot be used: \(words)"
        default: return nil
        }
    }

    private static func revocationTime(_ certificate: Certificate?, _ list: OpaquePointer?) -> Int64? {
        guard let list = unsafe list, let certificate else { return nil }
        var entry: OpaquePointer?
        let found = unsafe certificate.withUnsafePointer { unsafe X509_CRL_get0_by_cert(list, &entry, $0) }
        guard found == 1, let entry = unsafe entry else { return nil }
        return unsafe CertificateTime.seconds(X509_REVOKED_get0_revocationDate(entry))
    }
}
