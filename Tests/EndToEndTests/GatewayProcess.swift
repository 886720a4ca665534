import FoundationEssentials
import Glibc
import Subprocess
import TestPeers

/// The real binary, as the package's build made it.
let sallyport = "\(packageRoot)/.build/debug/sallyport"

/// What a command line said and how it ended.
struct CommandOutcome: Sendable {
    let code: Int32
    let output: String
    let errors: String
}

/// A directory with a configuration, on which gateways and commands run.
struct Plant: Sendable {
    let directory: TemporaryDirectory
    var configuration: String { directory.file("gateway.yaml") }
    var dataDirectory: String { directory.file("data") }

    init(_ yaml: String, in directory: TemporaryDirectory? = nil) throws {
        self.directory = try directory ?? TemporaryDirectory()
        try write(yaml)
    }

    func write(_ yaml: String) throws { try directory.write(yaml, to: "gateway.yaml") }

    /// A file that only its owner may read.
    func secret(_ text: String, _ name: String) throws {
        let path = try directory.write(text + "\n", to: name)
        chmod(path, 0o600)
    }

    /// Runs the command line on this configuration.
    func command(_ arguments: String..., input: String = "") async throws -> CommandOutcome {
        try await Self.command(arguments + ["--config", configuration], input: input)
    }

    static func command(_ arguments: [String], input: String = "") async throws -> CommandOutcome {
        let result = try await run(
            .name("env"), arguments: Arguments([sallyport] + arguments), input: .string(input),
            output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        guard case .exited(let code) = result.terminationStatus else {
            throw TestPeerError("sallyport \(arguments) ended by \(result.terminationStatus): \(result.standardError)")
        }
        return CommandOutcome(code: code, output: result.standardOutput, errors: result.standardError)
    }

    /// Makes a user with this password.
    func add(user: String, password: String, _ rights: String...) async throws {
        let outcome = try await Self.command(
            ["user", "add", user] + rights + ["--config", configuration], input: password + "\n")
        guard outcome.code == 0 else { throw TestPeerError(outcome.errors) }
    }

    /// Runs a gateway for as long as the body takes; everything has started when the body begins. It must end with exit
    /// code 0, within twelve seconds of SIGTERM.
    ///
    /// - Parameters:
    ///   - isKilled: whether the body kills it.
    ///   - environment: beside what there is, `NAME=VALUE`; or a program with its arguments that is to start it.
    func running<Outcome: Sendable>(
        isKilled: Bool = false, environment: [String] = [],
        _ body: (GatewayProcess) async throws -> Outcome
    ) async throws -> Outcome {
        try await withPeerProcess(
            // `env` takes them in front of the program.
            environment.first ?? sallyport,
            environment.dropFirst() + (environment.isEmpty ? [] : [sallyport]) + ["run", "--config", configuration],
            patience: .seconds(12), isReady: { $0.contains(" Running") },
            endsWell: { isKilled || $0 == .exited(0) }
        ) {
            try await body(GatewayProcess(plant: self, processIdentifier: $0, log: $1))
        }
    }
}

/// A gateway that runs.
struct GatewayProcess: Sendable {
    let plant: Plant
    let processIdentifier: Int32
    /// What it logs; `first(where:)` takes lines away.
    let log: LineQueue<String>

    func signal(_ number: Int32) { kill(processIdentifier, number) }

    /// Whether it has ended by itself, and only waits to be noticed.
    var hasEnded: Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(processIdentifier)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return true }
        return text[end...].dropFirst(2).first == "Z"
    }

    /// Changes the configuration and has it read again; returns when that was done, or refused.
    @discardableResult
    func reload(_ yaml: String) async throws -> String {
        try plant.write(yaml)
        signal(SIGHUP)
        return try await log.first { $0.contains("Configuration applied") || $0.contains("Reload refused") }
    }

    /// Asks the REST server agent with curl.
    ///
    /// - Parameter path: behind `/iotgateway`.
    func get(_ path: String, port: Int, user: String? = nil, _ more: String...) async throws -> RESTAnswer {
        try await get(path, at: "https://127.0.0.1:\(port)", user: user, more)
    }

    /// As above, of an agent at another address or without TLS.
    func get(_ path: String, at url: String, user: String? = nil, _ more: String...) async throws -> RESTAnswer {
        try await get(path, at: url, user: user, more)
    }

    private func get(_ path: String, at url: String, user: String?, _ more: [String]) async throws -> RESTAnswer {
        var arguments = [
            "-s", "-g", "--max-time", "15", "--cacert", "\(plant.dataDirectory)/tls/default.pem", "-w",
            "\n%{http_code}",
        ]
        if let user { arguments += ["-u", user] }
        let result = try await run(
            .name("curl"),
            arguments: Arguments(arguments + more + ["\(url)/iotgateway\(path)"]), input: .none,
            output: .string(limit: 1 << 20), error: .string(limit: 65536))
        let lines = result.standardOutput.split(separator: "\n", omittingEmptySubsequences: false)
        return RESTAnswer(status: Int(lines.last ?? "") ?? 0, body: lines.dropLast().joined(separator: "\n"))
    }
}

struct RESTAnswer: Sendable {
    struct Read: Decodable, Sendable {
        struct Entry: Decodable, Sendable {
            let id: String
            let s: Bool
            let r: String
            let v: Double?
            let t: Int64
        }

        let readResults: [Entry]
    }

    struct Browse: Decodable, Sendable {
        struct Entry: Decodable, Sendable { let id: String }

        let browseResults: [Entry]
    }

    let status: Int
    let body: String

    var entries: [Read.Entry] {
        get throws { try JSONDecoder().decode(Read.self, from: Data(body.utf8)).readResults }
    }

    var ids: [String] {
        get throws { try JSONDecoder().decode(Browse.self, from: Data(body.utf8)).browseResults.map(\.id) }
    }
}

/// A message of an MQTT agent, decoded by somebody else's decoder.
struct PublishedMessage: Decodable, Sendable {
    struct Event: Decodable, Sendable {
        let id: String
        /// nil for what is not a number.
        let v: Double?
        let q: Bool
        let t: Int64

        private enum Key: CodingKey { case id, v, q, t }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            id = try container.decode(String.self, forKey: .id)
            v = try? container.decode(Double.self, forKey: .v)
            q = try container.decode(Bool.self, forKey: .q)
            t = try container.decode(Int64.self, forKey: .t)
        }
    }

    let timestamp: Int64
    let values: [Event]

    init(_ message: ReceivedMessage) throws {
        self = try JSONDecoder().decode(PublishedMessage.self, from: Data(message.payload))
    }
}

/// Asks again until it is as wanted.
func eventually<Value>(
    within limit: Duration = .seconds(20), _ what: String, _ ask: () async throws -> Value?
) async throws -> Value {
    let end = ContinuousClock().now.advanced(by: limit)
    while ContinuousClock().now < end {
        if let value = try await ask() { return value }
        try await Task.sleep(for: .milliseconds(50))
    }
    throw TestPeerError("\(what) did not come about within \(limit)")
}
