import Glibc
import Outbox

extension OutboxOverview {
    /// - Parameter isRunning: whether a gateway answered.
    func show(isRunning: Bool) {
        Terminal.say("\(path)  \(Amount.bytes(Int(fileBytes)))")
        if let failure { Terminal.say("  not written  \(failure.printable); messages are in memory only until it is") }
        if quarantined > 0 {
            Terminal.say("  moved aside  \(Amount.count(quarantined, "damaged file")) since the start, beside it")
        }
        if !isRunning { Terminal.say("  no gateway runs") }
        for agent in agents { agent.show(isGatewayRunning: isRunning) }
    }
}

extension OutboxStatus {
    fileprivate func show(isGatewayRunning: Bool) {
        let state =
            isRunning || !isGatewayRunning
            ? "" : messages > 0 ? "  does not run: what waits stays until it does, or is discarded" : "  does not run"
        Terminal.say("\(agent)\(state)")
        let cap = maxBytes.map { " of \(Amount.bytes($0))" } ?? ""
        Terminal.say(
            "  waiting      \(Amount.count(messages, "message")), \(Amount.count(events, "event")), "
                + "\(Amount.bytes(bytes))\(cap)")
        if messages > 0, let oldestAge {
            Terminal.say("  oldest       for \(Amount.time(seconds: Double(oldestAge) / 1000))")
        }
        if isRunning {
            let end =
                secondsToFull.map { "; full in \(Amount.time(seconds: $0)), then \(whenFull ?? "it drops")" } ?? ""
            Terminal.say("  coming in    \(Amount.bytes(Int(clamping: Int64(bytesPerSecond)))) a second\(end)")
        }
        Terminal.say(
            "  dead letters \(deadLetters)"
                + (deadLetters > 0 ? "; what and why: sallyport outbox dead-letters '\(agent.printable)'" : ""))
        Terminal.say(
            "  dropped      \(Amount.count(Int(clamping: droppedMessages), "message")), "
                + Amount.count(Int(clamping: droppedEvents), "event"))
        Terminal.say("  last one     sequence \(sequence), epoch \(epoch)")
    }
}

extension [DeadLetterSummary] {
    func show() {
        Terminal.table(
            [["SET ASIDE (UTC)", "EPOCH", "SEQUENCE", "OFFSET", "EVENTS", "BYTES", "TOPIC", "REASON"]]
                + map { letter in
                    [
                        Terminal.time(letter.setAside), String(letter.epoch.prefix(8)), "\(letter.sequence)",
                        "\(letter.offset)", "\(letter.events)", "\(letter.bytes)", letter.topic?.printable ?? "-",
                        letter.reason.printable,
                    ]
                })
    }
}

/// Amounts as people say them.
enum Amount {
    static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    static func bytes(_ bytes: Int) -> String {
        var size = Double(bytes)
        for unit in ["bytes", "KiB", "MiB", "GiB"] {
            if size < 1024 { return unit == "bytes" ? "\(bytes) bytes" : "\((size * 10).rounded() / 10) \(unit)" }
            size /= 1024
        }
        return "\((size * 10).rounded() / 10) TiB"
    }

    static func time(seconds: Double) -> String {
        var amount = max(0, seconds)
        for (unit, size) in [("s", 60.0), ("min", 60), ("h", 24)] {
            if amount < 2 * size { return "\(Int(amount)) \(unit)" }
            amount /= size
        }
        return "\(Int(min(amount, 1e9))) d"
    }
}

/// How far long work has come, on one line that is written over, for people alone.
struct ProgressLine {
    private let isShown = isatty(STDERR_FILENO) == 1
    private var next = ContinuousClock.now
    private var isThere = false

    /// A few times a second at the most.
    mutating func show(_ text: @autoclosure () -> String) {
        guard isShown, ContinuousClock.now >= next else { return }
        next = .now + .milliseconds(200)
        isThere = true
        put("\r\u{1B}[K\(text())")
    }

    /// Takes the line away.
    mutating func clear() {
        if isThere { put("\r\u{1B}[K") }
        isThere = false
    }

    private func put(_ text: String) { _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) } }
}

extension String {
    /// What a peer or a file says, without what a terminal would obey.
    var printable: String {
        String(String.UnicodeScalarView(unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }
}
