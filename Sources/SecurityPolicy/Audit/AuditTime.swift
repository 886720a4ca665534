package import Tags

/// Times of the audit log as text: `2026-11-23T19:50:00.123456Z`, exact to the microsecond, so that a time can be read
/// back and hashed again.
package enum AuditTime {
    package static func text(_ time: Timestamp) -> String {
        let civil = CivilTime(time)
        let rest = (time.microseconds % 1000 + 1000) % 1000
        return "\(padded(civil.year, 4))-\(padded(civil.month, 2))-\(padded(civil.day, 2))"
            + "T\(padded(civil.hour, 2)):\(padded(civil.minute, 2)):\(padded(civil.second, 2))"
            + ".\(padded(civil.millisecond, 3))\(padded(Int(rest), 3))Z"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    /// A day, or a day and a time in UTC with up to six decimals; `T` or a space between, `Z` at the end or not.
    package static func parse(_ text: String) -> Timestamp? {
        var rest = text.utf8[...]
        func number(_ width: Int) -> Int64? {
            guard rest.count >= width else { return nil }
            var value: Int64 = 0
            for byte in rest.prefix(width) {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            rest = rest.dropFirst(width)
            return value
        }
        func take(_ byte: UInt8) -> Bool {
            guard rest.first == byte else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = number(4), take(0x2D), let month = number(2), take(0x2D), let day = number(2),
            year >= 1, (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        var micros: Int64 = 0
        if !rest.isEmpty, !(rest.elementsEqual("Z".utf8)) {
            guard take(0x54) || take(0x20), let hour = number(2), take(0x3A), let minute = number(2),
                hour < 24, minute < 60
            else { return nil }
            var second: Int64 = 0
            if take(0x3A) {
                guard let value = number(2), value < 60 else { return nil }
                second = value
                if take(0x2E) {
                    var scale: Int64 = 100_000
                    while let digit = number(1) {
                        guard scale > 0 else { return nil }
                        micros += digit * scale
                        scale /= 10
                    }
                }
            }
            micros += ((hour * 60 + minute) * 60 + second) * 1_000_000
        }
        _ = take(0x5A)
        guard rest.isEmpty else { return nil }
        return Timestamp(microseconds: days(year, month, day) * 86_400_000_000 + micros)
    }

    /// Days since 1970. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

/// Bytes as lower-case hexadecimal digits.
package enum Hexadecimal {
    package static func text(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var result: [UInt8] = []
        for byte in bytes {
            result.append(digits[Int(byte >> 4)])
            result.append(digits[Int(byte & 15)])
        }
        return String(decoding: result, as: UTF8.self)
    }

    package static func bytes(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count % 2 == 0 else { return nil }
        var result: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
            result.append(high << 4 | low)
        }
        return result
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x37
        case 0x61...0x66: digit - 0x57
        default: nil
        }
    }
}
