import COpenSSL
import TLS
import Testing

/// A TLS server in memory that presents whatever it is given, and a handshake of a client of ours with it.
final class TestServer {
    private let context: OpaquePointer

    init(
        _ leaf: ForgedCertificate, chain: [ForgedCertificate] = [], demandsClientOf authority: ForgedCertificate? = nil,
        highestVersion: Int32 = TLS1_3_VERSION, suites: String? = nil
    ) throws {
        context = try #require(SSL_CTX_new(TLS_server_method()))
        // The server is to be worse than any we may meet: the client must refuse, not the server's own OpenSSL.
        SSL_CTX_set_security_level(context, 0)
        try #require(sallyport_set_min_version(context, TLS1_VERSION) == 1)
        try #require(sallyport_set_max_version(context, highestVersion) == 1)
        try #require(SSL_CTX_use_certificate(context, leaf.certificate) == 1)
        for issuer in chain { try #require(sallyport_add_chain_certificate(context, issuer.certificate) == 1) }
        try #require(SSL_CTX_use_PrivateKey(context, leaf.key) == 1)
        if let suites { try #require(SSL_CTX_set_cipher_list(context, suites) == 1) }
        if let authority {
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.certificate)
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
    }

    deinit {
        SSL_CTX_free(context)
    }

    struct Outcome {
        /// Both sides finished, and the server's answer was read.
        var succeeded: Bool
        var version: String
        var suite: String
        var failure: String?
    }

    /// Runs a handshake to its end without a network.
    func handshake(with client: ClientTLSContext) throws -> Outcome {
        let ours = try #require(client.withUnsafeContext { SSL_new($0) })
        defer { SSL_free(ours) }
        var outcome = try handshake(of: ours)
        outcome.failure = client.takeFailure()
        return outcome
    }

    /// - Parameter ours: the client's connection, which the caller owns.
    func handshake(of ours: OpaquePointer) throws -> Outcome {
        let theirs = try #require(SSL_new(context))
        defer { SSL_free(theirs) }
        var near: OpaquePointer?
        var far: OpaquePointer?
        try #require(BIO_new_bio_pair(&near, 0, &far, 0) == 1)
        SSL_set_bio(ours, near, near)
        SSL_set_bio(theirs, far, far)
        SSL_set_connect_state(ours)
        SSL_set_accept_state(theirs)
        var isRefused = false
        // A handshake has a handful of flights; each round lets both sides answer what there is.
        for _ in 0..<16 where !isRefused {
            for side in [ours, theirs] {
                let result = SSL_do_handshake(side)
                if result != 1, !waits(side, result) { isRefused = true }
            }
        }
        // In TLS 1.3 the server judges the client's certificate after the client is done: read its word.
        var byte: UInt8 = 0
        let result = SSL_read(ours, &byte, 1)
        if result <= 0, !waits(ours, result) { isRefused = true }
        ERR_clear_error()
        let finished = SSL_is_init_finished(ours) == 1 && SSL_is_init_finished(theirs) == 1
        return Outcome(
            succeeded: finished && !isRefused, version: String(cString: SSL_get_version(ours)),
            suite: SSL_get_current_cipher(ours).map { String(cString: SSL_CIPHER_get_name($0)) } ?? "",
            failure: nil)
    }

    private func waits(_ connection: OpaquePointer, _ result: Int32) -> Bool {
        let error = SSL_get_error(connection, result)
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
    }
}
