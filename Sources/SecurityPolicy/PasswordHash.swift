import Crypto
import CryptoExtras

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

        /// Whether hashes of these are easier to guess than those of the others: they take less work, or less memory.
        func isWeaker(than other: Parameters) -> Bool {
            memory < other.memory || memory * parallelism < other.memory * other.parallelism
        }

        /// In blocks of 128 bytes. Both factors are bounded where it is asked.
        private var memory: Int { rounds * blockSize }

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

    /// A salt of its own and a digest that no password is known for: computed against for users that do not exist.
    static func unmatchable(_ parameters: Parameters) -> PasswordHash {
        PasswordHash(parameters: parameters, salt: randomBytes(saltBytes), digest: randomBytes(digestBytes))
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
