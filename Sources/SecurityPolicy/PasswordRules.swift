// For the compatibility normalisation (NFKC) of passwords, which the standard library does not offer.
import Foundation

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
        let lowered = Array(normalised.lowercased().unicodeScalars)
        // The name in the same form as the password, or another way to write it would hide it. A short name stands in
        // many a good password by chance.
        let name = Array(String(decoding: bytes(of: user), as: UTF8.self).lowercased().unicodeScalars)
        guard name.count < namesLookedFor || !lowered.contains(name) else { throw .passwordContainsUserName }
        for period in 1...longestRepetition where lowered.repeats(every: period) { throw .passwordRepeats }
        guard !isCommon(lowered) else { throw .passwordIsCommon }
    }

    /// Whether the password is a listed one when the digits and signs around it are taken away, or one of these over and
    /// over, the last time perhaps cut off: `Password123456`, `dragon!dragon!dragon!`, `12345678901234`.
    static func isCommon(_ lowered: [Unicode.Scalar]) -> Bool {
        [lowered[...], core(of: lowered[...])].contains { text in
            (1...max(text.count, 1)).contains { period in
                text.repeats(every: period) && isListed(within: text.prefix(period))
            }
        }
    }

    /// Whether a listed password stands in the text with nothing around it but digits and signs; signs alone in a text
    /// without letters, of which the digits are all there is.
    private static func isListed(within text: ArraySlice<Unicode.Scalar>) -> Bool {
        let core = core(of: text)
        guard core.count <= CommonPasswords.longest else { return false }
        let first = core.startIndex - min(core.startIndex - text.startIndex, CommonPasswords.longest)
        let last = core.endIndex + min(text.endIndex - core.endIndex, CommonPasswords.longest)
        // A listed one may itself begin or end with digits and signs, as "trustno1" does.
        return (first...core.startIndex).contains { start in
            (core.endIndex...last).contains { end in
                end - start <= CommonPasswords.longest && CommonPasswords.contains(text[start..<end])
            }
        }
    }

    /// From the first letter to the last; in a text without letters from the first digit to the last.
    private static func core(of text: ArraySlice<Unicode.Scalar>) -> ArraySlice<Unicode.Scalar> {
        func span(_ belongs: (Unicode.Scalar) -> Bool) -> ArraySlice<Unicode.Scalar>? {
            guard let first = text.firstIndex(where: belongs), let last = text.lastIndex(where: belongs) else {
                return nil
            }
            return text[first...last]
        }
        return span(\.properties.isAlphabetic) ?? span { $0.properties.numericType != nil } ?? text
    }
}

extension RandomAccessCollection where Element: Equatable {
    /// Whether each element is the one a period before it; so it is with a period of the whole length.
    fileprivate func repeats(every period: Int) -> Bool { zip(self, dropFirst(period)).allSatisfy(==) }
}
