// The standard library keeps its normalisation behind an SPI; Foundation would bring a megabyte of ICU into every target.
@_spi(_Unicode) import Swift

/// A full tag name, `Channel.Device[.Group…].Tag`, kept as configured and compared ASCII-case-insensitively.
package struct TagName: Sendable, CustomStringConvertible {
    /// The name as configured: what every answer echoes.
    package let text: String

    /// Takes a name whose segments were checked before.
    package init(validated text: String) {
        self.text = text
    }

    /// Joins checked segments.
    package init(segments: [String]) {
        text = segments.joined(separator: ".")
    }

    /// Parses a full name; every segment must be a valid name and there must be at least two.
    package init(parsing text: String) throws(TagNameError) {
        let segments = TagName.segments(of: text)
        guard segments.count >= 2 else { throw TagNameError.tooFewSegments }
        for segment in segments {
            try TagName.check(String(segment))
        }
        self.text = text
    }

    package var segments: [Substring] { TagName.segments(of: text) }
    package var description: String { text }

    /// What stands between the dots, empty ones included. A dot is a byte here, never a `Character`: one that a combining
    /// mark follows is another `Character` and would part nothing.
    package static func segments(of text: String) -> [Substring] {
        text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false).map { Substring($0) }
    }

    /// Lowers ASCII letters and leaves every other byte as it is.
    @inlinable
    package static func fold(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    /// Checks one name (of a channel, device, group or tag): 1–256 bytes of UTF-8 in NFC, no `.`, `*`, quote or control
    /// character, no space at either end, no combining mark at its beginning.
    package static func check(_ segment: String) throws(TagNameError) {
        let bytes = segment.utf8
        guard !bytes.isEmpty else { throw TagNameError.empty }
        guard bytes.count <= 256 else { throw TagNameError.tooLong(bytes: bytes.count) }
        guard bytes.first != 0x20, bytes.last != 0x20 else { throw TagNameError.spaceAtEnd }
        if let first = segment.unicodeScalars.first, TagName.isMark(first) { throw TagNameError.markAtBeginning(first) }
        for scalar in segment.unicodeScalars {
            switch scalar {
            case ".", "*", "\"", "'", "`": throw TagNameError.forbidden(scalar)
            default: if scalar.properties.generalCategory == .control { throw TagNameError.forbidden(scalar) }
            }
        }
        guard isNFC(segment) else { throw TagNameError.notNFC }
    }

    /// Whether it joins the character before it, which at the beginning of a name is somebody else's.
    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: scalar.properties.isGraphemeExtend
        }
    }

    private static func isNFC(_ segment: String) -> Bool {
        segment.utf8.allSatisfy { $0 < 0x80 } || segment._nfc.elementsEqual(segment.unicodeScalars)
    }
}

extension TagName: Hashable {
    package static func == (left: TagName, right: TagName) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8) { fold($0) == fold($1) }
    }

    package func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(TagName.fold(byte)) }
    }
}

/// Why a name is refused.
package enum TagNameError: Error, Equatable, CustomStringConvertible {
    case empty
    case tooFewSegments
    case tooLong(bytes: Int)
    case spaceAtEnd
    case markAtBeginning(Unicode.Scalar)
    case forbidden(Unicode.Scalar)
    case notNFC

    package var description: String {
        switch self {
        case .empty: "a name is empty"
        case .tooFewSegments: "a full tag name has at least a channel, a device and a tag, as Plant.PLC1.Level"
        case .tooLong(let bytes): "the name has \(bytes) bytes; 256 are allowed"
        case .spaceAtEnd: "a name may not begin or end with a space"
        case .markAtBeginning(let scalar):
            "a name may not begin with the combining mark U+\(String(scalar.value, radix: 16, uppercase: true))"
        case .forbidden(let scalar):
            scalar.properties.generalCategory == .control
                ? "control character U+\(String(scalar.value, radix: 16, uppercase: true)) in a name"
                : "the character \(scalar) is not allowed in a name"
        case .notNFC: "the name is not in Unicode normalisation form C"
        }
    }
}
