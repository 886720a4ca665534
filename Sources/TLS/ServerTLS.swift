package import NIOSSL

/// The rules of our listeners: TLS 1.2 or 1.3 with ECDHE and AEAD only.
package enum ServerTLS {
    /// - Throws: `TLSError` when NIOSSL's library refuses what OpenSSL has read.
    package static func configuration(
        identity: TLSIdentity, minimumVersion: TLSVersion = .v1_2
    ) throws(TLSError) -> TLSConfiguration {
        do {
            let chain = try identity.certificates.map {
                NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: $0, format: .der))
            }
            let key = try NIOSSLPrivateKey(bytes: identity.privateKey.bytes, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = minimumVersion == .v1_3 ? .tlsv13 : .tlsv12
            configuration.cipherSuiteValues = suites
            configuration.applicationProtocols = ["http/1.1"]
            return configuration
        } catch {
            throw TLSError(
                .contents, reason: "the identity \"\(identity.name)\" cannot be used by the server: \(error)")
        }
    }

    private static let suites: [NIOTLSCipher] = [
        .TLS_AES_256_GCM_SHA384, .TLS_CHACHA20_POLY1305_SHA256, .TLS_AES_128_GCM_SHA256,
        .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ]
}
