import GatewayConfiguration
import TestPeers
import Testing

@Suite("Whatever the file holds", .timeLimit(.minutes(5)))
struct FuzzTests {
    /// SplitMix64: the same mutations in every run.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private static let pieces = [
        "\"", "'", "[", "]", "{", "}", ":", ": ", "- ", "#", "&a ", "*a ", "*publish", "<<: ", "|", ">", "!!str ",
        "!x ", "~",
        "\n", "\r\n", "\t", "  ", "\0", "\u{85}", "\u{2028}", "\u{F8FF}", "\u{FEFF}", "é", "999999999999999999999",
        "-1", "0",
        "1e999", "nan", "9223372036854775808d", "yes", "null", "true", "\\x00", "---\n", "...\n", "%YAML 1.3\n", "? ",
        "**", ".",
        "name: ", "enabled: ", "\u{1F600}",
    ].map { Array($0.utf8) }

    @Test func mutationsOfTheExamplesNeverTrap() throws {
        let directory = try ExampleTests.surfaceDirectory()
        let path = directory.file("fuzz.yaml")
        var random = Seeded(state: 39320)
        let seeds = [
            Array(SurfaceExample.text.utf8), try BytesOnDisk.read("\(packageRoot)/config/gateway.yaml"),
        ]
        for round in 0..<3000 {
            var bytes = seeds[round % 2]
            for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&bytes, &random) }
            try BytesOnDisk.write(bytes, to: path)
            check(GatewayConfiguration.load(path: path, environment: [:]))
        }
    }

    @Test func mutationsOfATagFileNeverTrap() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(
            """
            version: 1
            gateway: { name: g }
            channels: [{ name: P, driver: modbus-tcp, devices: [{ name: D, host: h, tag-file: t.csv }] }]
            """, to: "gateway.yaml")
        let seed = try BytesOnDisk.read("\(packageRoot)/config/tags/plc1.csv")
        var random = Seeded(state: 502)
        for _ in 0..<2000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&bytes, &random) }
            try BytesOnDisk.write(bytes, to: directory.file("t.csv"))
            check(GatewayConfiguration.load(path: path, environment: [:]))
        }
    }

    private func check(_ outcome: ConfigurationOutcome) {
        #expect((outcome.configuration == nil) == !outcome.errors.isEmpty)
        #expect(outcome.problems.allSatisfy { $0.place.line >= 1 && $0.place.column >= 1 && !$0.message.isEmpty })
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout Seeded) {
        guard !bytes.isEmpty else { return }
        let at = Int.random(in: 0..<bytes.count, using: &random)
        let end = min(bytes.count, at + Int.random(in: 1...40, using: &random))
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.removeSubrange(at..<end)
        case 2: bytes.insert(contentsOf: FuzzTests.pieces.randomElement(using: &random) ?? [], at: at)
        case 3: bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0...bytes.count, using: &random))
        case 4: bytes.replaceSubrange(at..<end, with: FuzzTests.pieces.randomElement(using: &random) ?? [])
        default: bytes.removeLast(bytes.count - at)
        }
    }

    @Test(arguments: [
        String(repeating: "[", count: 200_000), String(repeating: "{a: ", count: 100_000),
        String(repeating: "- ", count: 100_000), (0..<3000).map { String(repeating: " ", count: $0) + "a:\n" }.joined(),
        String(repeating: "a: ", count: 10_000), String(repeating: "\"", count: 9_999),
        String(repeating: "? ", count: 100_000), String(repeating: "!!x ", count: 10_000),
    ])
    func depthIsBounded(_ text: String) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(text, to: "gateway.yaml")
        #expect(GatewayConfiguration.load(path: path, environment: [:]).configuration == nil)
    }

    /// A bomb as a value is stopped by the bound on nodes, one as a key before it is hashed.
    @Test(arguments: [
        "", "*a12 : 1\n", "? *a12\n: 1\n", "b: { [*a12, *a12]: 1 }\n", "b: { [*a12]\n  : 1 }\n", "b: { *a12 : 1 }\n",
    ])
    func anAliasBombIsRefused(_ ending: String) throws {
        var text = "version: 1\ngateway: { name: g }\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...12 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(aliases)]\n"
        }
        let directory = try TemporaryDirectory()
        let path = try directory.write(text + ending, to: "gateway.yaml")
        let problems = GatewayConfiguration.load(path: path, environment: [:]).problems
        #expect(problems.count == 1)
        #expect(problems.first?.message.contains("alias") == true)
    }

    @Test func problemsAreBounded() throws {
        let text = "version: 1\ngateway: { name: g }\nagents:\n" + String(repeating: "- x\n", count: 5000)
        let directory = try TemporaryDirectory()
        let path = try directory.write(text, to: "gateway.yaml")
        let problems = GatewayConfiguration.load(path: path, environment: [:]).problems
        #expect(problems.count == 1001)
        #expect(problems.last?.message == "4000 more problems are not shown; correct these first")
    }

    @Test func aHugeFileIsRefused() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("gateway.yaml")
        try BytesOnDisk.write(Array(repeating: 0x23, count: (16 << 20) + 1), to: path)
        #expect(
            GatewayConfiguration.load(path: path, environment: [:]).problems.map(\.message)
                == ["the configuration file is larger than 16MiB"])
    }
}
