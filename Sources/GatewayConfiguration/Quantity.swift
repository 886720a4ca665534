/// Durations, sizes and numbers as they are written in the configuration.
package enum Quantity {
    private static let timeUnits: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    private static let sizeUnits: [(name: String, bytes: Int)] = [
        ("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ]

    /// `500ms`, `10s`, `5m`, `2h`, `7d`; nil when it is none of these.
    package static func duration(_ text: String) -> Duration? {
        let (digits, unit) = split(text)
        guard let number = Int64(digits), let scale = timeUnits.first(where: { $0.name == unit }) else { return nil }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: scale.milliseconds)
        // A thousand years: more than any clock here needs, and far from the ends of Duration.
        guard !overflow, milliseconds <= 31_556_952_000_000 else { return nil }
        return .milliseconds(milliseconds)
    }

    /// `64KiB`, `1MiB`, `1GiB` or plain bytes; nil when it is none of these.
    static func size(_ text: String) -> Int? {
        let (digits, unit) = split(text)
        guard let number = Int(digits), let scale = sizeUnits.first(where: { $0.name == unit }) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: scale.bytes)
        return overflow ? nil : bytes
    }

    /// A finite decimal number.
    static func number(_ text: String) -> Double? {
        guard let first = text.utf8.first, first != 0x2B,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains($0) }),
            let number = Double(text), number.isFinite
        else { return nil }
        return number
    }

    /// A duration as it is written: `10ms`, `7d`.
    static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        for unit in timeUnits.reversed() where milliseconds != 0 && milliseconds % unit.milliseconds == 0 {
            return "\(milliseconds / unit.milliseconds)\(unit.name)"
        }
        return "\(milliseconds)ms"
    }

    /// A size as it is written: `64MiB`.
    static func text(bytes: Int) -> String {
        for unit in sizeUnits.reversed() where bytes != 0 && bytes % unit.bytes == 0 && unit.name != "B" {
            return "\(bytes / unit.bytes)\(unit.name)"
        }
        return "\(bytes)"
    }

    private static func split(_ text: String) -> (digits: Substring, unit: String) {
        let digits = text.prefix { $0.isASCII && $0.isWholeNumber }
        return (digits, String(text[digits.endIndex...]))
    }
}
