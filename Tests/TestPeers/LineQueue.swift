/// What a peer says, in order, for a test that waits for it.
package actor LineQueue<Line: Sendable> {
    private let source: String
    private var lines: [Line] = []
    private var isFinished = false
    private var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    private var lastTicket = 0

    /// - Parameter source: who speaks, for the error of a wait in vain.
    package init(source: String) {
        self.source = source
    }

    package func append(_ line: Line) {
        lines.append(line)
        wakeAll()
    }

    /// Nothing more will come.
    package func finish() {
        isFinished = true
        wakeAll()
    }

    /// What has come and was not taken.
    package var pending: [Line] { lines }

    /// Takes the oldest line, as soon as there is one.
    package func next(within limit: Duration = .seconds(20)) async throws -> Line {
        try await first(within: limit) { _ in true }
    }

    /// Takes lines until one fits, and gives that one.
    package func first(
        within limit: Duration = .seconds(20), where fits: @Sendable (Line) throws -> Bool
    ) async throws -> Line {
        let deadline = ContinuousClock.now + limit
        var passed: [Line] = []
        while true {
            while !lines.isEmpty {
                let line = lines.removeFirst()
                if try fits(line) { return line }
                passed.append(line)
            }
            try Task.checkCancellation()
            guard !isFinished, ContinuousClock.now < deadline else {
                let last = passed.suffix(20).map { "  \($0)" }.joined(separator: "\n")
                throw TestPeerError(
                    "\(source) \(isFinished ? "ended" : "was silent for \(limit)") before what was waited for:\n\(last)"
                )
            }
            await change(until: deadline)
        }
    }

    private func change(until deadline: ContinuousClock.Instant) async {
        lastTicket += 1
        let ticket = lastTicket
        let timer = Task {
            try? await Task.sleep(until: deadline)
            self.wake(ticket)
        }
        defer { timer.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiting[ticket] = $0 }
        } onCancel: {
            timer.cancel()
        }
    }

    private func wake(_ ticket: Int) {
        waiting.removeValue(forKey: ticket)?.resume()
    }

    private func wakeAll() {
        let all = waiting
        waiting = [:]
        for continuation in all.values { continuation.resume() }
    }
}
