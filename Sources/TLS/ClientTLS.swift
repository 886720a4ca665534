package import NIOSSL

/// The rules of our clients for connections that SwiftNIO makes: the same as `ClientTLSContext` has for the C libraries.
package enum ClientTLS {
    /// Reads the files: not for the cooperative thread pool.
    package static func configuration(_ options: TLSClientOptions) throws(TLSError) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = options.minimumVersion == .v1_3 ? .tlsv13 : .tlsv12
        configuration.cipherSuiteValues = ServerTLS.suites
        configuration.certificateVerification = .fullVerification
        configuration.renegotiationSupport = .none
        do {
            if let file = options.caFile {
                let authorities = try Certificate.all(inPEM: BoundedFile(path: file).bytes, path: file)
                configuration.trustRoots = .certificates(
                    try authorities.map { try NIOSSLCertificate(bytes: $0.der, format: .der) })
            }
            if let identity = options.identity {
                let loaded = try TLSIdentity.load(identity)
                configuration.certificateChain = try loaded.certificates.map {
                    .certificate(try NIOSSLCertificate(bytes: $0, format: .der))
                }
                configuration.privateKey = .privateKey(
                    try NIOSSLPrivateKey(bytes: loaded.privateKey.bytes, format: .pem))
            }
        } catch let error as TLSError {
            throw error
        } catch {
            throw TLSError(.contents, path: options.caFile, reason: "cannot be used by a client: \(error)")
        }
        return configuration
    }

    /// Why a peer that NIOSSL has verified is refused all the same; nil when it is not. NIOSSL takes a name from the
    /// subject where there are no alternative names, and keys of any length.
    package static func refusal(ofPeer der: [UInt8]) -> String? {
        guard let certificate = Certificate(der: der) else { return "its certificate cannot be read" }
        guard !certificate.alternativeNames.isEmpty else {
            return "its certificate has no alternative names, and its subject does not count"
        }
        return certificate.securityBits >= 112 ? nil : "its certificate's key is too short"
    }

    /// The name for SNI and for the check of the certificate: nil for an address, which is checked as the connection's.
    package static func serverName(_ host: String) -> String? {
        IPAddressText(host) == nil ? (host.hasSuffix(".") ? String(host.dropLast()) : host) : nil
    }
}
