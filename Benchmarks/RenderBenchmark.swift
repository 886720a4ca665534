import Outbox
import Publishing
import TagStore
import Tags

/// Events into messages of 1000, as a publisher makes them.
struct RenderBenchmark {
    private enum Kind: String, CaseIterable {
        case ints
        case doubles
        /// A third each of integers, doubles and Booleans.
        case mixed
    }

    private let options: BenchmarkOptions
    private static let count = 1000

    init(_ options: BenchmarkOptions) {
        self.options = options
    }

    func run(into table: inout ResultTable) async throws {
        for kind in Kind.allCases {
            let peer = CLoop(["render", kind.rawValue], options)
            let (rate, ratio) = try await peer.compare { events(kind, seconds: $0) }
            table.add(
                "render: \(kind.rawValue)", "\(rate.millions) events/s", target: "≥ 5 M/s", ratio: ratio,
                isMet: rate >= 5_000_000)
        }
    }

    private func value(_ kind: Kind, _ index: Int) -> TagValue {
        let kinds: [Kind: Int] = [.ints: 0, .doubles: 1, .mixed: index % 3]
        let data: TagData =
            switch kinds[kind] {
            case 0: .integer(Int64(index * 65521 % 100_000))
            case 1: .double(20 + Double(index) * 0.0137)
            default: .boolean(index % 2 == 1)
            }
        return TagValue(data: data, timestamp: Timestamp(microseconds: 1_600_000_000_000_000 + Int64(index)))
    }

    private func padded(_ index: Int) -> String {
        let digits = String(index)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    private func events(_ kind: Kind, seconds: Double) -> Double {
        let items = (0..<RenderBenchmark.count).map { index in
            Item(
                handle: TagHandle(index: UInt32(index)),
                name: TagName(validated: "Plant7.PLC12.Zone\(index % 8).Temperature\(padded(index))"))
        }
        let values = items.indices.map { value(kind, $0) }
        var assembler = MessageAssembler(items: items, maxEvents: items.count)
        var events = 0
        var bytes = 0
        let watch = Stopwatch()
        while watch.seconds < seconds {
            for _ in 0..<10 {
                for (slot, value) in values.enumerated() { _ = assembler.append(value, slot: slot) }
                for message in assembler.cut(at: Timestamp(milliseconds: 1_600_000_000_000)) {
                    bytes += message.head.count + message.bytes.count + message.tail.count
                }
                events += values.count
            }
        }
        return bytes > 0 ? Double(events) / watch.coreSeconds : 0
    }
}
