import ArgumentParser
import FoundationEssentials
import Glibc
import Outbox

extension OutboxCommand {
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Find what is lost, doubled or late in what a receiver recorded; exit 1 when something is lost.",
            discussion: "Needs neither a gateway nor a configuration.")

        @OptionGroup var path: ConfigurationPath
        @Option(help: "A file with a line of JSON for each message, in the order in which they came; several are one.")
        var from: [String]
        @Option(help: "Only the messages of this agent.")
        var agent: String?
        @OptionGroup var format: FormatOption

        func run() async throws {
            var builder = DeliveryReport.Builder()
            for file in from { try RecordFile.read(file, into: &builder) }
            var report = builder.report
            guard !report.streams.isEmpty || report.problemCount > 0 else {
                throw Failure.failed(
                    "no line of \(from.joined(separator: ", ")) says which message it is: it has no sallyport-sequence")
            }
            if let agent {
                let names = Set(report.streams.map(\.agent.printable)).sorted().joined(separator: ", ")
                report.streams.removeAll { $0.agent != agent }
                guard !report.streams.isEmpty else {
                    throw Failure.failed("there is no message of agent \(agent); there are some of: \(names)")
                }
                report.isComplete = report.problemCount == 0 && report.streams.allSatisfy(\.isComplete)
            }
            switch format.format {
            case .json: try Terminal.json(report)
            case .text: report.show()
            }
            guard report.isComplete else { throw Failure.failed(report.verdict) }
        }
    }
}

/// What a receiver wrote, a line at a time.
private enum RecordFile {
    /// A message is at most a fraction of it.
    static let longestLine = 64 << 20

    static func read(_ path: String, into builder: inout DeliveryReport.Builder) throws {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure(path) }
        defer { close(file) }
        var facts = stat()
        let size = fstat(file, &facts) == 0 ? Int(facts.st_size) : 0
        builder.begin(source: path)
        var progress = ProgressLine()
        defer { progress.clear() }
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        var line: [UInt8] = []
        var isTooLong = false
        var position = 0
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(path) }
            guard count > 0 else { break }
            position += count
            var rest = chunk[..<count]
            while let end = rest.firstIndex(of: 0x0A) {
                if isTooLong {
                    builder.add(unreadable: tooLong)
                } else if line.isEmpty {
                    builder.add(line: rest[..<end])
                } else {
                    line += rest[..<end]
                    builder.add(line: line[...])
                }
                line.removeAll(keepingCapacity: true)
                isTooLong = false
                rest = rest[(end + 1)...]
            }
            if !isTooLong { line += rest }
            if line.count > longestLine {
                line = []
                isTooLong = true
            }
            progress.show("\(path): \(size > 0 ? "\(position * 100 / max(size, position)) %" : Amount.bytes(position))")
        }
        if isTooLong { builder.add(unreadable: tooLong) } else { builder.add(unended: line[...]) }
    }

    private static let tooLong = "it is longer than \(Amount.bytes(longestLine)), which no message is"

    private static func failure(_ path: String) -> Failure {
        Failure.usage("\(path) cannot be read: \(String(cString: strerror(errno)))")
    }
}

extension DeliveryReport {
    /// Of the ranges and problems, so many are told; JSON has more.
    private static let shown = 20

    fileprivate func show() {
        for problem in problems.prefix(DeliveryReport.shown) {
            Terminal.complain("\(problem.source):\(problem.line): error: \(problem.reason.printable)")
        }
        if problemCount > DeliveryReport.shown {
            Terminal.complain("and \(problemCount - DeliveryReport.shown) lines more that cannot be read")
        }
        for warning in warnings {
            Terminal.complain("\(warning.source):\(warning.line): warning: \(warning.reason.printable)")
        }
        for stream in streams { stream.show(DeliveryReport.shown) }
        if others > 0 { Terminal.say("\(Amount.count(others, "line")) about something else") }
        if isComplete { Terminal.say("nothing is lost") }
    }

    /// What is wrong, in a sentence.
    fileprivate var verdict: String {
        let lost = streams.reduce(UInt64(0)) { $0.addingReportingOverflow($1.lost).partialValue }
        let holes = streams.reduce(0) { $0 + $1.incomplete }
        var parts: [String] = []
        if lost > 0 { parts.append("\(Amount.count(Int(clamping: lost), "message")) \(lost == 1 ? "is" : "are") lost") }
        if holes > 0 { parts.append("parts of messages are lost in \(Amount.count(holes, "place"))") }
        if problemCount > 0 { parts.append("\(Amount.count(problemCount, "line")) cannot be read") }
        return parts.joined(separator: ", ")
    }
}

extension DeliveryReport.Stream {
    fileprivate func show(_ most: Int) {
        Terminal.say("\(agent.printable) of \(gateway.isEmpty ? "?" : gateway.printable), epoch \(epoch.printable)")
        Terminal.say("  sequences    \(first) to \(last)")
        Terminal.say(
            "  messages     \(Amount.count(Int(clamping: messages), "message")), "
                + "\(Amount.count(Int(clamping: events), "event"))")
        Terminal.say("  lost         \(list(lost, lostRanges, most))")
        if incomplete > 0 {
            let places = holes.prefix(most).map { "sequence \($0.sequence) without events \($0.from) to \($0.to)" }
            Terminal.say("  incomplete   \(places.joined(separator: ", "))\(incomplete > most ? " …" : "")")
        }
        Terminal.say("  dropped      \(list(dropped, droppedRanges, most))\(dropped > 0 ? ", as announced" : "")")
        Terminal.say("  duplicated   \(duplicated)")
        Terminal.say("  reordered    \(reordered)")
    }

    private func list(_ count: UInt64, _ ranges: [DeliveryReport.Range], _ most: Int) -> String {
        guard count > 0 else { return "0" }
        let texts = ranges.prefix(most).map { $0.from == $0.to ? "\($0.from)" : "\($0.from) to \($0.to)" }
        return "\(count): \(texts.joined(separator: ", "))\(ranges.count > most ? " …" : "")"
    }
}
