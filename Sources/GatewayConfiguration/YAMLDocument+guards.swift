import Yams

extension YAMLDocument {
    /// libyaml gives no place for these.
    static func forbiddenCharacter(in text: String, file: String) -> SourcePlace? {
        var line = 1
        var column = 1
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A:
                line += 1
                column = 0
            case 0x09, 0x0D, 0x20...0x7E, 0x85, 0xA0...0xFEFE, 0xFF00...0xFFFD, 0x10000...: break
            default: return SourcePlace(file: file, line: line, column: column)
            }
            column += 1
        }
        return nil
    }

    /// Yams hashes every key: one that is made of nested aliases would take time without end before a bound could be
    /// looked at. So a file with enough aliases for that is refused when its text shows anything but a word as a key.
    static func collectionAsKey(in text: String, file: String) -> SourcePlace? {
        var aliases = 0
        var first: SourcePlace?
        var number = 0
        for line in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false) {
            number += 1
            let bytes = Array(line)
            if let column = keyColumn(in: bytes, aliases: &aliases), first == nil {
                first = SourcePlace(file: file, line: number, column: column)
            }
        }
        return aliases > harmlessAliases ? first : nil
    }

    /// With so many, shared out in the worst way, a key stands for a few million values.
    private static let harmlessAliases = 40

    /// Where the line has what may be a key that is no word; counts its aliases. By the bytes alone: inside quotes it may
    /// see one that is none.
    private static func keyColumn(in line: [UInt8], aliases: inout Int) -> Int? {
        let blank: [UInt8] = [0x20, 0x09, 0x0D]
        var column: Int?
        var before: UInt8 = 0x20
        for (index, byte) in line.enumerated() {
            let next = index + 1 < line.count ? line[index + 1] : 0x20
            switch byte {
            // An alias stands behind a blank or what opens or separates.
            case 0x2A where (blank + [0x5B, 0x7B, 0x2C]).contains(before) && isAnchorByte(next): aliases += 1
            // "? " begins a key of any kind; so may a colon behind a bracket, an alias or nothing.
            case 0x3F where blank.contains(next) && column == nil: column = index + 1
            case 0x3A where column == nil && (blank + [0x2C, 0x5D, 0x7D]).contains(next):
                let word = line[..<index].reversed().drop { blank.contains($0) }
                let token = word.prefix { isAnchorByte($0) || $0 == 0x2A }
                if word.isEmpty || word.first == 0x5D || word.first == 0x7D || token.last == 0x2A { column = index + 1 }
            default: break
            }
            before = byte
        }
        return column
    }

    private static func isAnchorByte(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x2D
            || byte == 0x5F
    }

    static func isBounded(_ root: Node, file: String, log: ProblemLog) -> Bool {
        var left = nodeLimit
        var deepest: Mark?
        func walk(_ node: Node, _ depth: Int) -> Bool {
            left -= 1
            guard left > 0 else { return false }
            guard depth <= depthLimit else {
                deepest = node.mark
                return false
            }
            switch node {
            case .mapping(let mapping):
                for (key, value) in mapping {
                    guard walk(key, depth + 1), walk(value, depth + 1) else { return false }
                }
            case .sequence(let sequence):
                for value in sequence {
                    guard walk(value, depth + 1) else { return false }
                }
            case .scalar, .alias: break
            }
            return true
        }
        if walk(root, 0) { return true }
        let place = SourcePlace(file: file, line: deepest?.line ?? 1, column: deepest?.column ?? 1)
        log.add(
            .error, place,
            deepest != nil
                ? "nested deeper than \(depthLimit) levels"
                : "with its aliases followed the file holds more than \(nodeLimit) values; use fewer aliases, or tag files"
        )
        return false
    }
}
