import Tags

extension SimulatorTagOptions {
    /// Everything that is inconsistent, each a sentence; empty when the tag can be simulated.
    package func problems() -> [String] {
        var problems: [String] = []
        switch address {
        case .ramp(_, let low, let high, _, _): numberProblems("RAMP", low, high, &problems)
        case .random(_, let low, let high, _): numberProblems("RANDOM", low, high, &problems)
        case .sine(_, let low, let high, _, _, _): numberProblems("SINE", low, high, &problems)
        case .user(_, let values):
            for value in values where NumberConversion.parse(value, as: type) == nil {
                problems.append("USER's text \"\(value)\" is no \(type.name)")
            }
            if type == .date { problems.append("USER gives no Date") }
        case .register(.constant, _, _):
            if type == .date { problems.append("a K register holds no Date") }
        case .register(.ramping, _, _):
            if !type.isNumeric { problems.append("an R register ramps: its type must be a number, not \(type.name)") }
        case .register(.toggling, _, _):
            if type != .boolean { problems.append("a B register is Boolean, not \(type.name)") }
        case .register(.text, _, _):
            if type != .string { problems.append("an S register is a String, not \(type.name)") }
        }
        if type == .string, address.count != nil { problems.append("an array of strings is not possible") }
        if access == .readWrite, address.rate != nil {
            problems.append("a function is read-only; only registers can be written")
        }
        if let range { rangeProblems(range, type: type, &problems) }
        return problems
    }

    private func numberProblems(_ function: String, _ low: Double, _ high: Double, _ problems: inout [String]) {
        guard type.isNumeric else {
            problems.append("\(function) gives numbers, not \(type.name)")
            return
        }
        for bound in [low, high] where NumberConversion.number(bound, as: type) == nil {
            problems.append("\(function)'s end \(bound) does not fit a \(type.name)")
        }
    }
}
