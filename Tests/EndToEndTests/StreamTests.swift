import FoundationEssentials
import TestPeers
import Testing

/// The stream of the real binary, with curl and with many clients at once.
@Suite("Live streams", .serialized, .timeLimit(.minutes(4)))
struct StreamTests {
    /// curl's own lines: it prints what comes as it comes.
    private static func withStream<Outcome: Sendable>(
        _ gateway: GatewayProcess, port: Int, _ ids: [String], user: String = PlantConfiguration.viewer,
        _ body: (LineQueue<String>) async throws -> Outcome
    ) async throws -> Outcome {
        let query = ids.map { "ids=\($0)" }.joined(separator: "&")
        return try await withPeerProcess(
            "curl",
            [
                "-sSN", "--cacert", "\(gateway.plant.dataDirectory)/tls/default.pem", "-u", user, "-o", "/dev/stderr",
                "https://127.0.0.1:\(port)/iotgateway/stream?\(query)",
            ],
            isReady: { $0.hasPrefix("retry:") }
        ) { try await body($1) }
    }

    @Test("curl -N sees a real device change, rights taken and given by a reload, and the user disabled")
    func story() async throws {
        try await withModbusPeer { device in
            let rest = try freePort()
            var configuration = PlantConfiguration(modbusPort: device.port, restPort: rest)
            let plant = try await configuration.plant()
            try await plant.running { gateway in
                try await Self.withStream(
                    gateway, port: rest, ["plant.plc1.counter", "Simulation.Press1.Count"]
                ) { lines in
                    func counter(_ quality: String) async throws -> String {
                        try await lines.first {
                            $0.hasPrefix("data:") && $0.contains("Plant.PLC1.Counter")
                                && $0.contains(#""q":\#(quality)"#)
                        }
                    }
                    let first = try await counter("true")
                    #expect(try await counter("true") != first)
                    device.freeze()
                    _ = try await counter("false")
                    device.thaw()
                    _ = try await counter("true")
                    configuration.viewerTags = "Plant.**"
                    #expect(try await gateway.reload(configuration.yaml).contains("applied"))
                    let refused = try await lines.first { $0.contains("refused\":") }
                    #expect(
                        refused == #"data: {"refused":[{"id":"Simulation.Press1.Count","r":"unknown tag"}]}"#)
                    for _ in 0..<5 { #expect(try await !counter("true").contains("Press1")) }
                    configuration.viewerTags = "**"
                    #expect(try await gateway.reload(configuration.yaml).contains("applied"))
                    _ = try await lines.first { $0.contains("Simulation.Press1.Count") }
                    #expect(try await plant.command("user", "disable", "viewer").code == 0)
                    let end = try await lines.first { $0.hasPrefix("data:") && $0.contains("reason") }
                    #expect(end == #"data: {"reason":"the login no longer holds: log in again"}"#)
                }
            }
        }
    }

    @Test("the manual's program in Python follows a stream, and ends when its login does")
    func manualProgram() async throws {
        let rest = try freePort()
        let plant = try await PlantConfiguration(restPort: rest).plant()
        try await plant.add(user: "maria", password: "plenty of words for the boss", "--administrator")
        let page = try String(contentsOfFile: "\(packageRoot)/docs/live-streams.md", encoding: .utf8)
        let parts = page.split(separator: "```python\n", maxSplits: 1)
        let program = String(try #require(parts.last?.split(separator: "\n```", maxSplits: 1).first))
        try #require(parts.count == 2 && program.contains("127.0.0.1:39320"))
        try plant.directory.write(program.replacing("39320", with: "\(rest)"), to: "watch.py")
        let command = "cd '\(plant.directory.path)' && exec python3 watch.py >&2"
        try await plant.running { _ in
            // Its first line has come.
            try await withPeerProcess(
                "bash", ["-c", command], isReady: { $0.wholeMatch(of: /Simulation\.Press1\.Count [0-9]+ True/) != nil }
            ) { _, lines in
                _ = try await lines.first { $0.hasPrefix("Simulation.Press1.Count ") }
                let changed = try await plant.command("user", "password", "maria", input: "other words of the boss\n")
                #expect(changed.code == 0, "\(changed.errors)")
                _ = try await lines.first { $0.hasPrefix("urllib.error.HTTPError: HTTP Error 401") }
            }
        }
    }

    @Test("500 idle streams over HTTPS cost less than 100 MB in all")
    func manyIdleStreams() async throws {
        let rest = try freePort()
        let plant = try Plant(
            """
            version: 1
            gateway: { name: streams, data-directory: data }
            channels:
              - name: Simulation
                driver: simulator
                devices:
                  - name: Press1
                    tags:
                      - { name: Count, address: "RAMP (100, 0, 1000000, 1)", type: Long }
                      - { name: Setpoint, address: K0001, type: Double }
            agents:
              - name: api
                type: rest-server
                port: \(rest)
                limits: { connections: 600, connections-per-address: 600, streams: 2000 }
                items: [{ tags: "**" }]

            """)
        try await plant.add(user: "root", password: "a long reading secret", "--administrator")
        try await plant.running { gateway in
            let before = try gateway.residentMegabytes()
            try await withPeerProcess(
                "python3",
                [
                    "\(packageRoot)/Tests/TestPeers/streams.py", "\(rest)",
                    "/iotgateway/stream?ids=Simulation.Press1.Setpoint", "500", "root", "a long reading secret",
                    "\(plant.dataDirectory)/tls/default.pem",
                ],
                isReady: { $0.hasPrefix("open ") }
            ) { _, lines in
                // All have had their first values.
                _ = try await lines.first { line in
                    line.hasPrefix("bytes") && (line.split(separator: " ").last.flatMap { Int($0) } ?? 0) >= 500
                }
                let after = try gateway.residentMegabytes()
                print("500 idle streams: \(before) MB before, \(after) MB with them")
                #expect(after < 100 && after > before)
            }
        }
    }
}

extension GatewayProcess {
    /// What the process has in memory.
    func residentMegabytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(processIdentifier)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        let kilobytes = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) }
        guard let kilobytes else { throw TestPeerError("no VmRSS in \(status)") }
        return kilobytes / 1024
    }
}
