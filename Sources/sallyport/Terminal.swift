import FoundationEssentials
import Glibc

/// Reading from and writing to the terminal.
enum Terminal {
    static func complain(_ line: String) {
        let text = line + "\n"
        _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }

    /// Standard output a line at a time, also into a pipe: `tag watch` is read by other programs.
    static func say(_ line: String) {
        let text = line + "\n"
        _ = text.withCString { write(STDOUT_FILENO, $0, strlen($0)) }
    }

    /// Columns as wide as their widest cell; the last one is left as it is.
    static func table(_ rows: [[String]]) {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        for row in rows {
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column + 1 < row.count { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
            }
            say(line)
        }
    }

    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        say(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// `2026-11-23 16:25:00.123`, in UTC.
    static func time(_ milliseconds: Int64?) -> String {
        guard let milliseconds, milliseconds != 0 else { return "-" }
        let time = Date(timeIntervalSince1970: Double(milliseconds) / 1000)
        return time.formatted(
            .iso8601.year().month().day().dateTimeSeparator(.space).time(includingFractionalSeconds: true))
    }

    /// `2027-11-23 17:17`
    static func minutes(_ milliseconds: Int64) -> String { String(time(milliseconds).prefix(16)) }

    /// A password from the terminal without echo, asked twice, or from standard input (a second line, if there, must be
    /// the same).
    static func newPassword(for name: String) throws -> String {
        if isatty(STDIN_FILENO) == 1 {
            let first = try readHidden("New password for \(name): ")
            let second = try readHidden("The same again: ")
            guard first == second else {
                throw Failure.failed("the two passwords are not the same; nothing was changed")
            }
            return first
        }
        guard let first = readLine(strippingNewline: true) else {
            throw Failure.usage("no password came on standard input; give it on one line")
        }
        if let second = readLine(strippingNewline: true), !second.isEmpty, second != first {
            throw Failure.failed("the two lines of standard input are not the same password; nothing was changed")
        }
        return first
    }

    /// The password that a user has, from the terminal without echo or from standard input.
    static func password(of name: String) throws -> String {
        if isatty(STDIN_FILENO) == 1 { return try readHidden("Password of \(name): ") }
        guard let line = readLine(strippingNewline: true) else {
            throw Failure.usage("no password came on standard input; give it on one line")
        }
        return line
    }

    private static func readHidden(_ prompt: String) throws -> String {
        _ = prompt.withCString { write(STDERR_FILENO, $0, strlen($0)) }
        guard tcgetattr(STDIN_FILENO, &shownSettings) == 0 else {
            throw Failure.failed("the terminal does not say how it is set; give the password on standard input")
        }
        var hidden = shownSettings
        hidden.c_lflag &= ~tcflag_t(ECHO)
        // Ctrl-C must not leave a terminal behind that shows nothing.
        let before = signal(SIGINT) { _ in
            tcsetattr(STDIN_FILENO, TCSANOW, &shownSettings)
            _exit(130)
        }
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0 else {
            throw Failure.failed("the terminal would show the password; give it on standard input")
        }
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &shownSettings)
            signal(SIGINT, before)
            complain("")
        }
        guard let line = readLine(strippingNewline: true) else { throw Failure.failed("no password was given") }
        return line
    }
}

/// How the terminal was set before a password was asked for. Global because a signal handler, which can capture nothing,
/// restores it; written once, before that handler is set.
nonisolated(unsafe) private var shownSettings = termios()
