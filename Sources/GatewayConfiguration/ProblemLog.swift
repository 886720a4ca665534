/// Collects what is wrong while the file is read, in any order, and gives it back in the order of the file.
final class ProblemLog {
    /// More would be noise, and a hostile file must not cost memory without end.
    static let limit = 1000

    private struct Entry {
        /// Where it is sorted: its own place, or where its tag file is named.
        var key: SourcePlace
        var index: Int
        var problem: ConfigurationProblem
    }

    private var entries: [Entry] = []
    /// A node that is used twice through an alias is read twice; it is reported once.
    private var seen: Set<String> = []
    private var surplus = 0
    private(set) var hasErrors = false
    /// Where the tag file that is being read is named: its problems are sorted there.
    var anchor: SourcePlace?

    func add(_ severity: ConfigurationProblem.Severity, _ place: SourcePlace, _ message: String) {
        if severity == .error { hasErrors = true }
        guard entries.count < ProblemLog.limit else {
            surplus += 1
            return
        }
        let problem = ConfigurationProblem(place: place, severity: severity, message: message)
        guard seen.insert(problem.description).inserted else { return }
        entries.append(Entry(key: anchor ?? place, index: entries.count, problem: problem))
    }

    func sorted() -> [ConfigurationProblem] {
        var problems = entries.sorted(by: ProblemLog.stand).map(\.problem)
        if surplus > 0, let last = problems.last {
            let message = "\(surplus) more problems are not shown; correct these first"
            problems.append(ConfigurationProblem(place: last.place, severity: .error, message: message))
        }
        return problems
    }

    private static func stand(_ one: Entry, before other: Entry) -> Bool {
        let places = (one.problem.place, other.problem.place)
        return (one.key.line, one.key.column, places.0.line, places.0.column, one.index)
            < (other.key.line, other.key.column, places.1.line, places.1.column, other.index)
    }
}
