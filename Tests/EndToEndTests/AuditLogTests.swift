import Glibc
import TestPeers
import Testing

@Suite("Audit log", .serialized, .timeLimit(.minutes(3)))
struct AuditLogTests {
    @Test("what was reported outlives kill -9; show, follow, export and verify work with and without a gateway")
    func killed() async throws {
        var configuration = PlantConfiguration(restPort: try freePort())
        configuration.extraTop = "audit: { max-bytes: 4MiB, forward: { file: forwarded.jsonl } }"
        let plant = try await configuration.plant()
        let head = plant.directory.file("head.json")
        try await plant.running(isKilled: true) { gateway in
            for round in 0..<6 {
                configuration.viewerTags = round % 2 == 0 ? "Plant.**" : "**"
                #expect(try await gateway.reload(configuration.yaml).contains("applied"))
            }
            let running = try await plant.command("audit-log", "verify")
            #expect(running.code == 0 && running.output.hasPrefix("intact"), "\(running)")
            let exported = try await plant.command("audit-log", "export", "--head", head)
            #expect(exported.code == 0, "\(exported)")
            configuration.viewerTags = "Plant.**"
            #expect(try await gateway.reload(configuration.yaml).contains("applied"))
            gateway.signal(SIGKILL)
        }
        let changes = try await plant.command("audit-log", "show", "--action", "configuration", "--format", "json")
        // The first and seven changes: the last was reported just before the end.
        #expect(changes.output.split(separator: "\n").count == 8, "\(changes)")
        #expect(changes.output.contains("\"new\":\"group viewers changed\""))
        let verified = try await plant.command("audit-log", "verify", "--head", head)
        #expect(verified.code == 0 && verified.output.hasPrefix("intact"), "\(verified)")

        try await plant.running { gateway in
            let shown = try await plant.command("audit-log", "show", "--action", "gateway-start")
            #expect(shown.output.split(separator: "\n").count == 2, "\(shown)")
            let file = plant.directory.file("export.jsonl")
            let export = try await plant.command("audit-log", "export", file)
            #expect(export.code == 0, "\(export)")
            let again = try await plant.command("audit-log", "export", file)
            #expect(again.code == 1 && again.errors.contains("File exists"), "\(again)")
            let check = try await Plant.command(["audit-log", "verify", file])
            #expect(check.code == 0, "\(check)")
            _ = try await eventually("the forwarded file") {
                let lines = try await runCommand("cat", [plant.directory.file("forwarded.jsonl")])
                return lines.split(separator: "\n").filter { $0.contains("gateway-start") }.count >= 2 ? true : nil
            }
        }
        // Behind the gateway's back.
        try await plant.tamper(
            "DROP TRIGGER entries_stay; DROP TRIGGER heads_stay; DELETE FROM entries WHERE sequence > 8; "
                + "DELETE FROM heads")
        let cut = try await plant.command("audit-log", "verify", "--head", head)
        #expect(cut.code == 1 && cut.output.contains("truncated  the end is missing"), "\(cut)")
        try await plant.tamper(
            "DROP TRIGGER entries_stay_as_they_are; UPDATE entries SET new = 'nothing' WHERE sequence = 5")
        let changed = try await plant.command("audit-log", "verify")
        #expect(changed.code == 1 && changed.output.contains("changed  entry 5 of 2"), "\(changed)")
    }

    @Test("a damaged log is moved aside, told loudly, and the gateway runs on")
    func damaged() async throws {
        let plant = try await PlantConfiguration(restPort: try freePort()).plant()
        try await plant.running { _ in }
        try await runCommand(
            "dd", ["if=/dev/zero", "of=\(plant.dataDirectory)/audit.sqlite", "bs=4096", "count=2", "conv=notrunc"])
        try await plant.running { gateway in
            let shown = try await plant.command("audit-log", "show")
            #expect(shown.output.contains("failed  audit-log  chain  audit-damaged-"), "\(shown)")
            let verified = try await plant.command("audit-log", "verify")
            #expect(verified.code == 0, "\(verified)")
        }
    }
}
