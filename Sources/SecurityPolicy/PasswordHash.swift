import Crypto
import CryptoExtras
// For the compatibility normalisation (NFKC) of passwords, which the standard library does not offer.
import Foundation

/// A stored scrypt hash with what is needed to compute it again.
struct PasswordHash: Sendable, Equatable {
    struct Parameters: Sendable, Equatable {
        /// N.
        var rounds: Int
        /// r.
        var blockSize: Int
        /// p.
        var parallelism: Int

        /// About 0.3 s and 32 MiB on the machines this runs on.
        static let current = Parameters(rounds: 1 << 15, blockSize: 8, parallelism: 3)

        /// Whether a stored set is one that may be computed at all: a damaged row must not take the machine's memory.
        var isSane: Bool {
            (2...1 << 20).contains(rounds) && rounds & (rounds - 1) == 0 && (1...32).contains(blockSize)
                && (1...16).contains(parallelism)
        }
    }

    var parameters: Parameters
    var salt: [UInt8]
    var digest: [UInt8]

    static let digestBytes = 32
    static let saltBytes = 16

    /// A salt of its own and a digest that no password has: computed against for users that do not exist.
    static func unmatchable(_ parameters: Parameters) -> PasswordHash {
        PasswordHash(parameters: parameters, salt: randomBytes(saltBytes), digest: [])
    }

    /// Takes about 0.3 s: never call it on the cooperative pool.
    static func digest(of password: [UInt8], salt: [UInt8], parameters: Parameters) -> [UInt8]? {
        guard parameters.isSane else { return nil }
        let key = try? KDF.Scrypt.deriveKey(
            from: password, salt: salt, outputByteCount: digestBytes, rounds: parameters.rounds,
            blockSize: parameters.blockSize, parallelism: parameters.parallelism)
        return key?.withUnsafeBytes { Array($0) }
    }

    /// Compares in a time that does not depend on where the bytes differ.
    func matches(_ other: [UInt8]) -> Bool {
        guard digest.count == PasswordHash.digestBytes, other.count == digest.count else { return false }
        var difference: UInt8 = 0
        for index in digest.indices { difference |= digest[index] ^ other[index] }
        return difference == 0
    }

    static func randomBytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}

/// What a password must be, and its bytes as they are hashed.
enum PasswordRules {
    static let maximumBytes = 1024
    /// Characters from which on a user name may not stand in the password.
    private static let namesLookedFor = 4
    /// Characters of a pattern that a password may not consist of.
    private static let longestRepetition = 3

    /// The UTF-8 of the password in NFKC, so that it is the same from every keyboard.
    static func bytes(of password: String) -> [UInt8] {
        if password.utf8.allSatisfy({ $0 < 0x80 }) { return Array(password.utf8) }
        return Array(password.precomposedStringWithCompatibilityMapping.utf8)
    }

    /// HMAC, on which scrypt rests, fills a short key with zero bytes: with NULs at its end another text would be the
    /// same password.
    static func isHashable(_ password: String) -> Bool { !password.utf8.contains(0) }

    static func check(_ password: String, user: String, minimumLength: Int) throws(SecurityPolicyError) {
        guard password.utf8.count <= maximumBytes else { throw .passwordTooLong }
        guard isHashable(password) else { throw .passwordContainsNUL }
        let normalised = String(decoding: bytes(of: password), as: UTF8.self)
        guard normalised.utf8.count <= maximumBytes else { throw .passwordTooLong }
        guard normalised.unicodeScalars.count >= minimumLength else { throw .passwordTooShort(minimum: minimumLength) }
        let lowered = normalised.lowercased()
        // A short name stands in many a good password by chance.
        guard user.unicodeScalars.count < namesLookedFor || !lowered.contains(user.lowercased()) else {
            throw .passwordContainsUserName
        }
        let scalars = Array(lowered.unicodeScalars)
        for period in 1...longestRepetition where zip(scalars, scalars.dropFirst(period)).allSatisfy(==) {
            throw .passwordRepeats
        }
    }
}
