import Yams

extension Section {
    /// The text of a value as it is written, whatever YAML makes of it. Wrong shapes are reported.
    func text(_ key: String, expected: String = "text") -> ScalarText? {
        guard let node = entries[key]?.node else { return nil }
        return text(of: node, "\"\(key)\" takes \(expected)")
    }

    /// The text of a list's element, or of any other node.
    func text(of node: Node, _ message: String) -> ScalarText? {
        guard case .scalar(let scalar) = node, !Section.isNull(scalar) else {
            log.add(.error, SourcePlace(node, file: file), "\(message), found \(Section.describe(node))")
            return nil
        }
        return ScalarText(
            text: scalar.string, place: SourcePlace(node, file: file), isPlain: scalar.style == .plain)
    }

    /// As `text`, and reported when it is left out.
    func required(_ key: String, expected: String = "text") -> ScalarText? {
        guard has(key) else {
            log.add(.error, place, "\"\(key)\" is missing; it takes \(expected)")
            return nil
        }
        return text(key, expected: expected)
    }

    func boolean(_ key: String, default preset: Bool) -> Bool {
        guard let value = text(key, expected: "true or false") else { return preset }
        switch (value.text, value.isPlain) {
        case ("true", true): return true
        case ("false", true): return false
        default:
            let hint =
                switch value.text.lowercased() {
                case "yes", "on", "y", "true": "write true"
                case "no", "off", "n", "false": "write false"
                default: "write one of them without quotes"
                }
            log.add(
                .error, value.place,
                "\"\(key)\" takes true or false, found \(quoted(value)); \(hint)")
            return preset
        }
    }

    func integer(_ key: String, in bounds: ClosedRange<Int>, default preset: Int) -> Int {
        let expected = "a whole number from \(bounds.lowerBound) to \(bounds.upperBound)"
        guard let value = text(key, expected: expected) else { return preset }
        guard let number = Int(value.text), value.text.utf8.first != 0x2B, bounds.contains(number) else {
            log.add(.error, value.place, "\"\(key)\" takes \(expected), found \(quoted(value))")
            return preset
        }
        return number
    }

    func duration(_ key: String, in bounds: ClosedRange<Duration>, default preset: Duration) -> Duration {
        optionalDuration(key, in: bounds) ?? preset
    }

    func optionalDuration(_ key: String, in bounds: ClosedRange<Duration>) -> Duration? {
        guard let value = text(key, expected: "a duration, as 500ms, 10s, 5m, 2h or 7d") else { return nil }
        return duration(value, "\"\(key)\"", in: bounds)
    }

    func duration(_ value: ScalarText, _ name: String, in bounds: ClosedRange<Duration>) -> Duration? {
        log.duration(value, name, in: bounds)
    }

    func size(_ key: String, in bounds: ClosedRange<Int>, default preset: Int) -> Int {
        let expected = "a size, as 64KiB, 1MiB or 1GiB"
        guard let value = text(key, expected: expected) else { return preset }
        guard let size = Quantity.size(value.text) else {
            let hint =
                ["KB", "MB", "GB", "kB", "K", "M", "G", "k"].contains { value.text.hasSuffix($0) }
                ? "; the units are KiB, MiB and GiB (1024)" : ""
            log.add(.error, value.place, "\"\(key)\" takes \(expected), found \(quoted(value))\(hint)")
            return preset
        }
        guard bounds.contains(size) else {
            log.add(
                .error, value.place,
                "\"\(key)\" takes \(Quantity.text(bytes: bounds.lowerBound)) to "
                    + "\(Quantity.text(bytes: bounds.upperBound)), found \(quoted(value))")
            return preset
        }
        return size
    }

    /// One of an enumeration's words, read from the text so that a bare `off` is a word.
    func choice<Word: RawRepresentable<String> & CaseIterable>(_ key: String, default preset: Word) -> Word {
        optionalChoice(key, of: Word.self) ?? preset
    }

    func optionalChoice<Word: RawRepresentable<String> & CaseIterable>(_ key: String, of type: Word.Type) -> Word? {
        let words = Word.allCases.map(\.rawValue)
        return word(key, of: words).flatMap(Word.init(rawValue:))
    }

    func word(_ key: String, of words: [String]) -> String? {
        let expected = words.count == 1 ? words[0] : "one of \(words.joined(separator: ", "))"
        guard let value = text(key, expected: expected) else { return nil }
        guard words.contains(value.text) else {
            let nearest = words.count > 1 ? NearestName.of(value.text, in: words) : nil
            let hint = nearest.map { "; did you mean \"\($0)\"?" } ?? ""
            log.add(.error, value.place, "\"\(key)\" takes \(expected), found \(quoted(value))\(hint)")
            return nil
        }
        return value.text
    }

    /// `[low, high]` with two different finite numbers.
    func pair(_ key: String) -> (low: Double, high: Double)? {
        guard let node = entries[key]?.node else { return nil }
        let expected = "\"\(key)\" takes two numbers, as [0, 100]"
        guard case .sequence(let sequence) = node, sequence.count == 2 else {
            let count = node.sequence.map { " of \($0.count)" } ?? ""
            log.add(.error, SourcePlace(node, file: file), "\(expected), found \(Section.describe(node))\(count)")
            return nil
        }
        var numbers: [Double] = []
        for element in sequence {
            guard let value = text(of: element, expected) else { return nil }
            guard let number = Quantity.number(value.text) else {
                log.add(.error, value.place, "\(expected), found \(quoted(value))")
                return nil
            }
            numbers.append(number)
        }
        return (numbers[0], numbers[1])
    }

    /// As `pair`, with the first number below the second.
    func range(_ key: String) -> ClosedRange<Double>? {
        guard let (low, high) = pair(key), let node = entries[key]?.node else { return nil }
        guard low < high else {
            log.add(.error, SourcePlace(node, file: file), "\"\(key)\" takes the lower number first, as [0, 100]")
            return nil
        }
        return low...high
    }
}

/// A value as it is shown in a message.
func quoted(_ value: ScalarText) -> String {
    value.isPlain ? Section.shortened(value.text) : "\"\(Section.shortened(value.text))\""
}

extension ProblemLog {
    func duration(_ value: ScalarText, _ name: String, in bounds: ClosedRange<Duration>) -> Duration? {
        guard let duration = Quantity.duration(value.text) else {
            let hint = Int(value.text) != nil ? "; add its unit" : ""
            add(
                .error, value.place,
                "\(name) takes a duration, as 500ms, 10s, 5m, 2h or 7d, found \(quoted(value))\(hint)")
            return nil
        }
        guard bounds.contains(duration) else {
            add(
                .error, value.place,
                "\(name) takes \(Quantity.text(bounds.lowerBound)) to \(Quantity.text(bounds.upperBound)), "
                    + "found \(quoted(value))")
            return nil
        }
        return duration
    }
}
