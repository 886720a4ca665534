/// The passwords that guessing begins with; see Passwords/README.md for where they come from.
enum CommonPasswords {
    /// Characters of the longest one that is looked for.
    static let longest = 32

    /// Whether the text, in lower case, is on the list.
    static func contains(_ text: some Collection<Unicode.Scalar>) -> Bool {
        guard text.count <= longest, text.allSatisfy({ $0.isASCII && $0 != "\n" }) else { return false }
        let wanted = text.map { UInt8(truncatingIfNeeded: $0.value) }
        return list.withUTF8Buffer { lines in
            // Between lower and upper, both at the beginning of a line or at the end of the text.
            var lower = 0
            var upper = lines.count
            while lower < upper {
                let middle = lower + (upper - lower) / 2
                let start = lines[lower..<middle].lastIndex(of: newline).map { $0 + 1 } ?? lower
                let end = lines[middle..<upper].firstIndex(of: newline) ?? upper
                let line = lines[start..<end]
                if line.elementsEqual(wanted) { return true }
                if line.lexicographicallyPrecedes(wanted) { lower = min(end + 1, upper) } else { upper = start }
            }
            return false
        }
    }

    private static let newline: UInt8 = 0x0A
}
