import Foundation
import Glibc
import Subprocess
import TestPeers
import Testing

/// Floods that cost the gateway work or memory; others are served, and the telemetry keeps its rate.
@Suite("Floods", .serialized, .timeLimit(.minutes(Extent.isAll ? 20 : 6)))
struct FloodTests {
    @Test("TLS handshakes as fast as another address can: reads and polls go on")
    func handshakes() async throws {
        try await withModbusPeer { device in
            let hostile = try HostilePlant(modbus: device)
            let plant = try await hostile.plant()
            try await plant.running { gateway in
                let ((count, seconds), attendance) = try await hostile.bystander(plant).attend {
                    try await withPeerProcess(
                        "python3",
                        ["\(packageRoot)/Tests/TestPeers/handshakes.py", "\(hostile.rest)", "127.0.0.2", "8"],
                        isReady: { $0 == "flooding" }
                    ) { process, log in
                        let begin = ContinuousClock().now
                        // The length of the flood is what is asked for here.
                        try await Task.sleep(for: .seconds(Extent.isAll ? 60 : 6))
                        kill(process, SIGTERM)
                        let said = try await log.first(within: .seconds(30)) { $0.contains("handshakes") }
                        let seconds = (ContinuousClock().now - begin).components.seconds
                        return (Int(said.prefix { $0.isNumber }) ?? 0, seconds)
                    }
                }
                print("handshakes: \(count) in \(seconds) s; \(attendance)")
                #expect(count > 100)
                #expect(attendance.allFailures.isEmpty && attendance.reads > 20, "\(attendance)")
                #expect(attendance.slowest < .seconds(5) && attendance.oldest < 3000, "\(attendance)")
            }
        }
    }

    @Test("a body with one byte in each TLS record")
    func records() async throws {
        try await withModbusPeer { device in
            let hostile = try HostilePlant(modbus: device)
            let plant = try await hostile.plant()
            try await plant.running { gateway in
                let login = KeepAliveClient.basic(PlantConfiguration.viewer)
                let (answers, attendance) = try await hostile.bystander(plant).attend {
                    try await withThrowingTaskGroup(of: String.self) { group in
                        for _ in 0..<8 {
                            group.addTask {
                                try await runCommand(
                                    "python3",
                                    [
                                        "\(packageRoot)/Tests/TestPeers/records.py", "\(hostile.rest)", "127.0.0.2",
                                        "\(1 << 20)", login,
                                    ])
                            }
                        }
                        return try await group.reduce(into: []) { $0.append($1.trimmingCharacters(in: .newlines)) }
                    }
                }
                print("one byte a record: \(Set(answers)); \(attendance)")
                // Ended without an answer: no client does that.
                #expect(answers.allSatisfy { !$0.hasPrefix("HTTP") }, "\(answers)")
                #expect(attendance.allFailures.isEmpty && attendance.reads > 5, "\(attendance)")
                #expect(attendance.slowest < .seconds(5) && attendance.oldest < 3000, "\(attendance)")
            }
        }
    }

    /// FAULTS 75. What each of them is answered is in RESTServerAgentTests, too; here is what it costs.
    @Test("huge and deep bodies, a million ids, bytes that are no text: refused, and memory stays bounded")
    func bodies() async throws {
        let directory = try TemporaryDirectory()
        let bodies: [(name: String, path: String, body: Data, status: Int)] = [
            ("10 MB", "/read", Data(repeating: 0x20, count: 10_000_000), 413),
            ("a million ids", "/read", Data("[\(String(repeating: "\"a\",", count: 999_999))\"a\"]".utf8), 413),
            ("20 000 ids", "/read", Data("[\(String(repeating: "\"a\",", count: 19_999))\"a\"]".utf8), 400),
            ("deep", "/write", Data(repeating: 0x5B, count: 1_000_000), 400),
            ("no UTF-8", "/read", Data([0x5B, 0x22, 0xFF, 0xFE, 0x22, 0x5D]), 400),
            ("one key twice", "/write", Data(#"[{"id":"Simulation.Press1.Setpoint","v":1,"v":2}]"#.utf8), 400),
        ]
        try await withModbusPeer { device in
            let hostile = try HostilePlant(modbus: device)
            let plant = try await hostile.plant()
            try await plant.running { gateway in
                let (_, attendance) = try await hostile.bystander(plant).attend {
                    for (index, one) in bodies.enumerated() {
                        let file = directory.file("body-\(index)")
                        try one.body.write(to: URL(filePath: file))
                        for _ in 0..<(Extent.isAll ? 50 : 5) {
                            try await withThrowingTaskGroup(of: RESTAnswer.self) { group in
                                for _ in 0..<8 {
                                    group.addTask {
                                        try await gateway.get(
                                            one.path, port: hostile.rest, user: PlantConfiguration.viewer,
                                            "--interface", "127.0.0.2", "-H", "Expect:", "--data-binary", "@\(file)")
                                    }
                                }
                                for try await answer in group {
                                    #expect(answer.status == one.status, "\(one.name): \(answer)")
                                }
                            }
                        }
                    }
                }
                let most = try Observed.mostResident(gateway.processIdentifier)
                print("bodies: at most \(most) KiB resident; \(attendance)")
                #expect((1..<300 << 10).contains(most), "\(most) KiB")
                #expect(attendance.allFailures.isEmpty && attendance.reads > 5, "\(attendance)")
                #expect(attendance.slowest < .seconds(5) && attendance.oldest < 3000, "\(attendance)")
            }
        }
    }
}
