import Yams

/// A value of the file that is one piece of text, with where and how it is written.
struct ScalarText {
    var text: String
    var place: SourcePlace
    /// Without quotes: YAML may have its own opinion about it.
    var isPlain: Bool
}

/// One mapping of the file, opened with the keys that it may hold. What does not fit goes to the log, and reading goes on
/// with the default, so that everything that is wrong is reported at once.
struct Section {
    struct Entry {
        var place: SourcePlace
        var node: Node
    }

    let file: String
    let log: ProblemLog
    /// Where the mapping begins.
    let place: SourcePlace
    private(set) var entries: [String: Entry] = [:]

    /// nil, with a problem, when the node is no mapping. `what` says what should stand there: "a channel".
    init?(_ node: Node, _ what: String, keys: [String], file: String, log: ProblemLog) {
        self.file = file
        self.log = log
        place = SourcePlace(node, file: file)
        guard case .mapping(let mapping) = node else {
            log.add(.error, place, "expected \(what) as a mapping (key: value), found \(Section.describe(node))")
            return nil
        }
        read(mapping, known: keys, merged: false, depth: 0)
    }

    private mutating func read(_ mapping: Node.Mapping, known: [String], merged: Bool, depth: Int) {
        var merges: [Node] = []
        var repeated: [String: SourcePlace] = [:]
        for (keyNode, value) in mapping {
            let keyPlace = SourcePlace(keyNode, file: file)
            guard case .scalar(let scalar) = keyNode else {
                log.add(.error, keyPlace, "a key must be a plain name, not \(Section.describe(keyNode))")
                continue
            }
            if scalar.string == "<<", scalar.style == .plain {
                merges.append(value)
                continue
            }
            if scalar.string.unicodeScalars.first == YAMLDocument.repeatedKeyMark {
                repeated[String(scalar.string.unicodeScalars.dropFirst()), default: keyPlace] = keyPlace
                continue
            }
            guard known.contains(scalar.string) else {
                log.add(.error, keyPlace, Section.unknown(scalar.string, known: known))
                continue
            }
            if entries[scalar.string] == nil || !merged { entries[scalar.string] = Entry(place: keyPlace, node: value) }
        }
        for (rest, first) in repeated {
            // The mark took the place of the first character, so the key is found again by the others.
            let second = mapping.first { pair in
                guard case .scalar(let scalar) = pair.key else { return false }
                return String(scalar.string.unicodeScalars.dropFirst()) == rest
                    && scalar.string.unicodeScalars.first != YAMLDocument.repeatedKeyMark
            }
            let name = second?.key.scalar?.string ?? rest
            log.add(
                .error, second.map { SourcePlace($0.key, file: file) } ?? first,
                "the key \"\(name)\" stands twice in this mapping, first on line \(first.line); remove one")
        }
        for merge in merges {
            merging(merge, known: known, depth: depth + 1)
        }
    }

    /// `<<: *anchor` or `<<: [*one, *other]`: keys that stand in the mapping itself win.
    private mutating func merging(_ node: Node, known: [String], depth: Int) {
        guard depth <= 8 else {
            log.add(.error, SourcePlace(node, file: file), "merged (<<) deeper than 8 levels")
            return
        }
        switch node {
        case .mapping(let mapping): read(mapping, known: known, merged: true, depth: depth)
        case .sequence(let sequence) where sequence.count <= 64:
            for element in sequence { merging(element, known: known, depth: depth + 1) }
        default:
            log.add(.error, SourcePlace(node, file: file), "<< takes a mapping, as <<: *publish")
        }
    }

    /// The value of a key before a mapping is opened, also from what is merged into it.
    static func value(_ key: String, in mapping: Node.Mapping, depth: Int = 0) -> Node? {
        if let own = mapping.first(where: { $0.key.scalar?.string == key })?.value { return own }
        guard depth < 8 else { return nil }
        for (keyNode, value) in mapping where keyNode.scalar?.string == "<<" {
            for merged in value.sequence.map(Array.init) ?? [value] {
                if let mapping = merged.mapping, let found = Section.value(key, in: mapping, depth: depth + 1) {
                    return found
                }
            }
        }
        return nil
    }

    static func unknown(_ key: String, known: [String]) -> String {
        if let nearest = NearestName.of(key, in: known) {
            return "unknown key \"\(shortened(key))\"; did you mean \"\(nearest)\"?"
        }
        return "unknown key \"\(shortened(key))\"; known here: \(known.joined(separator: ", "))"
    }

    static func describe(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar):
            if isNull(scalar) {
                "nothing"
            } else if scalar.style == .plain {
                shortened(scalar.string)
            } else {
                "\"\(shortened(scalar.string))\""
            }
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }

    static func shortened(_ text: String) -> String {
        let printable = String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(61).map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
        return text.unicodeScalars.count > 60 ? "\(String(printable.unicodeScalars.dropLast()))…" : printable
    }

    static func isNull(_ scalar: Node.Scalar) -> Bool {
        scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    static func isNull(_ node: Node) -> Bool {
        if case .scalar(let scalar) = node { isNull(scalar) } else { false }
    }

    func has(_ key: String) -> Bool { entries[key] != nil }

    /// Where the key stands, or the mapping when it does not.
    func place(of key: String) -> SourcePlace { entries[key]?.place ?? place }

    func error(_ key: String, _ message: String) { log.add(.error, place(of: key), message) }
    func warn(_ key: String, _ message: String) { log.add(.warning, place(of: key), message) }

    /// Whether a list stands there, and nothing in it.
    func isEmptyList(_ key: String) -> Bool {
        guard let node = entries[key]?.node else { return false }
        return Section.isNull(node) || node.sequence?.isEmpty == true
    }

    func section(_ key: String, keys: [String]) -> Section? {
        guard let node = entries[key]?.node, !Section.isNull(node) else { return nil }
        return Section(node, "\"\(key)\"", keys: keys, file: file, log: log)
    }

    /// The elements of a list; none when the key is left out or empty.
    func list(_ key: String) -> [Node] {
        guard let node = entries[key]?.node, !Section.isNull(node) else { return [] }
        guard case .sequence(let sequence) = node else {
            log.add(
                .error, SourcePlace(node, file: file),
                "\"\(key)\" takes a list (lines that begin with - , or [a, b]), found \(Section.describe(node))")
            return []
        }
        return Array(sequence)
    }
}

extension SourcePlace {
    init(_ node: Node, file: String) {
        self.init(file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }
}
