package import Tags

/// A simulator address: a function or a register of WIRE.md §3.
///
/// Each tag has its own state: two tags on `K1` do not share a value.
package enum SimulatorAddress: Sendable, Equatable {
    /// From low by the increment at each rate; past an end it begins at the other. `whole` when the bounds are integers.
    case ramp(rate: Duration, low: Double, high: Double, increment: Double, whole: Bool)
    case random(rate: Duration, low: Double, high: Double, whole: Bool)
    /// Frequency in Hz, phase in degrees.
    case sine(rate: Duration, low: Double, high: Double, frequency: Double, phase: Double, whole: Bool)
    /// One text after the other.
    case user(rate: Duration, values: [String])
    case register(Register, number: Int, count: Int?)

    package enum Register: Character, Sendable {
        /// Holds what was written.
        case constant = "K"
        /// One more at every poll of the device.
        case ramping = "R"
        /// Toggles at every poll of the device.
        case toggling = "B"
        /// A text: empty at first, then what was written.
        case text = "S"
    }

    /// Integer bounds give Long, decimal bounds Float; texts String; K and R registers Word, B Boolean, S String.
    package var defaultType: DataType {
        switch self {
        case .ramp(_, _, _, _, let whole), .random(_, _, _, let whole), .sine(_, _, _, _, _, let whole):
            whole ? .long : .float
        case .user: .string
        case .register(.constant, _, _), .register(.ramping, _, _): .word
        case .register(.toggling, _, _): .boolean
        case .register(.text, _, _): .string
        }
    }

    /// The elements of an array, nil for a scalar.
    package var count: Int? {
        if case .register(_, _, let count) = self { count } else { nil }
    }

    /// A function's own rate; nil for registers, which are stepped at the device's poll.
    package var rate: Duration? {
        switch self {
        case .ramp(let rate, _, _, _, _), .random(let rate, _, _, _), .sine(let rate, _, _, _, _, _),
            .user(let rate, _):
            rate
        case .register: nil
        }
    }
}

/// Why a simulator address is refused; the description says what to write instead.
package enum SimulatorAddressError: Error, Equatable, CustomStringConvertible {
    case malformed(String)
    case arguments(function: String, wanted: String)
    case number(String, function: String)
    case rate(String)
    case bounds(function: String)
    case increment
    case frequency
    case tooManyTexts
    case registerNumber(String)
    case count(String)

    package var description: String {
        switch self {
        case .malformed(let text):
            "\"\(text)\" is not a simulator address; write RAMP (…), RANDOM (…), SINE (…), USER (…) or a register"
                + " as K0001, R0001, B0001, S0001, with [n] behind it for an array"
        case .arguments(let function, let wanted): "\(function) takes (\(wanted))"
        case .number(let text, let function): "\"\(text)\" in \(function) is not a number"
        case .rate(let text): "the rate \"\(text)\" must be a whole number of milliseconds from 10 to 3600000"
        case .bounds(let function): "in \(function) the low end must be below the high end"
        case .increment: "the increment of RAMP must not be 0 nor larger than the way from low to high"
        case .frequency: "the frequency of SINE must be above 0 and at most 1000 Hz"
        case .tooManyTexts: "USER takes 1 to 1000 texts"
        case .registerNumber(let text): "the register \"\(text)\" needs a number from 0 to 65535"
        case .count(let text): "the array \"\(text)\" must have 1 to 1000 elements"
        }
    }
}
