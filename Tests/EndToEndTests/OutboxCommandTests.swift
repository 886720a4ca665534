import FoundationEssentials
import Subprocess
import TestPeers
import Testing

@Suite("The verb outbox", .serialized, .timeLimit(.minutes(4)))
struct OutboxCommandTests {
    @Test("while the broker is away it says what waits, and discards it; the receiver hears of the gap")
    func away() async throws {
        let port = try freePort()
        let here = try OutboxPlant(port: port)
        let record = here.plant.directory.file("record.jsonl")
        try await here.plant.running { _ in
            let waiting = try await here.status("messages that wait") { $0.messages >= 10 }
            #expect(waiting.isRunning && waiting.deadLetters == 0 && waiting.events >= 10)
            let text = try await here.outbox("status")
            #expect(text.code == 0, "\(text.errors)")
            for part in ["outbox.sqlite", "broker", "waiting", "oldest", "of 1.0 GiB", waiting.epoch] {
                #expect(text.output.contains(part), "\(part): \(text.output)")
            }
            #expect(!text.output.contains("no gateway runs"))

            let refused = try await here.outbox("discard", "broker", "--waiting")
            #expect(refused.code == 2 && refused.errors.contains("--yes") && refused.errors.contains("messages"))
            #expect(try await here.status().messages >= waiting.messages)

            let discarded = try await here.outbox("discard", "BROKER", "--waiting", "--yes")
            #expect(discarded.code == 0, "\(discarded.errors)")
            #expect(discarded.output.contains("to be discarded: broker: "))
            #expect(discarded.output.contains("messages of broker discarded"))

            let recorder = try MQTTRecorder(recordingTo: record, port: port)
            try await recorder.wait { $0.publishes >= 10 }
            recorder.stop()
        }
        let verified = try await Plant.command(["outbox", "verify", "--from", record])
        #expect(verified.code == 0, "\(verified.output) \(verified.errors)")
        #expect(verified.output.contains("lost         0"), "\(verified.output)")
        #expect(verified.output.contains("as announced"), "\(verified.output)")
    }

    @Test("refused messages are dead letters: they are shown, sent again and discarded, with and without a gateway")
    func deadLetters() async throws {
        let directory = try TemporaryDirectory()
        let recorder = try MQTTRecorder(recordingTo: directory.file("recorder.jsonl"))
        let here = try OutboxPlant(port: recorder.port)
        let record = directory.file("received.jsonl")
        recorder.behave { $0.acknowledge = .reason(0x87, topicsContaining: "Special") }

        let letters = try await here.plant.running { _ in
            try await here.status("three dead letters") { $0.deadLetters == 3 }
            let letters = try await here.letters()
            #expect(Set(letters.compactMap(\.topic)) == ["plant/Special1", "plant/Special2", "plant/Special3"])
            #expect(letters.allSatisfy { $0.reason.contains("access rules") && $0.events == 1 })
            let text = try await here.outbox("dead-letters", "broker", "--limit", "1")
            #expect(text.output.contains("REASON") && text.output.contains(letters[0].topic ?? "no topic"))
            #expect(text.errors.contains("2 more"), "\(text.errors)")

            recorder.behave { $0.acknowledge = .yes }
            let again = try await here.outbox("retry", "broker", "--sequence", "\(letters[0].sequence)")
            #expect(again.code == 0 && again.output == "1 message of broker waits again\n", "\(again)")
            try await arrival(of: letters[0], recorder)
            #expect(try await here.status().deadLetters == 2)

            let unsure = try await here.outbox("discard", "broker", "--dead-letters")
            #expect(unsure.code == 2 && unsure.errors.contains("2 dead letters"), "\(unsure.errors)")
            let discarded = try await here.outbox(
                "discard", "broker", "--dead-letters", "--sequence", "\(letters[1].sequence)", "--yes")
            #expect(discarded.code == 0 && discarded.output.contains("1 message of broker discarded"))
            return letters
        }

        // Nobody runs: the same from the file.
        let status = try await here.status()
        #expect(status.deadLetters == 1 && !status.isRunning)
        #expect(try await here.outbox("status").output.contains("no gateway runs"))
        #expect(try await here.letters().map(\.sequence) == [letters[2].sequence])
        let unknown = try await here.outbox("retry", "broker", "--sequence", "\(letters[1].sequence)")
        #expect(unknown.code == 1 && unknown.errors.contains("no dead letter"), "\(unknown.errors)")
        let again = try await here.outbox("retry", "broker")
        #expect(again.output == "1 message of broker waits again, until the agent runs\n", "\(again)")
        #expect(try await here.outbox("retry", "broker").output == "broker has no dead letters\n")

        try await here.plant.running { _ in
            try await arrival(of: letters[2], recorder)
            try await here.status("nothing left") { $0.deadLetters == 0 }
        }
        recorder.stop()
        try recorder.file.writeAccepted(to: record)
        let verified = try await Plant.command(["outbox", "verify", "--from", record, "--agent", "broker"])
        #expect(verified.code == 1 && verified.errors.contains("1 message is lost"), "\(verified)")
        #expect(verified.output.contains("lost         1: \(letters[1].sequence)"), "\(verified.output)")
        #expect(verified.output.contains("reordered    2"), "\(verified.output)")
    }

    private func arrival(of letter: OutboxPlant.Letter, _ recorder: MQTTRecorder) async throws {
        _ = try await eventually("the dead letter \(letter.sequence)") {
            try recorder.file.records().contains { $0.isAccepted && $0.sequence == letter.sequence } ? true : nil
        }
    }

    @Test("a name, a sequence and a call that are wrong end with a sentence")
    func wrong() async throws {
        let here = try OutboxPlant(port: try freePort())
        let none = try await here.outbox("status")
        #expect(none.code == 1 && none.errors.contains("there is no outbox"), "\(none.errors)")
        #expect(!FileManager.default.fileExists(atPath: here.plant.dataDirectory))

        let calls: [(arguments: [String], code: Int32, part: String)] = [
            (["status", "nobody"], 1, "there is one of: broker"),
            (["dead-letters", "nobody"], 1, "there is one of: broker"),
            (["retry", "nobody"], 1, "there is one of: broker"),
            (["discard", "nobody", "--waiting", "--yes"], 1, "there is one of: broker"),
            (["retry", "broker", "--sequence", "99999"], 1, "no dead letter with sequence 99999"),
            (["discard", "broker", "--dead-letters", "--sequence", "9", "--yes"], 1, "no dead letter with sequence 9"),
            (["discard", "broker"], 2, "either --dead-letters or --waiting"),
            (["discard", "broker", "--dead-letters", "--waiting"], 2, "either --dead-letters or --waiting"),
            (["discard", "broker", "--waiting", "--sequence", "1"], 2, "goes with --dead-letters"),
            (["dead-letters", "broker", "--limit", "0"], 2, "--limit takes 1 to"),
            (["retry", "broker", "--sequence", "-1"], 2, "sequence"), (["retry"], 2, "agent"),
        ]
        func check() async throws {
            for call in calls {
                let outcome = try await Plant.command(
                    ["outbox"] + call.arguments + ["--config", here.plant.configuration])
                #expect(outcome.code == call.code, "\(call.arguments): \(outcome)")
                #expect(outcome.errors.contains(call.part), "\(call.arguments): \(outcome.errors)")
                #expect(!outcome.errors.contains("Fatal"))
            }
        }
        try await here.plant.running { _ in
            try await here.status("messages that wait") { $0.messages > 0 }
            try await check()
        }
        try await check()
        let nothing = try await here.outbox("discard", "broker", "--dead-letters", "--yes")
        #expect(nothing.code == 0 && nothing.output.contains("nothing to discard"), "\(nothing)")
    }

    @Test("at a terminal discard asks, and only a yes is one")
    func terminal() async throws {
        let here = try OutboxPlant(port: try freePort())
        _ = try await here.plant.running { _ in
            try await here.status("messages that wait") { $0.messages >= 3 }
        }
        let command = "\(sallyport) outbox discard broker --waiting --config \(here.plant.configuration)"
        for (answer, code) in [("n", 1), ("", 1), ("y", 0)] {
            let result = try await run(
                .name("script"), arguments: ["-qec", command, "/dev/null"], input: .string(answer + "\n"),
                output: .string(limit: 1 << 16), error: .discarded)
            let said = result.standardOutput
            #expect(result.terminationStatus == .exited(Int32(code)), "\(answer): \(said)")
            #expect(said.contains("messages with") && said.contains("Discard them? [y/N]"), "\(said)")
            #expect(said.contains(code == 0 ? "messages of broker discarded" : "nothing was discarded"), "\(said)")
        }
        #expect(try await here.status().messages == 0)
    }

    @Test("verify needs nothing but the record, and says what is wrong with it")
    func verify() async throws {
        let directory = try TemporaryDirectory()
        func line(_ sequence: Int, _ more: String = "") -> String {
            #"{"sallyport-gateway":"p","sallyport-agent":"a","sallyport-epoch":"e","sallyport-sequence":"\#(sequence)","#
                + #""sallyport-offset":"0","sallyport-events":"2"\#(more)}"# + "\n"
        }
        func verify(_ arguments: String...) async throws -> CommandOutcome {
            try await Plant.command(["outbox", "verify"] + arguments)
        }
        let whole = try directory.write((1...500).map { line($0) }.joined(), to: "whole.jsonl")
        let rest = try directory.write(line(502, #","sallyport-gap":"501-501""#) + line(502), to: "rest.jsonl")
        let both = try await verify("--from", whole, "--from", rest, "--format", "json")
        #expect(both.code == 0, "\(both.errors)")
        #expect(both.output.contains(#""isComplete":true"#) && both.output.contains(#""messages":501"#))
        #expect(both.output.contains(#""duplicated":1"#) && both.output.contains(#""dropped":1"#))

        let torn = try directory.write(line(1) + line(2) + line(3).prefix(30), to: "torn.jsonl")
        let warned = try await verify("--from", torn)
        #expect(warned.code == 0 && warned.errors.contains("torn.jsonl:3: warning:"), "\(warned.errors)")
        let broken = try directory.write(line(1) + "junk\n" + line(4), to: "broken.jsonl")
        let complaint = try await verify("--from", broken)
        #expect(complaint.code == 1 && complaint.errors.contains("broken.jsonl:2: error:"), "\(complaint.errors)")
        #expect(complaint.errors.contains("2 messages are lost, 1 line cannot be read"), "\(complaint.errors)")
        #expect(complaint.output.contains("lost         2: 2 to 3"), "\(complaint.output)")

        let foreign = try directory.write("{\"topic\":\"t\"}\n", to: "foreign.jsonl")
        #expect(try await verify("--from", foreign).code == 1)
        let empty = try directory.write("", to: "empty.jsonl")
        #expect(try await verify("--from", empty).code == 1)
        #expect(try await verify("--from", whole, "--agent", "b").errors.contains("there are some of: a"))
        for missing in [directory.file("none.jsonl"), directory.path] {
            let outcome = try await verify("--from", missing)
            #expect(outcome.code == 2 && outcome.errors.contains("cannot be read"), "\(outcome.errors)")
        }
        #expect(try await verify().code == 2)
    }
}
