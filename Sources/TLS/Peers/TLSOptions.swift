/// The lowest protocol version accepted anywhere.
package enum TLSVersion: String, Sendable, Equatable, CaseIterable {
    case v1_2 = "1.2"
    case v1_3 = "1.3"
}

/// Where a certificate with its key lies. Paths are absolute.
package struct TLSIdentityOptions: Sendable, Equatable {
    package var name: String
    /// PEM, leaf first, then its intermediates.
    package var certificateFile: String
    /// PEM; refused when readable by others than owner and group.
    package var keyFile: String
    package var keyPassword: Secret?

    /// Bytes. OpenSSL's reader of PEM asks for no more, so a key with a longer one could not be opened again.
    package static let longestKeyPassword = 1024

    package init(name: String, certificateFile: String, keyFile: String, keyPassword: Secret? = nil) {
        self.name = name
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.keyPassword = keyPassword
    }
}

/// How a client of ours (MQTT, HTTP, syslog) checks its peer and shows itself.
package struct TLSClientOptions: Sendable, Equatable {
    /// PEM file of trusted authorities; nil: the system's.
    package var caFile: String?
    package var identity: TLSIdentityOptions?
    package var minimumVersion: TLSVersion
    /// SHA-256 of the public keys (SPKI, DER) of which the peer's certificate must have one, 32 bytes each; empty: any.
    /// It comes on top of the verification.
    package var pins: [[UInt8]]
    /// PEM or DER file of revocation lists; nil: nobody is asked whether a certificate was revoked.
    package var revocationFile: String?
    /// False only where an accepted risk says so: chain, name and validity are not looked at. Pins still are.
    package var verifiesPeer: Bool

    package init(
        caFile: String? = nil, identity: TLSIdentityOptions? = nil, minimumVersion: TLSVersion = .v1_2,
        pins: [[UInt8]] = [], revocationFile: String? = nil, verifiesPeer: Bool = true
    ) {
        self.caFile = caFile
        self.identity = identity
        self.minimumVersion = minimumVersion
        self.pins = pins
        self.revocationFile = revocationFile
        self.verifiesPeer = verifiesPeer
    }
}
