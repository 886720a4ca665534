import COpenSSL

/// One `SSL_CTX` by our rules for connections to one host, lent to libmosquitto and libcurl.
///
/// TLS 1.2 or 1.3 with ECDHE and AEAD only; the peer's chain, exact name, validity, purpose and key strength are
/// checked; nothing but the named authorities, or else the system's, is trusted. The borrower sets SNI.
@safe package final class ClientTLSContext: Sendable {
    // Set up before it is shared and never changed after; OpenSSL locks what a context shares between threads.
    private nonisolated(unsafe) let context: OpaquePointer
    private let refusal: PeerRefusal

    /// Reads the files: not for the cooperative thread pool.
    ///
    /// - Parameter host: the name or address that the peer's certificate must be for.
    package init(options: TLSClientOptions, host: String) throws(TLSError) {
        ERR_clear_error()
        guard let made = unsafe SSL_CTX_new(TLS_client_method()) else {
            throw TLSError(.library, reason: "OpenSSL cannot make a TLS context: \(OpenSSLErrors.take())")
        }
        unsafe context = made
        refusal = PeerRefusal(host: host)
        try unsafe Self.restrict(made, to: options.minimumVersion)
        try unsafe Self.expect(host, in: made)
        try unsafe Self.trust(options.caFile, in: made)
        if let identity = options.identity {
            try unsafe Self.show(TLSIdentity.load(identity), path: identity.certificateFile, in: made)
        }
        guard unsafe refusal.attach(to: made) else { throw Self.libraryError() }
    }

    deinit {
        unsafe SSL_CTX_free(context)
    }

    /// Lends the `SSL_CTX`; who keeps it beyond the call takes a reference of its own (`SSL_CTX_up_ref`).
    package func withUnsafeContext<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R {
        unsafe try body(context)
    }

    /// Why the last handshake failed, in words; nil when it did not, or when this was asked before.
    package func takeFailure() -> String? {
        refusal.take()
    }

    private static let suites12 =
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
        + "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
    private static let suites13 = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"

    private static func restrict(_ context: OpaquePointer, to minimum: TLSVersion) throws(TLSError) {
        let version = minimum == .v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION
        unsafe SSL_CTX_set_security_level(context, 2)
        unsafe sallyport_disable_session_cache(context)
        unsafe SSL_CTX_set_options(context, sallyport_hardening_options())
        guard unsafe sallyport_set_min_version(context, version) == 1,
            unsafe SSL_CTX_set_cipher_list(context, suites12) == 1,
            unsafe SSL_CTX_set_ciphersuites(context, suites13) == 1
        else { throw libraryError() }
    }

    /// The peer's certificate must name the host among its alternative names, whole; its subject is not looked at.
    private static func expect(_ host: String, in context: OpaquePointer) throws(TLSError) {
        guard let parameters = unsafe SSL_CTX_get0_param(context) else { throw libraryError() }
        guard unsafe X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER) == 1 else {
            throw libraryError()
        }
        unsafe X509_VERIFY_PARAM_set_hostflags(
            parameters, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        if let address = IPAddressText(host) {
            guard unsafe X509_VERIFY_PARAM_set1_ip(parameters, address.bytes, address.bytes.count) == 1 else {
                throw libraryError()
            }
            return
        }
        // A dot in front would make OpenSSL accept any name below it.
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard !name.isEmpty, name.utf8.count <= 253, !name.hasPrefix("."), isPlain else {
            throw TLSError(.host, reason: "\"\(host.prefix(64))\" is neither a host name nor an address")
        }
        guard unsafe X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count) == 1 else {
            throw libraryError()
        }
    }

    private static func trust(_ file: String?, in context: OpaquePointer) throws(TLSError) {
        guard let file else {
            guard unsafe SSL_CTX_set_default_verify_paths(context) == 1 else { throw libraryError() }
            return
        }
        guard let store = unsafe SSL_CTX_get_cert_store(context) else { throw libraryError() }
        for authority in try Certificate.all(inPEM: BoundedFile(path: file).bytes, path: file) {
            let added = unsafe authority.withUnsafePointer { unsafe X509_STORE_add_cert(store, $0) }
            guard added == 1 else { throw libraryError() }
        }
    }

    /// The certificate and key with which we answer when the peer asks for one.
    private static func show(_ identity: TLSIdentity, path: String, in context: OpaquePointer) throws(TLSError) {
        let key = try PrivateKey(pem: identity.privateKey.bytes, password: nil, path: path)
        for (index, der) in identity.certificates.enumerated() {
            guard let certificate = Certificate(der: der) else { throw libraryError() }
            let used = unsafe certificate.withUnsafePointer { pointer -> Int32 in
                guard index > 0 else { return unsafe SSL_CTX_use_certificate(context, pointer) }
                return unsafe Int32(truncatingIfNeeded: sallyport_add_chain_certificate(context, pointer))
            }
            guard used == 1 else {
                throw TLSError(
                    .contents, path: path, reason: "certificate \(index + 1) is refused: \(OpenSSLErrors.take())")
            }
        }
        guard unsafe key.withUnsafePointer({ unsafe SSL_CTX_use_PrivateKey(context, $0) }) == 1 else {
            throw TLSError(.contents, path: path, reason: "its key is refused: \(OpenSSLErrors.take())")
        }
    }

    private static func libraryError() -> TLSError {
        TLSError(.library, reason: "OpenSSL cannot set up TLS: \(OpenSSLErrors.take())")
    }
}
