import Tags
import Yams

/// Reads one file. Its extensions each read one part; all report to one log.
final class ConfigurationReader {
    /// The file as the caller named it: what problems show.
    let file: String
    /// The directory that relative paths begin at, absolute.
    let directory: String
    /// The same as problems show it.
    private let shownDirectory: String
    let environment: [String: String]
    let log = ProblemLog()
    var catalog = TagCatalog()

    init(file: String, workingDirectory: String, environment: [String: String]) {
        self.file = file
        self.environment = environment
        let folder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
        shownDirectory = folder
        let absolute = folder.hasPrefix("/") ? folder : "\(workingDirectory)/\(folder)"
        directory = absolute.hasSuffix("/") ? String(absolute.dropLast()) : absolute
    }

    /// A path of the file as an absolute one.
    func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : "\(directory)/\(path)"
    }

    /// A path of the file as problems show it.
    func shown(_ path: String) -> String {
        path.hasPrefix("/") ? path : shownDirectory + path
    }

    func section(_ node: Node, _ what: String, keys: [String]) -> Section? {
        Section(node, what, keys: keys, file: file, log: log)
    }

    /// Reports what this version of Sallyport does not do, where leaving it out silently would mislead.
    func refuse(_ place: SourcePlace, _ what: String, _ remedy: String) {
        log.add(.error, place, "\(what) is not in this version of Sallyport; \(remedy)")
    }

    /// Reports a name that a sibling has already; remembers it otherwise.
    func checkUnique(_ name: ScalarText, _ kind: String, in seen: inout [String: SourcePlace]) {
        let folded = TagName.folded(name.text)
        if let first = seen[folded] {
            log.add(
                .error, name.place,
                "\(kind) \"\(Section.shortened(name.text))\" stands twice (names that differ only in case are the same), "
                    + "first on line \(first.line); rename one")
        } else {
            seen[folded] = name.place
        }
    }
}
