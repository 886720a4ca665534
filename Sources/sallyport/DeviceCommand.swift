import ArgumentParser
import Gateway

struct DeviceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "device",
        abstract: "Ask why a tag is bad: the state and the traffic of the running gateway's devices.",
        subcommands: [Status.self, Trace.self])

    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the state of every device, or of one.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Argument(help: "Channel.Device")
        var name: String?

        func run() throws {
            let client = try path.connect()
            try client.send(.devices(name: name))
            guard case .devices(let devices)? = try client.next() else { return }
            switch format.format {
            case .json: try Terminal.json(devices)
            case .text: devices.forEach { $0.show() }
            }
        }
    }

    struct Trace: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show each request, reply and exception as it goes, decoded and in hexadecimal, until Ctrl-C.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Option(help: "End after so many entries.")
        var count: Int?
        @Argument(help: "Channel.Device")
        var name: String

        func run() throws {
            let client = try path.connect()
            try client.send(.trace(device: name))
            var left = count ?? .max
            while left > 0, case .trace(let entry)? = try client.next() {
                switch format.format {
                case .json: try Terminal.json(entry)
                case .text: entry.show()
                }
                left -= 1
            }
        }
    }
}

extension DeviceReport {
    func show() {
        Terminal.say("\(name)  \(driver)  \(endpoint)")
        Terminal.say("  state        \(state)")
        if let lastError { Terminal.say("  last error   \(Terminal.time(lastErrorMilliseconds)): \(lastError)") }
        Terminal.say("  last good    \(Terminal.time(lastGoodMilliseconds))")
        if let poll = lastPollMilliseconds {
            Terminal.say("  last poll    took \((poll * 10).rounded() / 10) ms for \(tags) tags")
        } else {
            Terminal.say("  tags         \(tags)")
        }
        Terminal.say(
            "  requests     \(requests), \(failures) failed (\(timeouts) timeouts, \(exceptions) exceptions), "
                + "\(reconnects) reconnects")
    }
}

extension TraceReport {
    fileprivate func show() {
        let mark =
            switch direction {
            case "request": "→"
            case "reply": "←"
            case "exception": "✗"
            default: "·"
            }
        Terminal.say("\(Terminal.time(timeMilliseconds)) \(mark) \(text)")
        let digits = Array("0123456789abcdef")
        var rest = bytes[...]
        while !rest.isEmpty {
            let line = rest.prefix(32).map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }
            Terminal.say("      " + line.joined(separator: " "))
            rest = rest.dropFirst(32)
        }
    }
}
