import FoundationEssentials
import Subprocess
import Synchronization
import TestPeers
import Testing

/// A client of 127.0.0.1 that has nothing to do with what goes on: it logs in and reads, on one connection and on new
/// ones, and every request of its is to be answered.
struct Bystander {
    struct Attendance: CustomStringConvertible {
        var reads = 0
        var slowest = Duration.zero
        /// Milliseconds between the poll of the Modbus device and the answer, at worst.
        var oldest: Int64 = 0
        var failures: [String] = []
        /// On new connections.
        var freshFailures: [String] = []

        var description: String {
            "\(reads) reads, the slowest in \(slowest), the oldest value \(oldest) ms, failures: \(failures) \(freshFailures)"
        }

        var allFailures: [String] { failures + freshFailures }

        mutating func add(_ other: Attendance) {
            reads += other.reads
            slowest = max(slowest, other.slowest)
            oldest = max(oldest, other.oldest)
            failures += other.failures
            freshFailures += other.freshFailures
        }
    }

    private final class Flag: Sendable {
        private let value = Atomic(false)

        var isSet: Bool { value.load(ordering: .relaxed) }
        func set() { value.store(true, ordering: .relaxed) }
    }

    private static let path = "/iotgateway/read?ids=Plant.PLC1.Counter&ids=Simulation.Press1.Count"

    let plant: Plant
    /// Of an agent with HTTPS.
    let port: Int
    /// Of another with plain HTTP.
    var plainPort: Int?

    /// Reads for as long as the body takes.
    ///
    /// - Parameter isFresh: whether it also opens new connections; those that are open are served anyhow.
    func attend<Outcome: Sendable>(
        isFresh: Bool = true, _ body: () async throws -> Outcome
    ) async throws -> (Outcome, Attendance) {
        try await withKeepAliveClient(port: port, authority: plant.authority) { client in
            // The first login computes for a while.
            _ = try await read(client)
            let isOver = Flag()
            return try await withThrowingTaskGroup(of: Attendance.self) { group in
                group.addTask {
                    try await repeated(isOver) { try await read(client) }
                }
                if isFresh {
                    for url in ["https://127.0.0.1:\(port)"] + (plainPort.map { ["http://127.0.0.1:\($0)"] } ?? []) {
                        group.addTask {
                            var attendance = try await repeated(isOver) { try await fresh(url) }
                            swap(&attendance.failures, &attendance.freshFailures)
                            return attendance
                        }
                    }
                }
                let outcome: Result<Outcome, any Error>
                do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
                isOver.set()
                var all = Attendance()
                for try await one in group { all.add(one) }
                return (try outcome.get(), all)
            }
        }
    }

    private func repeated(_ isOver: Flag, _ ask: () async throws -> (Int, String)) async throws -> Attendance {
        var attendance = Attendance()
        let clock = ContinuousClock()
        while !isOver.isSet {
            let begin = clock.now
            let (status, body) = try await ask()
            attendance.slowest = max(attendance.slowest, clock.now - begin)
            attendance.reads += 1
            let entries = (try? RESTAnswer(status: status, body: body).entries) ?? []
            if status == 200, entries.count == 2, entries.allSatisfy(\.s) {
                let now = Int64(Date().timeIntervalSince1970 * 1000)
                attendance.oldest = max(attendance.oldest, now - entries[0].t)
            } else {
                attendance.failures.append("\(status) \(body)")
            }
            // A poll, not a flood.
            try await Task.sleep(for: .milliseconds(20))
        }
        return attendance
    }

    private func read(_ client: KeepAliveClient) async throws -> (Int, String) {
        let answer = try await client.ask(
            Self.path, authorization: KeepAliveClient.basic(PlantConfiguration.viewer))
        return (answer.status, answer.status == 0 ? answer.error : answer.body)
    }

    private func fresh(_ url: String) async throws -> (Int, String) {
        let result = try await run(
            .name("curl"),
            arguments: [
                "-s", "-S", "-g", "--max-time", "20", "--interface", "127.0.0.1", "--cacert", plant.authority, "-u",
                PlantConfiguration.viewer, "-w", "\n%{http_code}", url + Self.path,
            ], input: .none, output: .string(limit: 1 << 16), error: .string(limit: 1 << 16))
        let lines = result.standardOutput.split(separator: "\n", omittingEmptySubsequences: false)
        let status = Int(lines.last ?? "") ?? 0
        return (status, status == 0 ? result.standardError : lines.dropLast().joined(separator: "\n"))
    }
}
