import FoundationEssentials
import Subprocess
import TestPeers
import Testing

/// The receivers of `docs/receivers`, as the manual gives them away.
@Suite("A receiver with one unique index", .serialized, .timeLimit(.minutes(3)))
struct ReceiverTests {
    fileprivate static let program = "\(packageRoot)/docs/receivers/receiver.py"

    private struct Receiver {
        let directory: TemporaryDirectory

        var database: String { directory.file("plant.db") }

        /// Takes a record, and tells how many messages of it were new and how many were not.
        func replay(_ record: String) async throws -> String {
            try await runCommand("python3", [ReceiverTests.program, "--sqlite", database, "--replay", record])
        }

        /// What the effect has come to: rows, and the sum of the counts.
        func effect() async throws -> [Int] {
            let query = """
                import sqlite3, sys
                database = sqlite3.connect(sys.argv[1])
                print(database.execute("SELECT count(*) FROM measurements").fetchone()[0])
                print(database.execute("SELECT coalesce(sum(events), 0) FROM totals").fetchone()[0])
                print(database.execute("SELECT count(*) FROM received").fetchone()[0])
                """
            let answer = try await runCommand("python3", ["-c", query, database])
            return answer.split(separator: "\n").compactMap { Int($0) }
        }
    }

    @Test("makes the effect exactly once of what came once, twice, and again after a restart")
    func exactlyOnce() async throws {
        let directory = try TemporaryDirectory()
        // Every connection ends with a message that was recorded and not acknowledged: it comes again on the next one.
        let recorder = try MQTTRecorder(recordingTo: directory.file("record.jsonl"))
        recorder.behave { $0.disconnectAfter = .init(publishes: 7, ending: .reset) }
        let here = try OutboxPlant(port: recorder.port)
        let records = try await here.plant.running { _ in
            try await eventually(within: .seconds(60), "duplicates") {
                let records = try recorder.file.records()
                return records.count - Set(records.compactMap(\.identity)).count >= 3 ? records : nil
            }
        }
        recorder.stop()
        let record = directory.file("record.jsonl")
        let all = try recorder.file.records()
        #expect(all.count >= records.count)
        let sent = Set(all.compactMap(\.identity))
        let events = sent.reduce(0) { $0 + $1.events }

        let receiver = Receiver(directory: directory)
        // A receiver that was ended in the middle, and begins again from the front.
        let half = try String(contentsOfFile: record, encoding: .utf8).split(separator: "\n").prefix(all.count / 2)
        _ = try await receiver.replay(try directory.write(half.joined(separator: "\n") + "\n", to: "half.jsonl"))
        let first = try await receiver.replay(record)
        #expect(first.contains("passed over"))
        #expect(try await receiver.effect() == [events, events, sent.count])
        let second = try await receiver.replay(record)
        #expect(second == "0 taken, \(all.count) passed over\n")
        #expect(try await receiver.effect() == [events, events, sent.count])
    }

    @Test("does the same over HTTP, and takes nothing whose effect fails")
    func http() async throws {
        let receiver = Receiver(directory: try TemporaryDirectory())
        let port = try freePort()
        try await withPeerProcess(
            "python3", [Self.program, "--sqlite", receiver.database, "--http", "127.0.0.1:\(port)"],
            isReady: { $0.hasPrefix("listening") }
        ) { _, _ async throws in
            let good =
                #"{"timestamp":1,"values":[{"id":"A.B.C","v":1,"q":true,"t":1},"#
                + #"{"id":"A.B.D","v":2,"q":true,"t":1}]}"#
            #expect(try await post("no JSON", sequence: 1, port) == "503")
            #expect(try await receiver.effect() == [0, 0, 0])
            for _ in 1...3 { #expect(try await post(good, sequence: 1, port) == "204") }
            #expect(try await receiver.effect() == [2, 2, 1])
            #expect(try await post(good, sequence: 2, port) == "204")
            #expect(try await receiver.effect() == [4, 4, 2])
        }
    }

    private func post(_ body: String, sequence: Int, _ port: Int) async throws -> String {
        let headers = [
            "agent: http", "epoch: e", "sequence: \(sequence)", "offset: 0", "events: 2",
        ].flatMap { ["-H", "sallyport-\($0)"] }
        return try await runCommand(
            "curl",
            ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", "-d", body] + headers
                + ["http://127.0.0.1:\(port)/"])
    }
}
