/// What is wrong with a certificate, a key or a trust file, for the person who can mend it.
package struct TLSError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// A file cannot be read or written.
        case file
        /// A file may be read by others than owner and group.
        case permissions
        /// A file does not hold what it should.
        case contents
        /// The key needs a password, or another one.
        case password
        /// The key is not the certificate's.
        case mismatch
        /// The key is too short to be safe.
        case weakKey
        case expired
        case notYetValid
        /// The host to be checked is no host name or address.
        case host
        /// OpenSSL itself failed.
        case library
    }

    package var code: Code
    /// The file it is about.
    package var path: String?
    /// What happened and what to do.
    package var reason: String

    package init(_ code: Code, path: String? = nil, reason: String) {
        self.code = code
        self.path = path
        self.reason = reason
    }

    package var description: String {
        guard let path else { return reason }
        return "\(path): \(reason)"
    }
}
