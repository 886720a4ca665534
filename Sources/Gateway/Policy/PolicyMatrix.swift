import SecurityPolicy
package import Tags

/// Who may do what with which tag: a row a tag, a column for each set of groups that somebody has.
package struct PolicyMatrix: Codable, Sendable, Equatable {
    package struct Column: Codable, Sendable, Equatable {
        package var principals: [String]
        package var groups: [String]
        /// How many of all the tags asked for may be browsed, read and written.
        package var browse = 0
        package var read = 0
        package var write = 0
    }

    package struct Row: Codable, Sendable, Equatable {
        package var tag: String
        /// A cell a column: `brw` for browse, read, write, a `-` in place of each that is denied.
        package var cells: [String]
    }

    package var columns: [Column]
    /// The first rows, as many as were asked for.
    package var rows: [Row]
    /// How many tags were looked at.
    package var tags: Int

    /// - Parameters:
    ///   - patterns: only tags that one of these matches; empty for all.
    ///   - agent: as it goes through the agent of this index, its items and switches counted in; nil for the
    ///     permissions alone.
    ///   - limit: how many rows are kept. Every tag is counted all the same.
    package init(
        _ view: PolicyView, _ subjects: [PolicySubject], patterns: [TagPattern] = [], agent: Int? = nil,
        limit: Int = .max
    ) {
        columns = subjects.map { Column(principals: $0.names, groups: $0.principal.groups) }
        rows = []
        tags = 0
        for tag in view.tags where patterns.isEmpty || patterns.contains(where: { $0.matches(tag) }) {
            tags += 1
            var cells: [String] = []
            for (index, subject) in subjects.enumerated() {
                func may(_ action: TagAction) -> Bool {
                    view.snapshot.decide(subject.principal, action, tag).isAllowed
                        && agent.map { view.obstacle($0, subject.principal, action, tag) == nil } ?? true
                }
                // Read and write need browse.
                let browse = may(.browse)
                let read = browse && may(.read)
                let write = browse && may(.write)
                columns[index].browse += browse ? 1 : 0
                columns[index].read += read ? 1 : 0
                columns[index].write += write ? 1 : 0
                if rows.count < limit { cells.append((browse ? "b" : "-") + (read ? "r" : "-") + (write ? "w" : "-")) }
            }
            if rows.count < limit { rows.append(Row(tag: tag.text, cells: cells)) }
        }
    }
}
