import SecurityPolicy
import Tags
import WireFormat

extension AuditEvent {
    /// Bytes of a value or a name in the log: more is cut.
    private static let longestText = 512

    /// That a write is about to be tried.
    static func intent(_ write: PreparedWrite, _ run: WriteRun) -> AuditEvent {
        AuditEvent(
            .write, of: write.definition.name.text, by: run.principal, address: run.source.address,
            agent: run.source.agent, new: text(write.data), outcome: .begun)
    }

    /// What became of a write whose intent is in the log.
    static func verdict(
        _ verdict: WriteVerdict, _ write: PreparedWrite, old: TagData?, _ run: WriteRun
    ) -> AuditEvent {
        let outcome: Outcome =
            switch verdict.outcome {
            case .applied: .succeeded
            case .unknown: .unknown
            case .rejected(.deviceRefused), .rejected(.deviceOffline): .failed
            case .rejected: .refused
            }
        return AuditEvent(
            .write, of: write.definition.name.text, by: run.principal, address: run.source.address,
            agent: run.source.agent, old: old.flatMap { known in known == .none ? nil : text(known) },
            new: text(write.data), outcome: outcome, reason: verdict.isApplied ? verdict.word : verdict.text)
    }

    /// That a write was refused before anything was touched.
    static func refusal(
        _ verdict: WriteVerdict, _ request: WriteRequest, by principal: Principal, from source: WriteSource
    ) -> AuditEvent {
        // What was asked, not what may exist: the log is read by people, and the name may hold anything.
        AuditEvent(
            .write, of: shortened(ValueCoercion.printable(verdict.tag)), by: principal, address: source.address,
            agent: source.agent, new: text(request.value), outcome: .refused, reason: verdict.text)
    }

    private static func text(_ data: TagData) -> String {
        var json = JSONBytes()
        json.append(data: data)
        return shortened(String(decoding: json.bytes, as: UTF8.self))
    }

    private static func text(_ value: JSONValue) -> String? {
        var json = JSONBytes()
        switch value {
        case .null: json.append(raw: "null")
        case .boolean(let flag): json.append(bool: flag)
        case .integer(let number): json.append(integer: number)
        case .unsigned(let number): json.append(unsigned: number)
        case .double(let number): json.append(double: number)
        case .string(let string): json.append(string: shortened(string))
        // Of no use to who looks for what was refused, and of any size.
        case .array, .object: return nil
        }
        return shortened(String(decoding: json.bytes, as: UTF8.self))
    }

    private static func shortened(_ text: String) -> String {
        guard text.utf8.count > longestText else { return text }
        // Cut between characters: half a character is not UTF-8.
        var cut = text.utf8.index(text.startIndex, offsetBy: longestText)
        while cut.samePosition(in: text.unicodeScalars) == nil { cut = text.utf8.index(before: cut) }
        return "\(text[..<cut])…"
    }
}
