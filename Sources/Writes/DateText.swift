import Tags

/// Reads times as ISO 8601 writes them: `2026-11-23T16:25:00Z`, with a fraction of a second of up to nine digits, and
/// with an offset as `+01:00` in place of the `Z`. A time without either is refused: nobody knows whose it is.
enum DateText {
    /// From year 0001 to 9999: what the text can say.
    static let writable = Timestamp(milliseconds: -62_135_596_800_000)...Timestamp(milliseconds: 253_402_300_799_999)

    static func parse(_ text: String) -> Timestamp? {
        var bytes = Array(text.utf8)[...]
        guard bytes.count <= 40,
            let year = number(&bytes, 4), take(&bytes, 0x2D), let month = number(&bytes, 2), take(&bytes, 0x2D),
            let day = number(&bytes, 2), take(&bytes, 0x54) || take(&bytes, 0x74) || take(&bytes, 0x20),
            let hour = number(&bytes, 2), take(&bytes, 0x3A), let minute = number(&bytes, 2), take(&bytes, 0x3A),
            let second = number(&bytes, 2),
            year >= 1, (1...12).contains(month), (1...days(month, year)).contains(day), hour <= 23, minute <= 59,
            second <= 59, let micros = fraction(&bytes), let offset = offset(&bytes), bytes.isEmpty
        else { return nil }
        let minutes = Int64(dayNumber(year, month, day)) * 1440 + Int64(hour * 60 + minute - offset)
        let time = Timestamp(microseconds: (minutes * 60 + Int64(second)) * 1_000_000 + Int64(micros))
        return writable.contains(time) ? time : nil
    }

    private static func take(_ bytes: inout ArraySlice<UInt8>, _ byte: UInt8) -> Bool {
        guard bytes.first == byte else { return false }
        bytes.removeFirst()
        return true
    }

    private static func number(_ bytes: inout ArraySlice<UInt8>, _ digits: Int) -> Int? {
        let part = bytes.prefix(digits)
        guard part.count == digits, part.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
        bytes = bytes.dropFirst(digits)
        return part.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    /// In microseconds; what is finer is cut.
    private static func fraction(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        guard take(&bytes, 0x2E) else { return 0 }
        let digits = bytes.prefix { $0 &- 0x30 < 10 }
        guard (1...9).contains(digits.count) else { return nil }
        bytes = bytes.dropFirst(digits.count)
        let six = digits.prefix(6).reduce(0) { $0 * 10 + Int($1 - 0x30) }
        return (digits.count..<max(6, digits.count)).reduce(six) { value, _ in value * 10 }
    }

    /// In minutes to the east.
    private static func offset(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        if take(&bytes, 0x5A) || take(&bytes, 0x7A) { return 0 }
        let isWest = bytes.first == 0x2D
        guard take(&bytes, 0x2B) || take(&bytes, 0x2D), let hours = number(&bytes, 2), take(&bytes, 0x3A),
            let minutes = number(&bytes, 2), hours <= 23, minutes <= 59
        else { return nil }
        return (isWest ? -1 : 1) * (hours * 60 + minutes)
    }

    private static func days(_ month: Int, _ year: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    }

    /// Days since 1970-01-01, by the algorithm that `CivilTime` names.
    private static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
