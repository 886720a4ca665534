import Glibc

/// `Benchmarks CASE`, with the options below; `Benchmarks/run` prepares what they name and is what a person calls.
@main
struct Benchmarks {
    static let usage = """
        usage: Benchmarks CASE [OPTION…]

          CASE: \(BenchmarkOptions.Part.allCases.map(\.rawValue).joined(separator: ", "))

          --peers DIRECTORY      the C programs of Benchmarks/peers, compiled; left out, there are no ratios to C
          --work DIRECTORY       an empty directory with ca.pem and tls/server.{pem,key}, for modbus-mqtt, rest, streams
          --sallyport PATH       the release binary, for modbus-mqtt, rest, streams
          --seconds N            how long each part is measured (default 2; modbus-mqtt always 20)
          --publish TYPE         on-change (default) or interval, for modbus-mqtt

        for outbox-…, mqtt-publish, rest-client, durability-cost, replay:

          --disk DIRECTORY       where the outbox lies; on a disk, not in memory
          --rounds N             how often both sides are measured in turn (default 5; at most 3 for durability-cost, replay
                                 and outbox-databases)
          --scale X              this share of the messages (default 1), to try a case out: no figures to compare
          --step make | drain    of outbox-drain, which starts itself so
        """

    static func main() {
        guard let options = BenchmarkOptions(CommandLine.arguments.dropFirst()) else {
            complain(usage)
            exit(2)
        }
        var table = ResultTable()
        do {
            if options.includes(.store) {
                table = try adding(to: table) { table in try await StoreBenchmark(options).run(into: &table) }
            }
            if options.includes(.render) {
                table = try adding(to: table) { table in try await RenderBenchmark(options).run(into: &table) }
            }
            if options.includes(.modbusMQTT) { try ModbusMQTTBenchmark(options).run(into: &table) }
            if options.includes(.rest) { try RESTBenchmark(options).run(into: &table) }
            if options.includes(.streams) { try StreamsBenchmark(options).run(into: &table) }
            if options.includes(.outboxAppend) { try OutboxAppendBenchmark(options).run(into: &table) }
            if options.includes(.outboxDatabases) { try OutboxDatabasesBenchmark(options).run(into: &table) }
            if options.includes(.outboxDrain) { try OutboxDrainBenchmark(options).run(into: &table) }
            if options.includes(.mqttPublish) { try MQTTPublishBenchmark(options).run(into: &table) }
            if options.includes(.restClient) { try RESTClientBenchmark(options).run(into: &table) }
            if options.includes(.durabilityCost) { try DurabilityCostBenchmark(options).run(into: &table) }
            if options.includes(.replay) { try ReplayBenchmark(options).run(into: &table) }
            guard options.step == nil else { return }
            print("\n" + table.text)
        } catch {
            print("\n" + table.text)
            fflush(nil)
            complain("Benchmarks: \(error)")
            exit(1)
        }
    }

    /// On the pool, while this thread waits.
    private static func adding(
        to table: ResultTable, _ body: @escaping @Sendable (inout ResultTable) async throws -> Void
    ) throws -> ResultTable {
        try waiting {
            var table = table
            try await body(&table)
            return table
        }
    }

    private static func complain(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}

struct BenchmarkOptions: Sendable {
    enum Part: String, CaseIterable {
        case store
        case render
        case modbusMQTT = "modbus-mqtt"
        case rest
        case streams
        case outboxAppend = "outbox-append"
        case outboxDatabases = "outbox-databases"
        case outboxDrain = "outbox-drain"
        case mqttPublish = "mqtt-publish"
        case restClient = "rest-client"
        case durabilityCost = "durability-cost"
        case replay
        case all
    }

    private let part: Part
    var peers: String?
    var work: String?
    var sallyport: String?
    var seconds = 2.0
    var publish = "on-change"
    var disk: String?
    var rounds = 5
    var scale = 1.0
    var step: String?

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
            case "--disk": disk = value
            case "--step": step = value
            case "--rounds":
                guard let number = Int(value), (1...99).contains(number) else { return nil }
                rounds = number
            case "--scale":
                guard let number = Double(value), number > 0, number <= 1 else { return nil }
                scale = number
            case "--seconds":
                guard let number = Double(value), number > 0, number <= 60 else { return nil }
                seconds = number
            default: return nil
            }
        }
    }

    func includes(_ wanted: Part) -> Bool { part == wanted || part == .all }

    func scaled(_ count: Int) -> Int { max(10, Int(Double(count) * scale)) }

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
