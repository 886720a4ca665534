import NIOCore
import NIOSSL
import NIOTLS
import SecurityPolicy
import Synchronization
import TLS

/// The other end of one connection: where it is, and which certificate it showed.
final class Peer: Sendable {
    enum Holder: Sendable {
        /// Looked up for every request.
        case user(String)
        /// The certificate itself, in its group.
        case principal(Principal)
    }

    enum Certificate: Sendable {
        /// None was shown, or none was asked for.
        case none
        /// The handshake has verified it, and nothing in `map` fits it.
        case unmapped
        case mapped(ClientCertificate, Holder)
    }

    private struct State {
        var certificate = Certificate.none
        /// Whether the audit log knows of this connection's login by certificate.
        var isLoginNoted = false
    }

    let address: ClientAddress
    /// Whether its `X-Forwarded-For` is believed.
    let isTrustedProxy: Bool
    private let state = Mutex(State())

    init(_ address: ClientAddress, isTrustedProxy: Bool = false) {
        self.address = address
        self.isTrustedProxy = isTrustedProxy
    }

    var certificate: Certificate { state.withLock { $0.certificate } }

    func show(_ certificate: Certificate) { state.withLock { $0.certificate = certificate } }

    /// True the first time.
    func noteLogin() -> Bool {
        state.withLock { state in
            defer { state.isLoginNoted = true }
            return !state.isLoginNoted
        }
    }
}

/// Behind TLS: looks at the client's certificate once, when the handshake is done, and goes.
final class CertificateReader: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let peer: Peer
    private let tls: NIOSSLServerHandler
    private let trust: ClientTrust?
    private let responder: Responder

    init(_ peer: Peer, tls: NIOSSLServerHandler, trust: ClientTrust?, responder: Responder) {
        self.peer = peer
        self.tls = tls
        self.trust = trust
        self.responder = responder
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        if let certificate = tls.peerCertificate {
            if let (subject, reason) = lapse(of: certificate) {
                responder.refusedCertificate(of: peer, subject: subject, reason: reason)
                // What came with the handshake may still be decrypted: it is nobody's where a certificate is required.
                peer.show(.unmapped)
                return context.close(promise: nil)
            }
            peer.show(responder.examine(certificate, of: peer))
        }
        context.fireUserInboundEventTriggered(event)
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    /// A session that was resumed was judged when it began; what has ended since then counts.
    private func lapse(of certificate: NIOSSLCertificate) -> (subject: String, reason: String)? {
        guard let trust else { return nil }
        do {
            let der = try certificate.toDERBytes()
            guard let reason = trust.lapse(of: der) else { return nil }
            return (try ClientCertificate(der: der).name, reason)
        } catch {
            return ("", "\(error)")
        }
    }
}

extension Responder {
    /// Whose certificate it is. One that says nothing to us is told once, here.
    func examine(_ shown: NIOSSLCertificate, of peer: Peer) -> Peer.Certificate {
        let certificate: ClientCertificate
        do {
            certificate = try ClientCertificate(der: try shown.toDERBytes())
        } catch {
            return unmapped("", "\(error)", peer)
        }
        guard let identity = certificates.identity(of: certificate) else {
            return unmapped(certificate.name, "nothing in the agent's client-certificates: map fits it", peer)
        }
        switch identity {
        case .user(let name): return .mapped(certificate, .user(name))
        case .group(let group):
            return .mapped(
                certificate, .principal(Principal(.certificate, name: certificate.name, groups: [group])))
        }
    }

    /// The handshake has failed over it.
    func refusedCertificate(of peer: Peer, subject: String, reason: String) {
        _ = unmapped(subject, reason, peer)
    }

    private func unmapped(_ name: String, _ reason: String, _ peer: Peer) -> Peer.Certificate {
        failures.note(.certificate(name: name, reason: reason), from: peer.address)
        trail.refusedLogin(.certificate, name, from: peer.address, reason: reason)
        return .unmapped
    }
}
