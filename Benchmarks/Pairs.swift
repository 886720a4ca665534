/// What two sides came to, measured in turn: a machine is never quite quiet, and what disturbs a round disturbs both.
struct Pairs: Sendable {
    private(set) var ours: [Double] = []
    private(set) var theirs: [Double] = []

    mutating func add(ours: Double, theirs: Double) {
        self.ours.append(ours)
        self.theirs.append(theirs)
    }

    private var ratios: [Double] { zip(ours, theirs).map { $1 > 0 ? $0 / $1 : 0 } }

    /// The median of the rounds, each compared with itself.
    var ratio: Double { ratios.median }

    /// How far the rounds lie apart: with much between the least and the greatest, the machine was not quiet.
    var range: String { "\((ratios.min() ?? 0).text(2))–\((ratios.max() ?? 0).text(2))" }

    /// - Parameter unit: of what the other side came to.
    func text(_ peer: String, _ unit: String, digits: Int = 0) -> String {
        "\(ratio.text(2)) of \(peer) (\(theirs.median.text(digits)) \(unit); rounds \(range))"
    }
}

/// What a program says as `name=number` on one line.
struct Figures: Sendable {
    private var values: [Substring: Double] = [:]
    private let said: String

    /// - Parameter first: what its line begins with.
    init(_ said: String, line first: String) {
        self.said = said
        let line = said.split(separator: "\n").last { $0.hasPrefix(first) } ?? ""
        for field in line.split(separator: " ") {
            let parts = field.split(separator: "=")
            if parts.count == 2 { values[parts[0]] = Double(parts[1]) }
        }
    }

    subscript(_ name: Substring) -> Double { values[name] ?? .nan }

    func need(_ name: Substring) throws(BenchmarkError) -> Double {
        guard let value = values[name], value.isFinite else {
            throw BenchmarkError("there is no figure \(name) in: \(said.suffix(2000))")
        }
        return value
    }
}
