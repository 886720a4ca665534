package import Tags

/// Which entries are wanted; what is nil does not matter. Texts match without ASCII case; `*` in a principal or an object
/// stands for any characters.
package struct AuditFilter: Sendable, Equatable, Codable {
    /// Microseconds since 1970.
    package var since: Int64?
    package var until: Int64?
    package var principal: String?
    package var action: String?
    package var object: String?
    package var outcome: String?
    /// The newest so many; they come oldest first.
    package var limit: Int

    package init(
        since: Timestamp? = nil, until: Timestamp? = nil, principal: String? = nil, action: String? = nil,
        object: String? = nil, outcome: String? = nil, limit: Int = 100
    ) {
        self.since = since?.microseconds
        self.until = until?.microseconds
        self.principal = principal
        self.action = action
        self.object = object
        self.outcome = outcome
        self.limit = limit
    }

    package func matches(_ entry: AuditEntry) -> Bool {
        if let since, entry.time.microseconds < since { return false }
        if let until, entry.time.microseconds > until { return false }
        if let action, !sameName(action, entry.action) { return false }
        if let outcome, !sameName(outcome, entry.outcome) { return false }
        if let principal, !AuditFilter.matches(principal, entry.principal) { return false }
        if let object, !AuditFilter.matches(object, entry.object) { return false }
        return true
    }

    /// Whether a text fits a pattern in which `*` stands for any characters. Linear in each part: one step back at most.
    static func matches(_ pattern: String, _ text: String) -> Bool {
        let pattern = Array(foldedName(pattern).utf8), text = Array(foldedName(text).utf8)
        var place = 0, position = 0
        var star: (place: Int, position: Int)?
        while position < text.count {
            if place < pattern.count, pattern[place] == 0x2A {
                star = (place, position)
                place += 1
            } else if place < pattern.count, pattern[place] == text[position] {
                place += 1
                position += 1
            } else if let last = star {
                star = (last.place, last.position + 1)
                place = last.place + 1
                position = last.position + 1
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == 0x2A }
    }
}
