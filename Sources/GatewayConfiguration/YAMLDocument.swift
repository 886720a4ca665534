import Yams

/// The file as a tree of nodes, with what Yams does not guard against guarded here.
enum YAMLDocument {
    static let sizeLimit = 16 << 20
    /// Nodes after every alias has been followed. A file of the size limit without aliases stays below.
    static let nodeLimit = 10_000_000
    static let depthLimit = 64
    /// Put in place of a key's first character when the key comes again, so that reading goes on. It is of the private
    /// use area, takes as many columns as what it replaces, and `Section` reports it.
    static let repeatedKeyMark: Unicode.Scalar = "\u{F8FF}"

    /// Composes the text; problems go to the log.
    static func compose(_ text: String, file: String, log: ProblemLog) -> Node? {
        if let place = forbiddenCharacter(in: text, file: file) {
            log.add(.error, place, "a control character that YAML does not allow; remove it")
            return nil
        }
        if let place = collectionAsKey(in: text, file: file) {
            log.add(.error, place, "a key must be a plain name, not an alias or a collection")
            return nil
        }
        var text = text
        // Each round lifts one repeated key out of the way; more than a few dozen are not typing mistakes.
        for _ in 0..<64 {
            do {
                guard let root = try Yams.compose(yaml: text, .basic) else {
                    log.add(
                        .error, SourcePlace(file: file, line: 1, column: 1),
                        "the file is empty; config/gateway.yaml shows what it holds")
                    return nil
                }
                guard isBounded(root, file: file, log: log) else { return nil }
                return root
            } catch let YamlError.duplicatedKeysInMapping(duplicates, context) {
                guard let marked = marking(context.mark, in: text) else {
                    report(duplicates, context.mark, file, log)
                    return nil
                }
                text = marked
            } catch {
                report(error, file: file, log: log)
                return nil
            }
        }
        log.add(
            .error, SourcePlace(file: file, line: 1, column: 1),
            "more than 64 keys stand twice in their mappings; correct them first")
        return nil
    }

    private static func report(_ duplicates: [String], _ mark: Mark, _ file: String, _ log: ProblemLog) {
        let names = duplicates.prefix(3).map { "\"\($0)\"" }.joined(separator: ", ")
        log.add(
            .error, SourcePlace(file: file, line: max(1, mark.line), column: max(1, mark.column)),
            "the key \(names) stands twice in this mapping; remove one")
    }

    private static func report(_ error: any Error, file: String, log: ProblemLog) {
        var place = SourcePlace(file: file, line: 1, column: 1)
        let message: String
        switch error {
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _):
            place = SourcePlace(file: file, line: mark.line, column: mark.column)
            message = "not YAML: \(context.map { "\($0.text), " } ?? "")\(problem)"
        case YamlError.composer(let context, let problem, let mark, _):
            place = SourcePlace(file: file, line: mark.line, column: mark.column)
            message =
                context == nil
                ? "not YAML: \(problem); name an anchor (&name) that stands above"
                : "one document only: remove this ---"
        case YamlError.reader(let problem, _, _, _): message = "not YAML: \(problem)"
        case YamlError.memory: message = "the memory did not suffice to read the file"
        default: message = "not YAML: it cannot be read"
        }
        log.add(.error, place, message)
    }

    /// The text with the character at the mark replaced, nil when there is nothing to replace.
    private static func marking(_ mark: Mark, in text: String) -> String? {
        guard mark.line >= 1, mark.column >= 1 else { return nil }
        var scalars = text.unicodeScalars
        var index = scalars.startIndex
        var line = 1
        var column = 1
        while index < scalars.endIndex, (line, column) != (mark.line, mark.column) {
            let scalar = scalars[index]
            index = scalars.index(after: index)
            let isPair = scalar == "\r" && index < scalars.endIndex && scalars[index] == "\n"
            if !isPair, ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"].contains(scalar) {
                line += 1
                column = 1
            } else {
                column += 1
            }
            if line > mark.line { return nil }
        }
        guard index < scalars.endIndex else { return nil }
        if scalars[index] == "\"" || scalars[index] == "'" { index = scalars.index(after: index) }
        guard index < scalars.endIndex, scalars[index].value > 0x20, scalars[index] != repeatedKeyMark,
            !"&*!?{}[],:#\"'".unicodeScalars.contains(scalars[index])
        else { return nil }
        scalars.replaceSubrange(index...index, with: CollectionOfOne(repeatedKeyMark))
        return String(scalars)
    }
}
