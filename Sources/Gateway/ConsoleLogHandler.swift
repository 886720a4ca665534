import Glibc
package import Logging
import Tags
import WireFormat

/// Writes log lines to standard error, as text for people and journald or as one JSON object a line.
package struct ConsoleLogHandler: LogHandler {
    package enum Format: Sendable { case text, json }

    private let label: String
    private let format: Format
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]

    package init(label: String, format: Format, level: Logger.Level) {
        self.label = label
        self.format = format
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let merged = event.metadata.map { metadata.merging($0) { $1 } } ?? metadata
        let pairs = merged.sorted { $0.key < $1.key }
        var line = JSONBytes(capacity: 256)
        switch format {
        case .text: text(event, pairs, &line)
        case .json: json(event, pairs, &line)
        }
        line.append(0x0A)
        // One write a line, so that lines of several threads do not mix.
        _ = line.bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func text(
        _ event: LogEvent, _ pairs: [(key: String, value: Logger.MetadataValue)], _ line: inout JSONBytes
    ) {
        var time = JSONBytes()
        time.append(date: .now)
        line.append(raw: time.bytes.dropFirst().dropLast())
        line.append(
            raw: Array(" \(event.level.rawValue) \(label): \(ConsoleLogHandler.clean(event.message.description))".utf8))
        for (key, value) in pairs {
            line.append(raw: Array(" \(key)=".utf8))
            let text = value.description
            if text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x22 || $0 == 0x3D || $0 == 0x7F }) || text.isEmpty {
                line.append(string: text)
            } else {
                line.append(raw: Array(text.utf8))
            }
        }
    }

    private func json(
        _ event: LogEvent, _ pairs: [(key: String, value: Logger.MetadataValue)], _ line: inout JSONBytes
    ) {
        line.append(raw: #"{"time":"#)
        line.append(date: .now)
        line.append(raw: #","level":"#)
        line.append(string: event.level.rawValue)
        line.append(raw: #","source":"#)
        line.append(string: label)
        line.append(raw: #","message":"#)
        line.append(string: event.message.description)
        for (key, value) in pairs {
            line.append(0x2C)
            line.append(string: key)
            line.append(0x3A)
            line.append(string: value.description)
        }
        line.append(0x7D)
    }

    /// Keeps what came from outside on its line.
    private static func clean(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return text }
        return String(text.map { $0.isNewline || $0.unicodeScalars.contains { $0.value < 0x20 } ? " " : $0 })
    }
}
