import FoundationEssentials
import TestPeers
import Testing

@Suite("The manual's commands answer what the manual says", .serialized, .timeLimit(.minutes(5)))
struct ManualTests {
    static let pages = [
        "users-and-permissions.md", "rest-server-agent.md", "audit-log.md", "writes.md", "command-line.md",
        "certificates.md", "live-streams.md",
    ]

    /// The example configuration runs, with its Modbus device; one administrator `maria` exists, as after the page on the
    /// first start.
    @Test("in order, page by page", arguments: pages)
    func commands(page name: String) async throws {
        let page = try ManualPage(name)
        try #require(!page.steps.isEmpty)
        let rest = try freePort(), modbus = try freePort()
        let example = try String(contentsOfFile: "\(packageRoot)/config/gateway.yaml", encoding: .utf8)
        let plant = try Plant(
            example.replacing("port: 39320", with: "port: \(rest)").replacing("port: 1502", with: "port: \(modbus)"))
        try FileManager.default.copyItem(
            atPath: "\(packageRoot)/config/tags", toPath: plant.directory.file("tags"))
        try await plant.add(user: "maria", password: "plenty of words for the boss", "--administrator")
        try await withModbusPeer(port: modbus) { _ in
            try await plant.running { gateway in
                _ = try await eventually("the device's first answer") {
                    try await plant.command("tag", "read", "Plant.PLC1.Level").output.contains("good") ? true : nil
                }
                let differences = try await page.play(
                    in: plant.directory.path,
                    replacing: [
                        ("39320", "\(rest)"), ("1502", "\(modbus)"),
                        ("root (operator)", "\(ProcessInfo.processInfo.userName) (operator)"),
                    ]
                ) {
                    _ = try await gateway.log.first {
                        $0.contains("Configuration applied") || $0.contains("Reload refused")
                    }
                }
                #expect(differences.isEmpty, "\(differences.joined(separator: "\n\n"))")
            }
        }
    }

    @Test("and no page with commands is left out")
    func complete() throws {
        let documents = try FileManager.default.contentsOfDirectory(atPath: "\(packageRoot)/docs")
        let withSteps = try documents.filter { try $0.hasSuffix(".md") && !ManualPage($0).steps.isEmpty }
        #expect(withSteps.sorted() == Self.pages.sorted())
    }

    @Test("and a page that says something else is found out")
    func difference() async throws {
        let directory = try TemporaryDirectory()
        try directory.write("one: 1\ntwo: 2\n", to: "gateway.yaml")
        let page = ManualPage(
            name: "page.md",
            steps: ManualPage.steps(
                of: """
                    ```console
                    $ echo yes
                    yes
                    $ echo yes
                    no
                    $ echo 22.5 127.0.0.1
                    15 127.0.0.1
                    ```
                    ```diff
                    -two: 2
                    +two: 3
                    ```
                    ```diff
                    -three: 3
                    +three: 4
                    ```
                    ```console
                    $ cat gateway.yaml
                    one: …
                    two: 3
                    ```
                    """))
        let differences = try await page.play(in: directory.path)
        #expect(differences.map { String($0.prefix(15)) } == ["docs/page.md:4:", "docs/page.md:16"])
    }
}
