import COpenSSL

/// One `SSL_CTX` by `ClientTLSRules` for connections to one host, lent to a C library that takes a ready one.
@safe package final class ClientTLSContext: Sendable {
    // Set up before it is shared and never changed after; OpenSSL locks what a context shares between threads.
    private nonisolated(unsafe) let context: OpaquePointer
    private let rules: ClientTLSRules

    /// Reads the files: not for the cooperative thread pool.
    ///
    /// - Parameter host: the name or address that the peer's certificate must be for.
    package init(options: TLSClientOptions, host: String) throws(TLSError) {
        rules = try ClientTLSRules(options: options, host: host)
        ERR_clear_error()
        guard let made = unsafe SSL_CTX_new(TLS_client_method()) else { throw ClientTLSRules.libraryError() }
        unsafe context = made
        try unsafe rules.apply(to: made)
    }

    deinit {
        unsafe SSL_CTX_free(context)
    }

    /// Lends the `SSL_CTX`; who keeps it beyond the call takes a reference of its own (`SSL_CTX_up_ref`).
    package func withUnsafeContext<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R {
        unsafe try body(context)
    }

    /// Why the last handshake failed, in words; nil when it did not, or when this was asked before.
    package func takeFailure() -> String? { rules.takeFailure() }
}
