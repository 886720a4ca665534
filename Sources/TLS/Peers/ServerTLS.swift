package import NIOSSL

/// What one listener shows and accepts, by our rules: TLS 1.2 or 1.3 with ECDHE and AEAD only. Made anew for another
/// certificate; connections that are open keep theirs.
package struct ServerTLS: Sendable {
    package let identity: TLSIdentity
    /// Whose certificates clients log in with; nil asks for none.
    package let clients: ClientTrust?
    private let context: NIOSSLContext

    /// - Parameter clients: whose certificates are asked for; nil asks for none. One that is sent must pass `PeerVerifier`
    ///   for clients, or the handshake fails.
    /// - Throws: `TLSError` when NIOSSL's library refuses what OpenSSL has read.
    package init(
        identity: TLSIdentity, minimumVersion: TLSVersion = .v1_2, clients: ClientTrust? = nil
    ) throws(TLSError) {
        self.identity = identity
        self.clients = clients
        do {
            let chain = try identity.certificates.map {
                NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: $0, format: .der))
            }
            let key = try NIOSSLPrivateKey(bytes: identity.privateKey.bytes, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = minimumVersion == .v1_3 ? .tlsv13 : .tlsv12
            configuration.cipherSuiteValues = ServerTLS.suites
            configuration.applicationProtocols = ["http/1.1"]
            if let clients {
                // For the list that is sent, so that a client with several certificates shows the right one.
                configuration.trustRoots = .certificates(
                    try clients.authorities.map { try NIOSSLCertificate(bytes: $0, format: .der) })
                // Clients have no host name to hold a certificate against.
                configuration.certificateVerification =
                    clients.isRequired ? .noHostnameVerification : .optionalVerification
                configuration.sendCANameList = true
            }
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSError(
                .contents, reason: "the identity \"\(identity.name)\" cannot be used by the server: \(error)")
        }
    }

    /// The handler for one connection.
    ///
    /// - Parameter refused: is told, on any thread, whose certificate (its subject, RFC 4514) is refused and why, before
    ///   the handshake fails.
    package func handler(
        refused: @escaping @Sendable (_ subject: String, _ reason: String) -> Void = { _, _ in }
    ) -> NIOSSLServerHandler {
        guard let clients else { return NIOSSLServerHandler(context: context) }
        return NIOSSLServerHandler(context: context) { shown, verdict in
            clients.verifier.judge(shown, verdict, refused: refused)
        }
    }

    /// All of TLS 1.3, and of TLS 1.2 one for each kind of key: the one that every client with AES-GCM has. BoringSSL
    /// leaves the choice among several to the client here, which scanners (testssl) hold against a server.
    static let suites: [NIOTLSCipher] = [
        .TLS_AES_256_GCM_SHA384, .TLS_CHACHA20_POLY1305_SHA256, .TLS_AES_128_GCM_SHA256,
        .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ]
}
