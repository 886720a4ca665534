import Glibc
import Tags

/// The state of one simulated tag: each step gives its next value. Pure, but for what it remembers.
struct SimulatedTag: Sendable {
    let address: SimulatorAddress
    let type: DataType
    /// Nanoseconds between two steps.
    let period: Int64
    private var step: Double = 0
    private var index = 0
    private var random: SplitMix
    /// What was last written to a register, and what it ramps on from.
    private var held: TagData?

    init(_ options: SimulatorTagOptions, poll: Duration, seed: UInt64) {
        address = options.address
        type = options.type
        period = (options.address.rate ?? poll).pollNanoseconds
        random = SplitMix(state: seed)
    }

    /// The value at this step.
    ///
    /// - Parameter seconds: since the device began; what SINE is worked out from.
    mutating func next(seconds: Double) -> TagData? {
        defer { index &+= 1 }
        switch address {
        case .ramp(_, let low, let high, let increment, _):
            if index > 0 {
                step += increment
                if step > high { step = low }
                if step < low { step = high }
            } else {
                step = increment > 0 ? low : high
            }
            return NumberConversion.number(step, as: type)
        case .random(_, let low, let high, let whole):
            if whole {
                let span = UInt64(clamping: Int64(high) - Int64(low)) &+ 1
                return NumberConversion.number(low + Double(random.next() % max(span, 1)), as: type)
            }
            return NumberConversion.number(low + (high - low) * random.fraction(), as: type)
        case .sine(_, let low, let high, let frequency, let phase, _):
            let angle = 2 * Double.pi * (seconds * frequency + phase / 360)
            return NumberConversion.number(low + (high - low) / 2 * (1 + sin(angle)), as: type)
        case .user(_, let values):
            guard !values.isEmpty else { return nil }
            return NumberConversion.parse(values[abs(index % values.count)], as: type)
        case .register(let register, _, let count):
            let value = nextOf(register, count: count)
            held = value
            return value
        }
    }

    private func nextOf(_ register: SimulatorAddress.Register, count: Int?) -> TagData? {
        guard let held else { return array(initial, count: count) }
        guard case .array(let array) = held else { return following(held, register) }
        guard register == .ramping || register == .toggling else { return held }
        return .array(array.elements.map { following($0, register) ?? initial })
    }

    private func array(_ element: TagData, count: Int?) -> TagData {
        guard let count else { return element }
        return .array(Array(repeating: element, count: count))
    }

    private var initial: TagData {
        switch type {
        case .boolean: .boolean(false)
        case .string: .string("")
        default: NumberConversion.number(0, as: type) ?? .none
        }
    }

    private func following(_ data: TagData, _ register: SimulatorAddress.Register) -> TagData? {
        switch (register, data) {
        case (.toggling, .boolean(let value)): return .boolean(!value)
        case (.ramping, .integer(let value)):
            let bounds = type.integerBounds ?? (0, 0)
            return .integer(value >= Int64(clamping: bounds.highest) ? bounds.lowest : value + 1)
        case (.ramping, .unsigned(let value)):
            return .unsigned(value >= (type.integerBounds?.highest ?? 0) ? 0 : value + 1)
        // Beyond 2^24 a Float no longer counts by ones.
        case (.ramping, .float(let value)): return .float(value >= 16_777_216 ? 0 : value + 1)
        case (.ramping, .double(let value)): return .double(value >= 9_007_199_254_740_992 ? 0 : value + 1)
        default: return data
        }
    }

    /// Takes a value that was checked before.
    mutating func write(_ data: TagData) {
        held = data
    }
}

/// A small generator with a seed, so that a device's random values can be had again.
struct SplitMix: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// 0..<1
    mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}
