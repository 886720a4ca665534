import SecurityPolicy

extension AuditLogCommand {
    static func say(_ entries: [AuditEntry], _ format: OutputFormat) throws {
        for entry in entries {
            switch format {
            case .json: try Terminal.json(entry)
            case .text: Terminal.say(text(entry))
            }
        }
    }

    /// One line an entry: what is empty is left out.
    private static func text(_ entry: AuditEntry) -> String {
        var words = ["\(entry.sequence)", AuditTime.text(entry.time), entry.outcome, entry.action]
        if !entry.object.isEmpty { words.append(entry.object) }
        if entry.old != nil || entry.new != nil { words.append("\(entry.old ?? "") -> \(entry.new ?? "")") }
        let kind = entry.kind == "user" ? "" : " (\(entry.kind))"
        // What was not checked, or is no token at all, has no name.
        words.append("by \(entry.principal.isEmpty ? "somebody" : entry.principal)\(kind)")
        if !entry.address.isEmpty { words.append("from \(entry.address)") }
        if !entry.agent.isEmpty { words.append("at \(entry.agent)") }
        if entry.count != 1 { words.append("\(entry.count) times") }
        if !entry.reason.isEmpty { words.append("- \(entry.reason)") }
        return words.joined(separator: "  ")
    }

    static func say(_ result: AuditVerification) {
        for problem in result.problems { Terminal.say("\(problem.kind.rawValue)  \(problem.text)") }
        if result.problemCount > result.problems.count {
            Terminal.say("and \(result.problemCount - result.problems.count) problems more")
        }
        for note in result.notes { Terminal.say("note  \(note)") }
        let range = result.entries == 0 ? "no entries" : "\(result.entries) entries, \(result.first) to \(result.last)"
        let end = result.lastTime.map { " of \($0)" } ?? ""
        Terminal.say(
            "\(result.isIntact ? "intact" : "NOT INTACT")  \(result.source): \(range)\(end); \(result.heads) signed heads,"
                + " \(result.checkpoints) checkpoints")
        for key in result.publicKeys { Terminal.say("signed by \(key)") }
    }
}
