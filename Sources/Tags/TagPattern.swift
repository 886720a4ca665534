/// A pattern over full tag names: `*` within a name, `**` as a whole segment for one or more segments.
///
/// Wildcards do not match a segment that begins with `_` unless the pattern's own segment does: `**` neither publishes
/// nor grants `_System`. Matching is ASCII-case-insensitive and takes time linear in name × pattern.
package struct TagPattern: Sendable, Hashable, CustomStringConvertible {
    private enum Segment: Sendable, Hashable {
        /// `**`
        case any
        /// Folded bytes, `*` for a run of any bytes; `system` when the first byte is `_`.
        case glob([UInt8], system: Bool)
    }

    /// The pattern as written.
    package let text: String
    private let segments: [Segment]

    /// Whether the pattern names exactly one tag.
    package let isLiteral: Bool

    /// `**`: every tag but those of the system.
    package static let everything = TagPattern(everything: ())

    private init(everything: Void) {
        text = "**"
        segments = [.any]
        isLiteral = false
    }

    package init(_ text: String) throws(TagPatternError) {
        guard !text.isEmpty else { throw TagPatternError.empty }
        var segments: [Segment] = []
        var literal = true
        for part in TagName.segments(of: text) {
            let bytes = part.utf8.map(TagName.fold)
            if bytes.isEmpty { throw TagPatternError.emptySegment }
            if bytes == [0x2A, 0x2A] {
                segments.append(.any)
                literal = false
            } else if zip(bytes, bytes.dropFirst()).contains(where: { $0 == 0x2A && $1 == 0x2A }) {
                throw TagPatternError.doubleStarInSegment(String(part))
            } else {
                segments.append(.glob(bytes, system: bytes[0] == 0x5F))
                if bytes.contains(0x2A) { literal = false }
            }
        }
        guard segments.count <= 63 else { throw TagPatternError.tooManySegments }
        self.text = text
        self.segments = segments
        isLiteral = literal
    }

    package var description: String { text }

    package static func == (left: TagPattern, right: TagPattern) -> Bool { left.segments == right.segments }
    package func hash(into hasher: inout Hasher) { hasher.combine(segments) }

    package func matches(_ name: TagName) -> Bool {
        // A bit for each number of pattern segments already matched; `**` both stays and moves on with every name.
        var reached: UInt64 = 1
        for part in name.text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false) {
            var next: UInt64 = 0
            for (index, segment) in segments.enumerated() where reached & (1 << index) != 0 {
                switch segment {
                case .any: if part.first != 0x5F { next |= (1 << index) | (1 << (index + 1)) }
                case .glob(let glob, let system):
                    if TagPattern.matches(glob, system: system, part) { next |= 1 << (index + 1) }
                }
            }
            if next == 0 { return false }
            reached = next
        }
        return reached & (1 << segments.count) != 0
    }

    private static func matches(_ glob: [UInt8], system: Bool, _ part: Substring.UTF8View) -> Bool {
        let bytes = Array(part)
        if bytes.first == 0x5F && !system { return false }
        var g = 0
        var b = 0
        var star: (glob: Int, byte: Int)?
        while b < bytes.count {
            if g < glob.count, glob[g] == 0x2A {
                star = (g, b)
                g += 1
            } else if g < glob.count, glob[g] == TagName.fold(bytes[b]) {
                g += 1
                b += 1
            } else if let point = star {
                star = (point.glob, point.byte + 1)
                g = point.glob + 1
                b = point.byte + 1
            } else {
                return false
            }
        }
        while g < glob.count, glob[g] == 0x2A { g += 1 }
        return g == glob.count
    }
}

/// Why a pattern is refused.
package enum TagPatternError: Error, Equatable, CustomStringConvertible {
    case empty
    case emptySegment
    case tooManySegments
    case doubleStarInSegment(String)

    package var description: String {
        switch self {
        case .empty: "a pattern is empty; \"**\" stands for every tag"
        case .emptySegment: "a pattern has an empty segment between two dots"
        case .tooManySegments: "a pattern has more than 63 segments"
        case .doubleStarInSegment(let segment):
            "** must stand alone between dots, as in Plant.**, not inside \"\(segment)\""
        }
    }
}
