/// The header with which an endpoint says how long to leave it alone (RFC 9110, §10.2.3).
package enum RetryAfter {
    /// Longer is no request for patience but an error, or a clock that is wrong.
    static let mostSeconds: Int64 = 86_400

    /// Seconds from now; nil where there is none, or nothing that makes sense.
    ///
    /// - Parameters:
    ///   - date: when the endpoint says that it replied: its clock and ours may differ.
    ///   - time: ours, in seconds since 1970.
    package static func seconds(_ text: String?, replied date: String?, time: Int64) -> Int64? {
        guard let text, !text.isEmpty else { return nil }
        if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            guard let seconds = Int64(text), seconds <= mostSeconds else { return nil }
            return seconds
        }
        guard let until = HTTPDate.seconds(text) else { return nil }
        let seconds = until - (date.flatMap(HTTPDate.seconds) ?? time)
        return (0...mostSeconds).contains(seconds) ? seconds : nil
    }
}

/// A date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`. The two older forms are not sent any more.
enum HTTPDate {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Since 1970.
    static func seconds(_ text: String) -> Int64? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[0].hasSuffix(","), parts[5] == "GMT", let day = number(parts[1], 1...31),
            let month = months.firstIndex(of: String(parts[2])), let year = number(parts[3], 1970...9999)
        else { return nil }
        let clock = parts[4].split(separator: ":", omittingEmptySubsequences: false)
        guard clock.count == 3, let hour = number(clock[0], 0...23), let minute = number(clock[1], 0...59),
            let second = number(clock[2], 0...60)
        else { return nil }
        return days(year: year, month: Int64(month) + 1, day: day) * 86_400 + hour * 3600 + minute * 60 + second
    }

    private static func number(_ text: Substring, _ range: ClosedRange<Int64>) -> Int64? {
        guard text.utf8.count <= 4, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int64(text),
            range.contains(number)
        else { return nil }
        return number
    }

    /// Since 1970, of the Gregorian calendar. Years begin in March here, so that the leap day is the last.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month > 2 ? year : year - 1
        let (era, yearOfEra) = (year / 400, year % 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
