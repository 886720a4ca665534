/// Whether clients log in with a certificate of their own, and who they are then.
package struct ClientCertificateOptions: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable {
        case none
        /// One that is sent is verified; who sends none logs in otherwise.
        case optional
        /// Who sends none, or a wrong one, gets no further than the handshake.
        case required
    }

    /// One line of `map`: the first that fits a certificate says who it is.
    package struct Mapping: Sendable, Equatable {
        package enum Key: Sendable, Equatable {
            /// The whole subject as RFC 4514 writes it: `CN=scada,O=Plant`.
            case subject(String)
            /// A DNS name, address, e-mail or URI among the subject alternative names.
            case alternativeName(String)
        }

        package enum Identity: Sendable, Equatable {
            case user(String)
            case group(String)
        }

        package var key: Key
        package var identity: Identity

        package init(key: Key, identity: Identity) {
            self.key = key
            self.identity = identity
        }
    }

    package var mode: Mode
    /// PEM with the authorities that issue client certificates.
    package var caFile: String?
    /// PEM or DER with the authorities' revocation lists.
    package var revocationFile: String?
    package var map: [Mapping]

    package init(mode: Mode = .none, caFile: String? = nil, revocationFile: String? = nil, map: [Mapping] = []) {
        self.mode = mode
        self.caFile = caFile
        self.revocationFile = revocationFile
        self.map = map
    }
}
