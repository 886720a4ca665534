package import FoundationEssentials
package import TLS

/// What is asked about certificates, of a running gateway or of the data directory itself.
package enum CertificateRequest: Codable, Sendable, Equatable {
    /// nil: every identity.
    case show(identity: String?)
    /// A request for the plant's authority. `names` empty: the machine's; `newKey` nil: the identity's own key.
    case request(identity: String, names: [String], subject: String?, newKey: KeyKind?)
    /// What the command line has read from files: certificates in DER, keys in PKCS#8 DER.
    case importing(identity: String, certificates: [Data], keys: [Data])
    /// An import that went no further than reading the files, for the audit log.
    case unreadable(identity: String, reason: String)
    case renew(identity: String, newKey: KeyKind?)
    case export(identity: String)
}

package struct CertificateChange: Codable, Sendable, Equatable {
    package var identity: String
    /// False where the same certificate was there already.
    package var isChanged: Bool
    package var subject: String
    package var oldFingerprint: String?
    package var fingerprint: String
    package var validUntilMilliseconds: Int64
    /// What was done to make it fit.
    package var notes: [String]
    /// What somebody should look at.
    package var warnings: [String]
    /// The agents that use it.
    package var agents: [String]
}

package struct SigningRequestReport: Codable, Sendable, Equatable {
    package var identity: String
    package var pem: String
    /// Of the public key, as `pin-sha256` takes it.
    package var pin: String
    package var key: String
    package var names: [String]
    /// Where the new key waits; nil: the identity's own key has signed.
    package var pendingKeyFile: String?
}
