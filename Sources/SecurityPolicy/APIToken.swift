import Crypto
package import Tags

/// An API token as people see one: without the secret, of which only the SHA-256 is kept.
package struct APIToken: Sendable, Equatable {
    package let name: String
    package let groups: [String]
    package let created: Timestamp
    /// From then on it is refused; nil: never.
    package let expires: Timestamp?
    /// SHA-256 of the token's text.
    let digest: [UInt8]

    package var principal: Principal { Principal(.token, name: name, groups: groups) }

    /// At the very moment of its end it has ended.
    package func hasExpired(at now: Timestamp) -> Bool { expires.map { $0 <= now } ?? false }

    /// So that one found in a file or a log is known for what it is.
    static let prefix = "sp_"
    static let secretBytes = 32
    /// The prefix and 32 bytes in base64url.
    static let textBytes = 46
    static let most = 1000
    static let longestLife = Duration.seconds(100 * 366 * 86_400)

    /// A new secret: 256 bits from the system's generator, in base64url without padding.
    static func newSecret() -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text = Array(prefix.utf8)
        var bits: UInt32 = 0
        var count = 0
        for byte in PasswordHash.randomBytes(secretBytes) {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                text.append(alphabet[Int(bits >> UInt32(count) & 63)])
            }
        }
        text.append(alphabet[Int(bits << UInt32(6 - count) & 63)])
        return String(decoding: text, as: UTF8.self)
    }

    /// nil for a text that no token has. 256 random bits need no slow hash: nobody can try them all.
    static func digest(of text: String) -> [UInt8]? {
        guard text.utf8.count == textBytes, text.utf8.starts(with: prefix.utf8) else { return nil }
        return Array(SHA256.hash(data: Array(text.utf8)))
    }

    static func check(name: String) throws(SecurityPolicyError) {
        do {
            try User.check(name: name)
        } catch {
            guard case .userName(_, let reason) = error else { throw error }
            throw .tokenName(name, reason: reason)
        }
    }
}
