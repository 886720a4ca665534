import FoundationEssentials
import Glibc
import Subprocess
import TestPeers
import Testing

/// The data directory on a file system of its own, of a few MiB, that a test fills up. The file system is mounted where
/// the gateway alone sees it, and is gone with it.
@Suite("No room for the audit log", .serialized, .timeLimit(.minutes(4)))
struct AuditUnavailableTests {
    /// Whether a process of ours may mount a file system of its own.
    private static func mayMount() async throws -> Bool {
        let result = try await run(
            .name("unshare"), arguments: ["-m", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"],
            output: .discarded, error: .discarded)
        return result.terminationStatus.isSuccess
    }

    @Test(
        "stops writes to devices and nothing else, and they come back with the room",
        .enabled("needs root, to mount a file system for the gateway") {
            (try? await AuditUnavailableTests.mayMount()) == true
        })
    func full() async throws {
        try await withModbusPeer { device in
            try await withMosquitto { broker in
                let rest = try freePort()
                var configuration = PlantConfiguration(modbusPort: device.port, restPort: rest, broker: broker)
                configuration.extraTop = "audit: { max-bytes: 64MiB }"
                let yaml = configuration.yaml
                    .replacing("address: \"41001 [4]\", type: Word", with: Self.set)
                    .replacing("actions: [browse, read]", with: "actions: [browse, read, write]")
                    .replacing("type: rest-server", with: "type: rest-server\n    write-endpoint: true")
                let plant = try await configuration.plant()
                try plant.write(yaml)
                // Makes the certificate, which clients must see too.
                try await plant.running { _ in }
                try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                    try await running(plant) { gateway in
                        try await withKeepAliveClient(port: rest, authority: plant.authority) { client in
                            try await fill(gateway, client, device, messages)
                        }
                    }
                }
            }
        }
    }

    private static let set = #"address: "40020", type: Word, access: read-write"#
    private static let tag = "Plant.PLC1.Ramp"
    private static let viewer = KeepAliveClient.basic(PlantConfiguration.viewer)

    /// A gateway whose data directory is a copy of the plant's, on a tmpfs in a mount namespace of its own.
    private func running(_ plant: Plant, _ body: (GatewayProcess) async throws -> Void) async throws {
        let script = """
            mv "$1" "$1.made" && mkdir -m 0700 "$1" && mount -t tmpfs -o size=6m,mode=0700 none "$1" \
            && cp -a "$1.made/." "$1" && mv "$1.made" "$1.copied" && exec "$2" run --config "$3"
            """
        try await withPeerProcess(
            "unshare", ["-m", "sh", "-c", script, "sh", plant.dataDirectory, sallyport, plant.configuration],
            patience: .seconds(12), isReady: { $0.contains(" Running") }, endsWell: { $0 == .exited(0) }
        ) {
            // Clients and commands look for the certificate where it was.
            let made = "\(plant.dataDirectory)/tls"
            try FileManager.default.copyItem(atPath: "\(plant.dataDirectory).copied/tls", toPath: made)
            try await body(GatewayProcess(plant: plant, processIdentifier: $0, log: $1))
        }
    }

    private func fill(
        _ gateway: GatewayProcess, _ client: KeepAliveClient, _ device: ModbusPeer,
        _ messages: LineQueue<ReceivedMessage>
    ) async throws {
        var number = 0
        func write() async throws -> String {
            number += 1
            let answer = try await client.ask(
                "/iotgateway/write", authorization: Self.viewer, body: #"{"id":"\#(Self.tag)","v":\#(number)}"#)
            #expect(answer.status == 200, "\(answer)")
            return answer.body
        }
        func reached() throws -> Int {
            try String(contentsOfFile: device.writes, encoding: .utf8).split(separator: "\n").count
        }
        _ = try await eventually(within: .seconds(60), "a good value") {
            let answer = try await client.ask("/iotgateway/read?ids=\(Self.tag)", authorization: Self.viewer)
            return answer.body.contains("\"s\":true") ? true : nil
        }
        #expect(try await write().contains("\"s\":true"))

        // As the gateway sees it.
        let seen = "/proc/\(gateway.processIdentifier)/root\(gateway.plant.dataDirectory)"
        let filler = "\(seen)/filler"
        _ = try await run(
            .name("dd"), arguments: ["if=/dev/zero", "of=\(filler)", "bs=4096"], output: .discarded, error: .discarded)
        // What SQLite had made room for already may take a few.
        let refused = try await eventually(within: .seconds(60), "a refusal") {
            let body = try await write()
            return body.contains("\"s\":true") ? nil : body
        }
        #expect(refused.contains("audit-unavailable"), "\(refused)")
        let before = try reached()
        for _ in 0..<10 {
            let body = try await write()
            #expect(body.contains("\"s\":false,\"r\":\"audit-unavailable"), "\(body)")
        }
        #expect(try reached() == before, "no write touches the device")
        // Telemetry goes on: by REST, and to the broker.
        let read = try await client.ask(
            "/iotgateway/read?ids=Plant.PLC1.Counter", authorization: Self.viewer)
        #expect(read.status == 200 && read.body.contains("\"s\":true"), "\(read)")
        let now = try #require(try RESTAnswer(status: read.status, body: read.body).entries[0].v)
        for step in 1...5 {
            _ = try await messages.first {
                try PublishedMessage($0).shows("Plant.PLC1.Counter", from: now + Double(step))
            }
        }
        _ = try await gateway.log.first { $0.contains("The audit log cannot be written") }

        try FileManager.default.removeItem(atPath: filler)
        let since = number
        _ = try await eventually(within: .seconds(60), "writes again") {
            try await write().contains("\"s\":true") ? true : nil
        }
        _ = try await gateway.log.first { $0.contains("The audit log is written again") }
        #expect(try reached() == before + 1, "one write in \(number - since) after there was room")
        let configuration = "/proc/\(gateway.processIdentifier)/root\(gateway.plant.configuration)"
        let verified = try await Plant.command(["audit-log", "verify", "--config", configuration])
        #expect(verified.code == 0 && verified.output.hasPrefix("intact"), "\(verified)")
    }
}

extension PublishedMessage {
    /// Whether a good value of a tag is in it that is at least so much.
    fileprivate func shows(_ tag: String, from least: Double) -> Bool {
        values.contains { $0.id == tag && $0.q && ($0.v ?? -.infinity) >= least }
    }
}
