/// The same work as a plain C program of Benchmarks/peers.
struct CLoop {
    private let options: BenchmarkOptions
    private let command: [String]

    init(_ command: [String], _ options: BenchmarkOptions) {
        self.command = command
        self.options = options
    }

    /// What it does a second; nil where the compiled programs are not at hand.
    func rate(seconds: Double) throws(BenchmarkError) -> Double? {
        guard let peers = options.peers, let name = command.first else { return nil }
        let text = try Child.run(
            "the C loop \(name)", ["\(peers)/\(name)"] + command.dropFirst() + ["\(seconds)"],
            output: "\(peers)/\(name).out")
        return text.split(separator: "\n").first.flatMap { Double($0) }
    }

    /// Measures both in turn, several times, and takes the median of each: a machine is never quite quiet.
    func compare(_ ours: (_ seconds: Double) async throws -> Double) async throws -> (ours: Double, ratio: String) {
        var here: [Double] = []
        var there: [Double] = []
        for _ in 0..<3 {
            here.append(try await ours(options.seconds / 2))
            if let rate = try rate(seconds: options.seconds / 2) { there.append(rate) }
        }
        let (median, other) = (here.median, there.median)
        return (median, other > 0 ? "\((median / other).text(2)) of C (\(other.millions))" : "–")
    }
}

extension [Double] {
    var median: Double { isEmpty ? 0 : sorted()[count / 2] }
}
