import TestPeers
import Testing

@Suite("Users, groups and tokens on the command line", .serialized, .timeLimit(.minutes(4)))
struct AccountCommandTests {
    @Test("tokens are made, listed and revoked, on the data directory and through a running gateway")
    func tokens() async throws {
        let plant = try await PlantConfiguration(restPort: try freePort()).plant()
        try await useTokens(plant, "pump-7")
        try await plant.running { _ in try await useTokens(plant, "pump-8") }
        let left = try await plant.command("token", "list")
        #expect(left.output.split(separator: "\n").count == 1, "\(left.output)")
    }

    @Test("a mistake in the file keeps nobody from locking somebody out while a gateway runs")
    func lockingOut() async throws {
        let port = try freePort()
        let plant = try await PlantConfiguration(restPort: port).plant()
        #expect(try await plant.command("token", "create", "pump", "--group", "VIEWERS").code == 0)
        // The group as the configuration writes it.
        #expect(try await plant.command("token", "list").output.contains("pump   viewers"))
        try await plant.running { _ in
            try plant.write(PlantConfiguration(restPort: port).yaml + "mistake: true\n")
            #expect(try await plant.command("check").code == 2)
            let disabled = try await plant.command("user", "disable", "viewer")
            #expect(disabled.code == 0, "\(disabled.errors)")
            let revoked = try await plant.command("token", "revoke", "pump")
            #expect(revoked.code == 0, "\(revoked.errors)")
        }
    }

    private func useTokens(_ plant: Plant, _ name: String) async throws {
        let made = try await plant.command("token", "create", name, "--group", "viewers", "--expires", "90d")
        #expect(made.code == 0, "\(made.errors)")
        #expect(made.output.wholeMatch(of: /sp_[A-Za-z0-9_-]{43}\n/) != nil)
        #expect(made.errors.contains("shown this once"))
        let again = try await plant.command("token", "create", name.uppercased(), "--group", "viewers")
        #expect(again.code == 1 && again.errors.contains("already"))
        let list = try await plant.command("token", "list")
        #expect(list.output.contains("\(name)  viewers  valid"), "\(list.output)")
        let shown = try await plant.command("token", "show", name, "--format", "json")
        #expect(shown.output.contains("\"expired\":false") && shown.output.contains("\"missingGroups\":[]"))
        let secret = made.output.dropFirst(3).dropLast()
        #expect(!(list.output + shown.output + again.errors).contains(secret))
        #expect(try await plant.command("token", "revoke", name).code == 0)
        #expect(try await plant.command("token", "revoke", name).code == 1)
    }

    @Test("rights are taken away through a running gateway whatever the file has become by now")
    func brokenFile() async throws {
        let plant = try await PlantConfiguration(restPort: try freePort()).plant()
        #expect(try await plant.command("token", "create", "pump", "--group", "viewers").code == 0)
        try await plant.running { _ in
            try plant.write(PlantConfiguration().yaml + "nonsense: 1\n")
            #expect(try await plant.command("user", "disable", "viewer").code == 0)
            #expect(try await plant.command("token", "revoke", "pump").code == 0)
            #expect(try await plant.command("user", "list").code == 2)
        }
        #expect(try await plant.command("user", "remove", "viewer").code == 2, "nobody runs: the file must be right")
    }

    @Test("what makes no token is said, with the exit code of a wrong call")
    func badTokens() async throws {
        let plant = try await PlantConfiguration().plant()
        for arguments in [
            [], ["--group", "nobody"], ["--group", "viewers", "--expires", "soon"],
            ["--group", "viewers", "--expires", "0s"], ["--group", "viewers", "--expires", "99999999999999d"],
        ] {
            let outcome = try await Plant.command(
                ["token", "create", "pump", "--config", plant.configuration] + arguments)
            #expect(outcome.code == 2 && outcome.output.isEmpty, "\(arguments): \(outcome.errors)")
        }
        #expect(try await plant.command("token", "create", "a\nb", "--group", "viewers").code == 1)
    }

    @Test("groups are shown with their members and the places of their rules, and those that have gone are named")
    func groups() async throws {
        let plant = try await PlantConfiguration().plant()
        #expect(try await plant.command("token", "create", "pump", "--group", "viewers").code == 0)
        let list = try await plant.command("group", "list")
        #expect(list.output.contains(/viewers +viewer +pump +1 allow, 0 deny/), "\(list.output)")
        let shown = try await plant.command("group", "show", "VIEWERS")
        #expect(shown.output.contains("browse, read"), "\(shown.output)")
        #expect(shown.output.contains(/\*\* +\S+gateway\.yaml:\d+\n/), "\(shown.output)")
        #expect(try await plant.command("group", "show", "nobody").code == 2)
        #expect(try await !plant.command("check").errors.contains("is in the group"))

        try plant.write(PlantConfiguration().yaml.replacing("- name: viewers", with: "- name: guests"))
        #expect(try await plant.command("user", "show", "viewer").output.contains("viewers (gone)"))
        let check = try await plant.command("check")
        #expect(check.code == 0)
        #expect(check.errors.contains("warning: the user viewer is in the group viewers, which is not in this file"))
        #expect(check.errors.contains("warning: the token pump is in the group viewers"))
    }

    @Test("a common password is refused, whatever stands around it")
    func commonPasswords() async throws {
        let plant = try await PlantConfiguration().plant()
        for password in ["Password123456", "qwertyuiop!!!!!", "dragondragondragon"] {
            let outcome = try await plant.command("user", "add", "ann", "--group", "viewers", input: password + "\n")
            #expect(outcome.code == 1 && outcome.errors.contains("guessed first"), "\(outcome.errors)")
        }
    }
}
