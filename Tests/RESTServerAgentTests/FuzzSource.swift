import Foundation

/// Random bytes and choices that come again with the same seed.
struct FuzzSource: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<max(1, limit), using: &self) }

    /// What breaks readers: ends of numbers, escapes, bytes that are no UTF-8, brackets, separators.
    static let pieces: [[UInt8]] =
        [
            "\"", "\\", "\\u", "\\ud800", "\\udc00", "\\u0000", "\\u00", "\\x", "[", "]", "{", "}", "[[[[[[[[",
            "{\"a\":",
            ",", ",,", ":", "::", "null", "true", "fals", "-", "+", "0", "00", "-0", "1e999", "-1e999", "1e-999",
            "1E+", ".5", "5.", "0x10", "NaN", "Infinity", "9223372036854775807", "9223372036854775808",
            "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
            "99999999999999999999999999999999999999", "1.7976931348623157e308", "4.9e-324", "\"id\"", "\"v\"", "\"v\":",
            "\"id\":\"Simulator.T2.5S\"", "\u{FEFF}", "\u{2028}", "é", "e\u{301}", "\u{1F600}", "\0", "\u{1}", "\u{7F}",
            "\t", "\r", "\n", "\r\n", " ", "%", "%0", "%00", "%25", "%ff", "%C0%80", "%zz", "&", "&&", "&ids=", "ids=",
            "?", "#", "+", ";", "..", "/../", "*", "**", "Simulator.**", "=", "==", "===", "Basic ", "Bearer ", "@",
            "::1",
            "[::]", "[::1]:", "127.0.0.1", "256.1.1.1", ", ", "for=", "::ffff:127.0.0.1", "fe80::1%eth0", "65536",
            "\r\nX: y",
        ].map { Array($0.utf8) } + [
            [0x80], [0xC0, 0xAF], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88], [0xFE, 0xFF],
            [0xFF], [0xEF, 0xBB, 0xBF], [0xF0, 0x9F, 0x98],
        ]

    /// One of the seeds with one to four changes; now and then without any, so that good input stays in the mix.
    mutating func mutated(_ seeds: [[UInt8]]) -> [UInt8] {
        var bytes = seeds[below(seeds.count)]
        for _ in 0..<below(5) { mutate(&bytes, seeds) }
        return bytes
    }

    private mutating func mutate(_ bytes: inout [UInt8], _ seeds: [[UInt8]]) {
        let at = below(bytes.count + 1)
        let end = min(bytes.count, at + 1 + below(24))
        switch below(12) {
        case 0 where at < bytes.count: bytes[at] = UInt8.random(in: 0...255, using: &self)
        case 1 where at < bytes.count: bytes[at] ^= 1 << UInt8(below(8))
        case 2: bytes.removeSubrange(at..<end)
        case 3: bytes.removeLast(bytes.count - at)
        case 4: bytes.insert(contentsOf: bytes[at..<end], at: below(bytes.count + 1))
        case 5: bytes.replaceSubrange(at..<end, with: FuzzSource.pieces[below(FuzzSource.pieces.count)])
        // Many of one thing, up to past the limits of depth and of a name.
        case 6:
            let piece = FuzzSource.pieces[below(FuzzSource.pieces.count)]
            let count = [2, 31, 32, 33, 64, 300, 5000][below(below(50) == 0 ? 7 : 5)]
            bytes.insert(contentsOf: Array(repeating: piece, count: count).joined(), at: at)
        case 7:
            let other = seeds[below(seeds.count)]
            let cut = below(other.count + 1)
            bytes.replaceSubrange(at..., with: other[cut...])
        case 8: bytes.insert(contentsOf: Array(String(next()).utf8), at: at)
        case 9:
            bytes.insert(contentsOf: Array(String(Double(bitPattern: next())).utf8), at: at)
        default: bytes.insert(contentsOf: FuzzSource.pieces[below(FuzzSource.pieces.count)], at: at)
        }
    }
}

/// How many inputs, and which: `SALLYPORT_FUZZ=10000000 SALLYPORT_FUZZ_SEED=1`.
struct FuzzPlan: Sendable {
    /// Fuzzed inputs in all, over all kinds.
    let inputs: Int
    let seed: UInt64

    static let current: FuzzPlan = {
        let environment = ProcessInfo.processInfo.environment
        // The same in every run, unless told: a red run can be repeated.
        let seed = environment["SALLYPORT_FUZZ_SEED"].flatMap { UInt64($0) } ?? 39_320
        return FuzzPlan(inputs: environment["SALLYPORT_FUZZ"].flatMap { Int($0) } ?? 10_000, seed: seed)
    }()

    static func say(_ text: String) {
        print(text)
        // What lies in a buffer is lost with a trap.
        fflush(nil)
    }

    /// Runs `body` for its share of the inputs, each with a source of its own; says the seed first, because a trap says
    /// nothing afterwards.
    func run(_ what: String, share: Int, of whole: Int, _ body: (inout FuzzSource, Int) throws -> Void) rethrows {
        let count = max(1, inputs / whole * share)
        let begin = ContinuousClock.now
        FuzzPlan.say("fuzzing \(what): \(count) inputs, SALLYPORT_FUZZ_SEED=\(seed)")
        for number in 0..<count {
            var source = FuzzSource(seed: seed &+ UInt64(number) &* 0x2545_F491_4F6C_DD1D)
            try body(&source, number)
            if number > 0, number % 1_000_000 == 0 { FuzzPlan.say("fuzzing \(what): \(number) done") }
        }
        FuzzPlan.say("fuzzed \(what): \(count) inputs in \(ContinuousClock.now - begin)")
    }
}
