import FoundationEssentials
import Subprocess
import TestPeers

/// The commands of a page of the manual with what the page says they answer.
///
/// A block that begins with ```` ```console ```` is a session: lines that begin with `$ ` are typed, `> ` goes on with
/// the line before, what follows is the answer until the next command. In an answer `…` stands for anything, a run of
/// digits for any other, with decimals or without, and so do what looks like a token or a hash. An empty line parts two commands.
///
/// A block that begins with ```` ```diff ```` is a change that the reader makes to `gateway.yaml`.
struct ManualPage: Sendable {
    enum Action: Sendable {
        case type(String)
        case edit(old: String, new: String)
    }

    struct Step: Sendable {
        var line: Int
        var action: Action
        var answer: [String] = []
    }

    private enum Block { case prose, session, change }

    let name: String
    let steps: [Step]

    init(name: String, steps: [Step]) {
        self.name = name
        self.steps = steps
    }

    init(_ name: String) throws {
        let text = try String(contentsOfFile: "\(packageRoot)/docs/\(name)", encoding: .utf8)
        self.init(name: name, steps: Self.steps(of: text))
    }

    static func steps(of text: String) -> [Step] {
        var steps: [Step] = []
        var block = Block.prose
        var change: (old: [Substring], new: [Substring]) = ([], [])
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("```") {
                if block == .change {
                    let (old, new) = (change.old.joined(separator: "\n"), change.new.joined(separator: "\n"))
                    steps.append(Step(line: index + 1, action: .edit(old: old, new: new)))
                }
                change = ([], [])
                block = line == "```console" ? .session : line == "```diff" ? .change : .prose
            } else if block == .change {
                if !line.hasPrefix("+") { change.old.append(line.dropFirst()) }
                if !line.hasPrefix("-") { change.new.append(line.dropFirst()) }
            } else if block == .session, line.hasPrefix("$ ") {
                steps.append(Step(line: index + 1, action: .type(String(line.dropFirst(2)))))
            } else if block == .session, !line.isEmpty, let last = steps.indices.last {
                if line.hasPrefix("> "), steps[last].answer.isEmpty, case .type(let command) = steps[last].action {
                    steps[last].action = .type(command + "\n" + line.dropFirst(2))
                } else {
                    steps[last].answer.append(String(line))
                }
            }
        }
        return steps
    }

    /// Does every step in order, each command in a shell of its own, and tells where an answer differs.
    ///
    /// - Parameters:
    ///   - directory: where the commands run and which answers leave out; `sallyport` is the build's.
    ///   - replacing: texts of the page that are others here, such as a port.
    ///   - reloaded: waits until the gateway has read its configuration again.
    func play(
        in directory: String, replacing: [(String, String)] = [], reloaded: () async throws -> Void = {}
    ) async throws -> [String] {
        var differences: [String] = []
        for step in steps {
            switch step.action {
            case .edit(let old, let new):
                let file = "\(directory)/gateway.yaml"
                let text = try String(contentsOfFile: file, encoding: .utf8)
                let parts = text.split(separator: old, omittingEmptySubsequences: false)
                guard parts.count == 2 else {
                    differences.append(
                        "docs/\(name):\(step.line): gateway.yaml has this \(parts.count - 1) times:\n\(old)")
                    continue
                }
                try parts.joined(separator: new).write(toFile: file, atomically: true, encoding: .utf8)
            case .type(let command):
                if let difference = try await type(command, of: step, in: directory, replacing: replacing) {
                    differences.append(difference)
                }
                if command.hasPrefix("kill -HUP ") { try await reloaded() }
            }
        }
        return differences
    }

    /// - Returns: how the answer differs from the page's.
    private func type(
        _ page: String, of step: Step, in directory: String, replacing: [(String, String)]
    ) async throws -> String? {
        let binaries = "\(packageRoot)/.build/debug"
        let command = replacing.reduce(page) { $0.replacing($1.0, with: $1.1) }
        // What happened shows in the audit log within a second, and a written value with the next poll.
        let showsLater = /sallyport (audit-log show|policy diff|tag read|device status)/
        let deadline = ContinuousClock.now + (page.prefixMatch(of: showsLater) == nil ? .zero : .seconds(10))
        while true {
            let result = try await run(
                .name("bash"),
                arguments: [
                    "-c", "exec 2>&1; cd \"$0\" && export PATH=\"$1:$PATH\" SALLYPORT_CONFIG=gateway.yaml\n\(command)",
                    directory, binaries,
                ],
                input: .none, output: .string(limit: 1 << 20), error: .discarded)
            let here = replacing + [("", "\(directory)/")]
            let said = result.standardOutput.split(whereSeparator: \.isNewline)
                .map { line in here.reduce(String(line)) { $0.replacing($1.1, with: $1.0) } }
            if Self.matches(said[...], step.answer[...]) { return nil }
            guard ContinuousClock.now < deadline else {
                return """
                    docs/\(name):\(step.line): $ \(page)
                    the page says:
                    \(step.answer.joined(separator: "\n"))
                    it answers (\(result.terminationStatus)):
                    \(said.joined(separator: "\n"))
                    """
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// A line that is `…` alone stands for any number of lines.
    private static func matches(_ said: ArraySlice<String>, _ expected: ArraySlice<String>) -> Bool {
        guard let first = expected.first else { return said.isEmpty }
        if first == "…" {
            return (said.startIndex...said.endIndex).contains { matches(said[$0...], expected.dropFirst()) }
        }
        guard let line = said.first, likeness(line) == likeness(first) || fits(line, first) else { return false }
        return matches(said.dropFirst(), expected.dropFirst())
    }

    private static func fits(_ line: String, _ expected: String) -> Bool {
        let parts = likeness(expected).split(separator: "…", omittingEmptySubsequences: false)
        guard parts.count > 1 else { return false }
        var rest = Substring(likeness(line))
        guard rest.hasPrefix(parts[0]) else { return false }
        rest = rest.dropFirst(parts[0].count)
        for part in parts.dropFirst().dropLast() {
            guard let found = rest.firstRange(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return rest.hasSuffix(parts[parts.count - 1])
    }

    /// What does not change from run to run: digits, tokens and hashes are one character, blanks one blank.
    static func likeness(_ line: String) -> String {
        line.replacing(/\b[0-9a-f]{32,}\b/, with: "#")
            .replacing(/sp_[A-Za-z0-9_-]{20,}/, with: "#")
            .replacing(/[A-Za-z0-9+\/_-]{40,}=*/, with: "#")
            .replacing(/[0-9]+(\.[0-9]+)?/, with: "0")
            .replacing(/[ ─-]{2,}/, with: " ")
            .trimmingCharacters(" ")
    }
}

extension String {
    fileprivate func trimmingCharacters(_ blank: Character) -> String {
        var text = self[...]
        while text.last == blank { text.removeLast() }
        while text.first == blank { text.removeFirst() }
        return String(text)
    }
}
