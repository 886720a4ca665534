extension SimulatorAddress {
    /// Parses an address as `RAMP (120, 35, 100, 4)` or `K0001 [8]`; names are ASCII-case-insensitive.
    package init(parsing text: String) throws(SimulatorAddressError) {
        guard let open = text.firstIndex(of: "("), text.last == ")" else {
            self = try SimulatorAddress.register(text)
            return
        }
        let name = SimulatorAddress.trimmed(text[..<open]).uppercased()
        let inner = text[text.index(after: open)..<text.index(before: text.endIndex)]
        let arguments = SimulatorAddress.arguments(inner)
        switch name {
        case "RAMP":
            try SimulatorAddress.expect(arguments, 4, name, "rate, low, high, increment")
            let bounds = try SimulatorAddress.bounds(arguments, name)
            let increment = try SimulatorAddress.number(arguments[3], name)
            guard increment != 0, abs(increment) <= bounds.high - bounds.low else { throw .increment }
            self = .ramp(
                rate: try SimulatorAddress.rate(arguments[0]), low: bounds.low, high: bounds.high,
                increment: increment, whole: bounds.whole && SimulatorAddress.isWhole(arguments[3]))
        case "RANDOM":
            try SimulatorAddress.expect(arguments, 3, name, "rate, low, high")
            let bounds = try SimulatorAddress.bounds(arguments, name)
            self = .random(
                rate: try SimulatorAddress.rate(arguments[0]), low: bounds.low, high: bounds.high, whole: bounds.whole)
        case "SINE":
            try SimulatorAddress.expect(arguments, 5, name, "rate, low, high, frequency, phase")
            let bounds = try SimulatorAddress.bounds(arguments, name)
            let frequency = try SimulatorAddress.number(arguments[3], name)
            guard frequency > 0, frequency <= 1000 else { throw .frequency }
            self = .sine(
                rate: try SimulatorAddress.rate(arguments[0]), low: bounds.low, high: bounds.high,
                frequency: frequency, phase: try SimulatorAddress.number(arguments[4], name), whole: bounds.whole)
        case "USER":
            guard arguments.count >= 2 else { throw .arguments(function: name, wanted: "rate, text, …") }
            guard arguments.count <= 1001 else { throw .tooManyTexts }
            self = .user(rate: try SimulatorAddress.rate(arguments[0]), values: Array(arguments.dropFirst()))
        default: throw .malformed(text)
        }
    }

    /// Splits at commas that no backslash precedes, and drops the spaces at each end.
    private static func arguments(_ text: Substring) -> [String] {
        var arguments: [String] = []
        var current = ""
        var escaped = false
        for character in text {
            if escaped {
                if character != "," { current.append("\\") }
                current.append(character)
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else if character == "," {
                arguments.append(trimmed(current[...]))
                current = ""
            } else {
                current.append(character)
            }
        }
        if escaped { current.append("\\") }
        arguments.append(trimmed(current[...]))
        return arguments
    }

    private static func trimmed(_ text: Substring) -> String {
        let front = text.drop { $0 == " " }
        guard let last = front.lastIndex(where: { $0 != " " }) else { return "" }
        return String(front[...last])
    }

    private static func expect(
        _ arguments: [String], _ count: Int, _ function: String, _ wanted: String
    ) throws(SimulatorAddressError) {
        guard arguments.count == count else { throw .arguments(function: function, wanted: wanted) }
    }

    private static func rate(_ text: String) throws(SimulatorAddressError) -> Duration {
        guard let milliseconds = Int(text), (10...3_600_000).contains(milliseconds) else { throw .rate(text) }
        return .milliseconds(milliseconds)
    }

    private static func number(_ text: String, _ function: String) throws(SimulatorAddressError) -> Double {
        let plain = text.utf8.allSatisfy { $0 &- 0x30 < 10 || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains($0) }
        guard plain, let number = Double(text), number.isFinite, abs(number) <= 1e18 else {
            throw .number(text, function: function)
        }
        return number
    }

    private static func isWhole(_ text: String) -> Bool { Int64(text) != nil }

    private static func bounds(
        _ arguments: [String], _ function: String
    ) throws(SimulatorAddressError) -> (low: Double, high: Double, whole: Bool) {
        let low = try number(arguments[1], function)
        let high = try number(arguments[2], function)
        guard low < high else { throw .bounds(function: function) }
        return (low, high, isWhole(arguments[1]) && isWhole(arguments[2]))
    }

    private static func register(_ text: String) throws(SimulatorAddressError) -> SimulatorAddress {
        var body = text[...]
        var count: Int?
        if let bracket = text.firstIndex(of: "[") {
            guard text.last == "]" else { throw .malformed(text) }
            let inner = text[text.index(after: bracket)..<text.index(before: text.endIndex)]
            guard inner.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let number = Int(inner), (1...1000).contains(number)
            else { throw .count(text) }
            count = number
            body = text[..<bracket]
        }
        let trimmed = trimmed(body)
        guard let letter = trimmed.first, let register = Register(rawValue: Character(letter.uppercased())) else {
            throw .malformed(text)
        }
        let digits = trimmed.dropFirst()
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }),
            let number = Int(digits), number <= 65535
        else { throw .registerNumber(text) }
        return .register(register, number: number, count: count)
    }
}
