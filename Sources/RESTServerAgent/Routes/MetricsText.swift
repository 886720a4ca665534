/// Prometheus' text form, version 0.0.4.
struct MetricsText {
    enum Kind: String {
        case gauge, counter
    }

    private(set) var text = ""

    /// One family: its samples stand together, and one without any is left out.
    ///
    /// - Parameters:
    ///   - help: one sentence.
    ///   - samples: labels in their order, and the value.
    mutating func add(
        _ name: StaticString, _ kind: Kind, _ help: StaticString,
        _ samples: [(labels: [(String, String)], value: String)]
    ) {
        guard !samples.isEmpty else { return }
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for (labels, value) in samples {
            text += "\(name)"
            if !labels.isEmpty {
                text += "{"
                text += labels.map { "\($0)=\"\(MetricsText.escaped($1))\"" }.joined(separator: ",")
                text += "}"
            }
            text += " \(value)\n"
        }
    }

    /// One sample without labels; nil: none.
    mutating func add(_ name: StaticString, _ kind: Kind, _ help: StaticString, _ value: String?) {
        add(name, kind, help, value.map { [([], $0)] } ?? [])
    }

    static func escaped(_ value: String) -> String {
        var escaped = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
