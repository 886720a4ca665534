/// A place in one agent's history as clients keep it, `START-N`: START names the run of the agent and the tags that the
/// stream had sent up to then, N the changes before the place.
struct ResumePoint: Equatable {
    /// Milliseconds since 1970 at the start in eleven hexadecimal digits, and eight random ones: no restart matches.
    struct Run: Equatable, Sendable {
        let text: String

        init(milliseconds: Int64, random: UInt32) {
            text =
                ResumePoint.hex(UInt64(bitPattern: milliseconds) & 0xFFF_FFFF_FFFF, 11)
                + ResumePoint.hex(UInt64(random), 8)
        }
    }

    /// No stream's: the client has part of the tags only.
    static let partial: UInt32 = 0
    private static let startBytes = 27

    var run: Substring
    /// Of the tags that had been sent; another one's changes are not all the client needs.
    var tags: UInt32
    var count: UInt64

    /// nil for what no stream of ours has sent.
    init?(_ text: String) {
        guard text.utf8.count <= 48, text.utf8.allSatisfy({ $0 < 0x80 }), let dash = text.firstIndex(of: "-"),
            text[..<dash].utf8.count == ResumePoint.startBytes
        else { return nil }
        let digits = text[text.index(after: dash)...]
        let middle = text.index(text.startIndex, offsetBy: ResumePoint.startBytes - 8)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let count = UInt64(digits),
            let tags = UInt32(text[middle..<dash], radix: 16)
        else { return nil }
        run = text[..<middle]
        self.tags = tags
        self.count = count
    }

    static func text(_ run: Run, tags: UInt32, count: UInt64) -> String {
        "\(run.text)\(hex(UInt64(tags), 8))-\(count)"
    }

    private static func hex(_ value: UInt64, _ width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
