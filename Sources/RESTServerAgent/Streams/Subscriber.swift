import SecurityPolicy
import TLS
import TagStore

/// Who listens to a stream: asked for again and again, since rights change and logins end while it goes on.
struct Subscriber: Sendable {
    /// What the login stands on.
    enum Ground: Sendable {
        case anonymous
        case certificate(Peer)
        case receipt(PasswordVerifier.Receipt, on: Peer)
    }

    /// Why a stream ends, for people.
    struct Ended: Error, Equatable {
        let reason: String
    }

    private static let certificateExpired = Ended(reason: "the client certificate has expired")

    let action: TagAction
    let client: ClientAddress
    private let responder: Responder
    private var ground: Ground

    init(_ action: TagAction, _ responder: Responder, from client: ClientAddress, on ground: Ground) {
        self.action = action
        self.responder = responder
        self.client = client
        self.ground = ground
    }

    /// The principal as it is now.
    mutating func principal() throws(Ended) -> Principal {
        guard responder.verifier.hasAdministrator else { throw Ended(reason: Responder.noAdministrator) }
        switch ground {
        case .anonymous: return .anonymous
        case .certificate(let peer):
            guard case .mapped(let certificate, let holder) = peer.certificate, !certificate.hasExpired() else {
                throw Subscriber.certificateExpired
            }
            switch holder {
            case .principal(let principal): return principal
            case .user(let name):
                if let user = responder.verifier.principal(ofUser: name) { return user }
                throw Ended(reason: "the user whose certificate it is has been removed or disabled")
            }
        case .receipt(var receipt, let peer):
            if responder.certificates.mode == .required, case .mapped(let certificate, _) = peer.certificate,
                certificate.hasExpired()
            {
                throw Subscriber.certificateExpired
            }
            guard let principal = responder.verifier.present(&receipt) else {
                throw Ended(reason: "the login no longer holds: log in again")
            }
            ground = .receipt(receipt, on: peer)
            return principal
        }
    }

    /// The tags of a directory as the principal may see them now.
    mutating func view(of directory: TagDirectory) throws(Ended) -> TagView {
        responder.view(action, Asker(principal: try principal(), client: client), directory)
    }
}
