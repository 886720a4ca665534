import NIOCore
import NIOPosix
import NIOSSL

extension PeerVerifier {
    /// Threads for nothing but this: an event loop is not held up by a large revocation list or the disk, and nobody
    /// else's slow disk holds up handshakes. They live as long as the process.
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: 2)
        threads.start()
        return threads
    }()

    /// Answers NIOSSL's question about the certificates that a peer shows.
    ///
    /// - Parameter refused: is told whose certificate (its subject, RFC 4514) and why, on any thread, before the handshake
    ///   fails.
    func judge(
        _ shown: [NIOSSLCertificate], _ verdict: EventLoopPromise<NIOSSLVerificationResult>,
        refused: @escaping @Sendable (_ subject: String, _ reason: String) -> Void
    ) {
        Self.threads.submit { state in
            guard case .active = state else { return verdict.succeed(.failed) }
            var chain: [[UInt8]] = []
            do {
                chain = try shown.map { try $0.toDERBytes() }
            } catch {
                refused("", "certificate cannot be read: \(error)")
                return verdict.succeed(.failed)
            }
            guard let reason = self.refusal(of: chain) else { return verdict.succeed(.certificateVerified) }
            refused(chain.first.flatMap(Certificate.init(der:))?.distinguishedName ?? "", reason)
            verdict.succeed(.failed)
        }
    }
}
