import Tags

extension ModbusTagOptions {
    /// Registers, or bits for coils and discrete inputs, that the tag's value takes up.
    package var span: Int {
        let count = min(address.count ?? 1, 1 << 20)
        guard address.area.isRegisters else { return count }
        switch type {
        case .string: return ((length ?? 0) + 1) / 2
        default: return count * type.registers
        }
    }

    /// Everything that is inconsistent, each a sentence; empty when the tag can be polled.
    package func problems(device: ModbusDeviceOptions) -> [String] {
        var problems: [String] = []
        let written = address.text(zeroBased: device.isZeroBased)
        let area = address.area
        if address.bit != nil || !area.isRegisters {
            if type != .boolean {
                problems.append(
                    "\(written) is \(address.bit == nil ? "in the \(area.text)" : "a bit"): its type must be Boolean, not \(type.name)"
                )
            }
        } else if type == .boolean {
            problems.append("a Boolean in a register needs its bit, as in \"\(written).0\"")
        } else if type == .date {
            problems.append("Modbus has no Date; read the registers as numbers")
        }
        if type == .string {
            stringProblems(written, &problems)
        } else if length != nil {
            problems.append("length is for the type String, not for \(type.name)")
        }
        if access == .readWrite {
            if address.bit != nil {
                problems.append(
                    "a bit in a register is read-only: writing it would overwrite what the controller changes in the other bits"
                )
            } else if !area.isWritable {
                problems.append("\(area.text) are read-only")
            } else if span > area.mostPerWrite, span <= area.mostPerRead {
                problems.append("\(written) takes \(span) \(area.text); a write carries at most \(area.mostPerWrite)")
            }
        }
        if span > area.mostPerRead {
            problems.append("\(written) takes \(span) \(area.text); one request reads at most \(area.mostPerRead)")
        }
        if Int(address.offset) + span > 65536 {
            problems.append("\(written) runs past the last of the \(area.text)")
        }
        if let poll, poll < .milliseconds(10) { problems.append("poll must be at least 10ms") }
        scaleProblems(&problems)
        if let range { rangeProblems(range, type: publishedType, &problems) }
        return problems
    }

    private func stringProblems(_ written: String, _ problems: inout [String]) {
        if address.count != nil { problems.append("an array of strings is not possible; make a tag of each") }
        switch length {
        case nil: problems.append("a String needs its length in bytes")
        case .some(let bytes) where !(1...250).contains(bytes): problems.append("length must be 1 to 250 bytes")
        default: break
        }
    }

    private func scaleProblems(_ problems: inout [String]) {
        guard let scale else { return }
        if !type.isNumeric || address.bit != nil || !address.area.isRegisters {
            problems.append("scale is for numbers, not for \(type.name)")
        }
        if !scale.type.isNumeric {
            problems.append("a scaled value is a number; its type cannot be \(scale.type.name)")
        }
        let numbers = [scale.raw.lowerBound, scale.raw.upperBound, scale.scaledLow, scale.scaledHigh]
        if !numbers.allSatisfy(\.isFinite) {
            problems.append("the ends of a scale must be finite numbers")
        } else {
            if scale.raw.lowerBound == scale.raw.upperBound { problems.append("the raw ends of a scale must differ") }
            if scale.scaledLow == scale.scaledHigh { problems.append("the scaled ends of a scale must differ") }
        }
    }
}

/// What is wrong with a range in the units of a type.
func rangeProblems(_ range: ClosedRange<Double>, type: DataType, _ problems: inout [String]) {
    if !type.isNumeric { problems.append("range is for numbers, not for \(type.name)") }
    if !range.lowerBound.isFinite || !range.upperBound.isFinite {
        problems.append("the ends of a range must be finite numbers")
    } else if range.lowerBound == range.upperBound {
        problems.append("the ends of a range must differ")
    } else if let bounds = type.integerBounds,
        range.upperBound < Double(bounds.lowest) || range.lowerBound > Double(bounds.highest)
    {
        problems.append("the range lies outside what a \(type.name) holds")
    }
}

extension DataType {
    /// Registers that one value takes; strings are counted by their length.
    var registers: Int {
        switch self {
        case .boolean, .char, .byte, .short, .word, .string, .date: 1
        case .long, .dword, .float: 2
        case .llong, .qword, .double: 4
        }
    }
}

extension ModbusDeviceOptions {
    /// Everything that is inconsistent in the device itself.
    package func problems() -> [String] {
        var problems: [String] = []
        if host.isEmpty { problems.append("host is empty") }
        if port == 0 { problems.append("port 0 cannot be connected to") }
        if unit == 0 { problems.append("unit 0 is a broadcast that nobody answers; most devices are unit 1 or 255") }
        if poll < .milliseconds(10) { problems.append("poll must be at least 10ms") }
        if timeout < .milliseconds(10) { problems.append("timeout must be at least 10ms") }
        if !(0...10).contains(retries) { problems.append("retries must be 0 to 10") }
        if demotion.after < 1 { problems.append("demote: after must be at least 1") }
        if demotion.period < .milliseconds(100) { problems.append("demote: for must be at least 100ms") }
        return problems
    }
}
