import COpenSSL

/// What our clients want of an `SSL_CTX`, whoever made it: ours for libmosquitto (`ClientTLSContext`), or libcurl's own in
/// its `CURLOPT_SSL_CTX_FUNCTION`.
///
/// TLS 1.2 or 1.3 with ECDHE and AEAD only; the peer's certificates are judged by `PeerVerifier`. The library sets SNI.
@safe package final class ClientTLSRules: Sendable {
    private let minimumVersion: TLSVersion
    private let identity: TLSIdentity?
    private let identityFile: String
    private let refusal: PeerRefusal

    /// Reads the files: not for the cooperative thread pool.
    ///
    /// - Parameter host: the name or address that the peer's certificate must be for.
    package init(options: TLSClientOptions, host: String) throws(TLSError) {
        refusal = PeerRefusal(verifier: try PeerVerifier(options: options, host: host))
        minimumVersion = options.minimumVersion
        identity = if let identity = options.identity { try TLSIdentity.load(identity) } else { nil }
        identityFile = options.identity?.certificateFile ?? ""
    }

    /// Sets a client's `SSL_CTX` up. It keeps what it needs of this object for itself.
    package func apply(to context: OpaquePointer) throws(TLSError) {
        ERR_clear_error()
        let version = minimumVersion == .v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION
        unsafe SSL_CTX_set_security_level(context, 2)
        unsafe sallyport_disable_session_cache(context)
        unsafe SSL_CTX_set_options(context, sallyport_hardening_options())
        guard unsafe sallyport_set_min_version(context, version) == 1,
            unsafe sallyport_set_max_version(context, 0) == 1,
            unsafe SSL_CTX_set_cipher_list(context, Self.suites12) == 1,
            unsafe SSL_CTX_set_ciphersuites(context, Self.suites13) == 1
        else { throw Self.libraryError() }
        if let identity { try unsafe show(identity, in: context) }
        guard unsafe refusal.attach(to: context) else { throw Self.libraryError() }
    }

    /// Why the last handshake failed, in words; nil when it did not, or when this was asked before.
    package func takeFailure() -> String? {
        refusal.take()
    }

    private static let suites12 =
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
        + "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
    private static let suites13 = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"

    /// The certificate and key with which we answer when the peer asks for one.
    private func show(_ identity: TLSIdentity, in context: OpaquePointer) throws(TLSError) {
        let key = try PrivateKey(pem: identity.privateKey.bytes, password: nil, path: identityFile)
        for (index, der) in identity.certificates.enumerated() {
            guard let certificate = Certificate(der: der) else { throw Self.libraryError() }
            let used = unsafe certificate.withUnsafePointer { pointer -> Int32 in
                guard index > 0 else { return unsafe SSL_CTX_use_certificate(context, pointer) }
                return unsafe Int32(truncatingIfNeeded: sallyport_add_chain_certificate(context, pointer))
            }
            guard used == 1 else {
                throw TLSError(
                    .contents, path: identityFile,
                    reason: "certificate \(index + 1) is refused: \(OpenSSLErrors.take())")
            }
        }
        guard unsafe key.withUnsafePointer({ unsafe SSL_CTX_use_PrivateKey(context, $0) }) == 1 else {
            throw TLSError(.contents, path: identityFile, reason: "its key is refused: \(OpenSSLErrors.take())")
        }
    }

    static func libraryError() -> TLSError {
        TLSError(.library, reason: "OpenSSL cannot set up TLS: \(OpenSSLErrors.take())")
    }
}
