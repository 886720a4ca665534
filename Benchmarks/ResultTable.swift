import Glibc

/// What was measured, one row a case.
struct ResultTable {
    private struct Row {
        let cells: [String]
    }

    private static let heading = ["case", "figure", "target", "ratio in this run", ""]
    private var rows: [Row] = []

    /// Adds a row and says it at once: the whole takes minutes.
    ///
    /// - Parameters:
    ///   - ratio: to the same work of a peer in the same run.
    ///   - isMet: nil where there is no target.
    mutating func add(_ name: String, _ figure: String, target: String = "–", ratio: String = "–", isMet: Bool? = nil) {
        let verdict = isMet.map { $0 ? "met" : "short" } ?? ""
        rows.append(Row(cells: [name, figure, target, ratio, verdict]))
        print("\(name): \(figure)\(ratio == "–" ? "" : ", \(ratio)")\(verdict.isEmpty ? "" : " (\(verdict))")")
        fflush(nil)
    }

    /// As Markdown.
    var text: String {
        let widths = ResultTable.heading.indices.map { column in
            max(3, ([Row(cells: ResultTable.heading)] + rows).map { $0.cells[column].count }.max() ?? 0)
        }
        let line = { (cells: [String]) in
            "| "
                + zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: " | ")
                + " |"
        }
        let rule = "|" + widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "|") + "|"
        return ([line(ResultTable.heading), rule] + rows.map { line($0.cells) }).joined(separator: "\n")
    }
}

extension Double {
    /// With so many digits after the point.
    func text(_ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((magnitude * scale).rounded())
        let sign = self < 0 && scaled != 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(scaled)" }
        let fraction = String(scaled % Int64(scale))
        let padding = String(repeating: "0", count: digits - fraction.count)
        return "\(sign)\(scaled / Int64(scale)).\(padding)\(fraction)"
    }

    /// In millions.
    var millions: String { (self / 1_000_000).text(1) + " M" }
}
