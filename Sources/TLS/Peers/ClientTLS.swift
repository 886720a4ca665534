package import NIOSSL
import NIOCore
import Synchronization

/// The rules of our clients for one connection that SwiftNIO makes: the same as `ClientTLSRules` has for the C libraries,
/// and the same judge.
package final class ClientTLS: Sendable {
    private let context: NIOSSLContext
    private let verifier: PeerVerifier
    private let serverName: String?
    private let failure = Mutex<String?>(nil)

    /// Reads the files: not for the cooperative thread pool.
    ///
    /// - Parameter host: the name or address that the peer's certificate must be for.
    package init(options: TLSClientOptions, host: String) throws(TLSError) {
        verifier = try PeerVerifier(options: options, host: host)
        // For SNI, which is for names only.
        serverName = IPAddressText(host) == nil ? (host.hasSuffix(".") ? String(host.dropLast()) : host) : nil
        let identity: TLSIdentity? = if let identity = options.identity { try TLSIdentity.load(identity) } else { nil }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = options.minimumVersion == .v1_3 ? .tlsv13 : .tlsv12
        configuration.cipherSuiteValues = ClientTLS.suites
        // Our own verifier judges, the host included; NIOSSL's would want the system's authorities read.
        configuration.certificateVerification = .noHostnameVerification
        configuration.trustRoots = .certificates([])
        configuration.renegotiationSupport = .none
        do {
            if let identity {
                configuration.certificateChain = try identity.certificates.map {
                    .certificate(try NIOSSLCertificate(bytes: $0, format: .der))
                }
                configuration.privateKey = .privateKey(
                    try NIOSSLPrivateKey(bytes: identity.privateKey.bytes, format: .pem))
            }
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSError(
                .contents, path: options.identity?.certificateFile, reason: "cannot be used by a client: \(error)")
        }
    }

    /// The handler for one connection.
    package func handler() throws(TLSError) -> NIOSSLClientHandler {
        do {
            return try NIOSSLClientHandler(context: context, serverHostname: serverName) { shown, verdict in
                self.verifier.judge(shown, verdict) { _, reason in self.failure.withLock { $0 = reason } }
            }
        } catch {
            throw TLSError(.host, reason: "no connection can be made by that name: \(error)")
        }
    }

    /// Why the peer was refused, in words; nil when it was not, or when this was asked before.
    package func takeFailure() -> String? {
        failure.withLock { failure in
            defer { failure = nil }
            return failure
        }
    }

    /// Those of `ClientTLSRules`, in NIOSSL's names.
    private static let suites: [NIOTLSCipher] = [
        .TLS_AES_256_GCM_SHA384, .TLS_CHACHA20_POLY1305_SHA256, .TLS_AES_128_GCM_SHA256,
        .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ]
}
