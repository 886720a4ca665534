extension AuditEvent {
    /// Bytes of one text of an entry.
    static let textLimit = 1024

    /// The same event with every text bounded and printable: what comes from outside may be long, and may be written to
    /// move a terminal's cursor or to look like another line.
    var bounded: AuditEvent {
        var event = self
        event.principal = AuditEvent.visible(principal)
        event.address = AuditEvent.visible(address)
        event.agent = AuditEvent.visible(agent)
        event.object = AuditEvent.visible(object)
        event.old = old.map { AuditEvent.visible($0) }
        event.new = new.map { AuditEvent.visible($0) }
        event.reason = AuditEvent.visible(reason)
        event.count = max(1, count)
        return event
    }

    /// Cut to the limit, control and invisible characters written as `\u{1B}`.
    static func visible(_ text: String, limit: Int = textLimit) -> String {
        // Nearly everything is short and plain: no copy then.
        if text.utf8.count <= limit, text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return text }
        var result = ""
        var bytes = 0
        for scalar in text.unicodeScalars {
            let piece: String
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                piece = "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            default: piece = String(scalar)
            }
            bytes += piece.utf8.count
            // Room for the mark that says that something is missing.
            guard bytes <= limit - 3 else { return result + "…" }
            result += piece
        }
        return result
    }
}
