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

    package init(name: String, certificateFile: String, keyFile: String, keyPassword: Secret? = nil) {
        self.name = name
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.keyPassword = keyPassword
    }
}

/// How a client of ours (MQTT, later HTTP) checks its peer and shows itself.
package struct TLSClientOptions: Sendable, Equatable {
    /// PEM file of trusted authorities; nil: the system's.
    package var caFile: String?
    package var identity: TLSIdentityOptions?
    package var minimumVersion: TLSVersion

    package init(caFile: String? = nil, identity: TLSIdentityOptions? = nil, minimumVersion: TLSVersion = .v1_2) {
        self.caFile = caFile
        self.identity = identity
        self.minimumVersion = minimumVersion
    }
}
