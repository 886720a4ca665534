import FoundationEssentials
import Gateway
import Glibc
import Logging
import Outbox
import SecurityPolicy

/// The outbox of a configuration: through the gateway that runs on it, or from its file, under the data directory's lock.
struct OutboxAccess {
    private enum Way {
        case gateway(dataDirectory: String)
        case file(Outbox, AuditLog)
    }

    private let way: Way
    /// That no log reaches: nothing is exported here, and the configuration may be wrong.
    private static let auditBounds = AuditOptions(
        maximumBytes: 1 << 44, maximumAge: .seconds(36_500 * 86_400), reserve: 0)

    /// Opens it for as long as the body takes.
    static func with(_ path: ConfigurationPath, _ body: (OutboxAccess) async throws -> Void) async throws {
        let directory = try path.dataDirectory()
        if try ControlClient(dataDirectory: directory) != nil {
            return try await body(OutboxAccess(way: .gateway(dataDirectory: directory)))
        }
        // Not made here: where no gateway has run, a look must leave nothing behind.
        guard access(directory + "/outbox.sqlite", F_OK) == 0 else {
            throw Failure.failed("there is no outbox in \(directory) yet; a gateway makes it when it starts")
        }
        let lock = try DataDirectory(path: directory)
        let logger = Logger(label: "sallyport") { label in
            ConsoleLogHandler(label: label, format: .text, level: .warning)
        }
        let outbox = try await Outbox.open(
            dataDirectory: lock.path, machine: lock.machine, movesDamagedAside: false, logger: logger)
        let audit = try await AuditLog.open(dataDirectory: lock.path, options: OutboxAccess.auditBounds)
        do {
            try await body(OutboxAccess(way: .file(outbox, audit)))
        } catch {
            await outbox.close()
            await audit.close()
            throw error
        }
        await outbox.close()
        await audit.close()
        withExtendedLifetime(lock) {}
    }

    /// Whether a gateway runs.
    var isRunning: Bool {
        if case .gateway = way { true } else { false }
    }

    private func ask(_ request: OutboxRequest, _ take: (ControlReply) throws -> Void) async throws {
        switch way {
        case .gateway(let directory):
            guard let client = try ControlClient(dataDirectory: directory) else {
                throw Failure.failed("the gateway stopped meanwhile; ask again")
            }
            try client.send(.outbox(request))
            while let reply = try client.next() { try take(reply) }
        case .file(let outbox, let audit): try await outbox.answer(request, by: localOperator(), audit) { try take($0) }
        }
    }

    func overview() async throws -> OutboxOverview {
        var overview: OutboxOverview?
        try await ask(.status) { if case .outbox(let answer) = $0 { overview = answer } }
        guard let overview else { throw Failure.failed("the running gateway gave no answer") }
        return overview
    }

    /// What waits for an agent, by its name; in whatever case where that means one only.
    func status(of agent: String) async throws -> OutboxStatus {
        let overview = try await overview()
        let wanted = agent.asciiLowercased
        let found = overview.agents.filter { $0.agent.asciiLowercased == wanted }
        if let status = found.first(where: { $0.agent == agent }) ?? (found.count == 1 ? found.first : nil) {
            return status
        }
        // A file that cannot be read has no agents, which is no fault of the name.
        if let failure = overview.failure { throw Failure.failed("the outbox cannot be read now: \(failure)") }
        guard !overview.agents.isEmpty else { throw Failure.failed("no agent has an outbox yet") }
        let names = overview.agents.map(\.agent).joined(separator: ", ")
        throw Failure.failed("no agent \(agent) has an outbox; there is one of: \(names)")
    }

    func letters(of agent: String, limit: Int) async throws -> [DeadLetterSummary] {
        var letters: [DeadLetterSummary] = []
        try await ask(.letters(agent: agent, limit: limit)) {
            if case .deadLetters(let answer) = $0 { letters += answer }
        }
        return letters
    }

    /// Does what may take long.
    ///
    /// - Parameter progress: hears how many messages were done and how many are left.
    /// - Returns: how many were done.
    func perform(_ request: OutboxRequest, progress: (Int, Int) -> Void) async throws -> Int {
        var total = 0
        try await ask(request) {
            guard case .outboxProgress(let done, let left) = $0 else { return }
            total = done
            progress(done, left)
        }
        return total
    }
}

extension String {
    /// Names are compared without the case of a–z.
    fileprivate var asciiLowercased: String {
        String(decoding: utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}
