package import SecurityPolicy
import Tags

/// An entry of the audit log as a message of RFC 5424, in the frame of RFC 5425.
package enum SyslogMessage {
    /// 13 of RFC 5424: log audit.
    private static let facility = 13
    /// The identifier of what is structured. 32473 is the number that RFC 5612 keeps for those without one of their own.
    private static let structure = "sallyport@32473"

    /// - Parameters:
    ///   - host: the machine's name, the gateway's where it has none.
    ///   - process: the process's number.
    package static func text(_ entry: AuditEntry, host: String, process: Int32) -> String {
        let priority = facility * 8 + severity(entry.outcome)
        var text = "<\(priority)>1 \(AuditTime.text(entry.time)) \(word(host, 255)) sallyport \(process) "
        text += "\(word(entry.action, 32)) [\(structure)"
        func add(_ name: String, _ value: String?) {
            guard let value, !value.isEmpty else { return }
            text += " \(name)=\"\(escaped(value))\""
        }
        add("sequence", "\(entry.sequence)")
        add("principal", entry.principal)
        add("kind", entry.kind)
        add("address", entry.address)
        add("agent", entry.agent)
        add("object", entry.object)
        add("old", entry.old)
        add("new", entry.new)
        add("outcome", entry.outcome)
        add("reason", entry.reason)
        add("count", "\(entry.count)")
        add("hash", Hexadecimal.text(entry.hash))
        // The mark says that what follows is UTF-8.
        text += "] \u{FEFF}\(entry.principal) \(entry.action) \(entry.object) \(entry.outcome)"
        return text
    }

    /// With its length in bytes in front.
    package static func frame(_ text: String) -> [UInt8] { Array("\(text.utf8.count) \(text)".utf8) }

    private static func severity(_ outcome: String) -> Int {
        switch AuditEvent.Outcome(rawValue: outcome) {
        case .succeeded, .begun: 6
        case .refused, .unknown: 4
        case .failed, nil: 3
        }
    }

    /// Printable ASCII without spaces, as the header's fields must be.
    private static func word(_ text: String, _ limit: Int) -> String {
        let bytes = text.utf8.prefix(limit).map { (0x21...0x7E).contains($0) ? $0 : 0x5F }
        return bytes.isEmpty ? "-" : String(decoding: bytes, as: UTF8.self)
    }

    private static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == 0x22 || $0 == 0x5C || $0 == 0x5D }) else { return text }
        var result = ""
        for character in text.unicodeScalars {
            if character == "\"" || character == "\\" || character == "]" { result += "\\" }
            result.unicodeScalars.append(character)
        }
        return result
    }
}
