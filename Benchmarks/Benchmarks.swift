import Glibc

/// `Benchmarks store | render | modbus-mqtt | rest | streams | all`, with the options below; `Benchmarks/run` prepares what they
/// name and is what a person calls.
@main
struct Benchmarks {
    static let usage = """
        usage: Benchmarks store | render | modbus-mqtt | rest | streams | all [OPTION…]

          --peers DIRECTORY      the C programs of Benchmarks/peers, compiled; left out, there are no ratios to C
          --work DIRECTORY       an empty directory with ca.pem and tls/server.{pem,key}, for modbus-mqtt, rest, streams
          --sallyport PATH       the release binary, for modbus-mqtt, rest, streams
          --seconds N            how long each part is measured (default 2; modbus-mqtt always 20)
          --publish TYPE         on-change (default) or interval, for modbus-mqtt
        """

    static func main() async {
        guard let options = BenchmarkOptions(CommandLine.arguments.dropFirst()) else {
            complain(usage)
            exit(2)
        }
        var table = ResultTable()
        do {
            if options.includes(.store) { try await StoreBenchmark(options).run(into: &table) }
            if options.includes(.render) { try await RenderBenchmark(options).run(into: &table) }
            if options.includes(.modbusMQTT) { try ModbusMQTTBenchmark(options).run(into: &table) }
            if options.includes(.rest) { try RESTBenchmark(options).run(into: &table) }
            if options.includes(.streams) { try StreamsBenchmark(options).run(into: &table) }
            print("\n" + table.text)
        } catch {
            print("\n" + table.text)
            fflush(nil)
            complain("Benchmarks: \(error)")
            exit(1)
        }
    }

    private static func complain(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}

struct BenchmarkOptions {
    enum Part: String, CaseIterable {
        case store
        case render
        case modbusMQTT = "modbus-mqtt"
        case rest
        case streams
        case all
    }

    private let part: Part
    var peers: String?
    var work: String?
    var sallyport: String?
    var seconds = 2.0
    var publish = "on-change"

    init?(_ arguments: ArraySlice<String>) {
        guard let first = arguments.first, let part = Part(rawValue: first) else { return nil }
        self.part = part
        var rest = arguments.dropFirst()
        while let name = rest.popFirst() {
            guard let value = rest.popFirst() else { return nil }
            switch name {
            case "--peers": peers = value
            case "--work": work = value
            case "--sallyport": sallyport = value
            case "--publish": publish = value
            case "--seconds":
                guard let number = Double(value), number > 0, number <= 60 else { return nil }
                seconds = number
            default: return nil
            }
        }
    }

    func includes(_ wanted: Part) -> Bool { part == wanted || part == .all }

    /// What the parts with real processes cannot do without.
    func need(_ path: String?, _ option: String) throws(BenchmarkError) -> String {
        guard let path else { throw BenchmarkError("\(option) is missing; start Benchmarks/run, which gives it") }
        return path
    }
}

/// Why there is no figure.
struct BenchmarkError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
