import Glibc
import TestPeers
import Testing

@Suite("Reload", .serialized, .timeLimit(.minutes(3)))
struct ReloadTests {
    @Test("SIGHUP adds and removes tags without touching what stays; a bad file keeps the old one and says why")
    func reload() async throws {
        try await withModbusPeer { device in
            try await withMosquitto { broker in
                let rest = try freePort()
                var configuration = PlantConfiguration(modbusPort: device.port, restPort: rest, broker: broker)
                let plant = try await configuration.plant()
                try await broker.withSubscriber(to: ["iotgateway", "iotgateway/status"]) { messages in
                    try await plant.running { gateway in
                        func has(_ tag: String) async throws -> Bool {
                            try await gateway.get("/browse", port: rest, user: PlantConfiguration.viewer).ids
                                .contains(tag)
                        }
                        #expect(try await !has("Plant.PLC1.More"))
                        let hello = try await messages.next()
                        #expect(hello.text == "online")
                        configuration.extraTags = """
                                      - { name: More, address: "40003", type: DWord }
                            """
                        #expect(try await gateway.reload(configuration.yaml).contains("applied"))
                        #expect(try await has("Plant.PLC1.More"))
                        _ = try await messages.first { message in
                            if message.topic == "iotgateway/status" { Issue.record("another \(message.text)") }
                            guard message.topic == "iotgateway" else { return false }
                            return try PublishedMessage(message).values.contains { $0.id == "Plant.PLC1.More" && $0.q }
                        }

                        // The connection was kept: there was one hello, before the first message.
                        for message in await messages.pending { #expect(message.topic == "iotgateway") }

                        // A mistake: the old one runs on, and the log has file, line and column.
                        try plant.write(configuration.yaml.replacing("poll: 100ms", with: "poll: 100miles"))
                        gateway.signal(SIGHUP)
                        let problem = try await gateway.log.first { $0.contains("Configuration problem") }
                        #expect(problem.contains("gateway.yaml:17:15: error:"), "\(problem)")
                        _ = try await gateway.log.first { $0.contains("Reload refused") }
                        #expect(try await has("Plant.PLC1.More"))

                        configuration.extraTags = ""
                        #expect(try await gateway.reload(configuration.yaml).contains("applied"))
                        #expect(try await !has("Plant.PLC1.More"))
                        let read = try await gateway.get(
                            "/read?ids=Plant.PLC1.More&ids=Simulation.Press1.Count", port: rest,
                            user: PlantConfiguration.viewer)
                        #expect(try read.entries.map(\.s) == [false, true])
                    }
                }
            }
        }
    }

    @Test("a stop that comes in the middle of a reload with a frozen broker ends within ten seconds")
    func stopWhileReloading() async throws {
        try await withMosquitto { broker in
            func yaml(_ topic: String) -> String {
                let agents = (1...4).map { number in
                    """
                      - name: broker\(number)
                        type: mqtt
                        url: ssl://localhost:\(broker.tlsPort)
                        username: gateway
                        password: { file: secret }
                        client-id: client\(number)
                        tls: { ca-file: \(broker.authority.certificateFile) }
                        publish: { type: on-change, topic: \(topic) }
                        items: [{ tags: "**" }]

                    """
                }
                return """
                    version: 1
                    gateway: { name: test, data-directory: data }
                    channels:
                      - name: S
                        driver: simulator
                        devices: [{ name: D, tags: [{ name: T, address: "RAMP (10, 0, 1000000, 1)", type: Long }] }]
                    agents:

                    """ + agents.joined()
            }
            let plant = try Plant(yaml("iotgateway"))
            try plant.secret(BrokerAccount.gateway.password, "secret")
            try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                try await plant.running { gateway in
                    _ = try await messages.next()
                    kill(broker.processIdentifier, SIGSTOP)
                    defer { kill(broker.processIdentifier, SIGCONT) }
                    try plant.write(yaml("iotgateway/status"))
                    gateway.signal(SIGHUP)
                    _ = try await gateway.log.first { $0.contains("Reloading") }
                    let start = ContinuousClock().now
                    gateway.signal(SIGTERM)
                    let end = try await gateway.log.first(within: .seconds(12)) {
                        $0.contains("Stopped gateway") || $0.contains("took too long")
                    }
                    #expect(end.contains("Stopped gateway"))
                    #expect(start.duration(to: ContinuousClock().now) < .seconds(10))
                }
            }
        }
    }

    @Test("permissions of the file count on the next request after a reload")
    func permissions() async throws {
        let rest = try freePort()
        var configuration = PlantConfiguration(restPort: rest)
        let plant = try await configuration.plant()
        try await plant.running { gateway in
            func count() async throws -> Int {
                try await gateway.get("/browse", port: rest, user: PlantConfiguration.viewer).ids.count
            }
            #expect(try await count() == 5)
            configuration.viewerTags = "Plant.**"
            try plant.write(configuration.yaml)
            gateway.signal(SIGHUP)
            _ = try await eventually("the new permissions") { try await count() == 3 ? true : nil }
        }
    }

    @Test("an agent that cannot be started at a reload is told; the others run")
    func failingAgent() async throws {
        let rest = try freePort(), other = try freePort()
        let configuration = PlantConfiguration(restPort: rest)
        let plant = try await configuration.plant()
        let blocker = try await PlantConfiguration(restPort: other).plant()
        try await blocker.running { _ in
            try await plant.running { gateway in
                let second = """
                      - name: second
                        type: rest-server
                        port: \(other)
                        items: [{ tags: "**" }]

                    """
                try plant.write(configuration.yaml + second)
                gateway.signal(SIGHUP)
                let line = try await gateway.log.first { $0.contains("could not be started") }
                #expect(line.contains("second") && line.contains("\(other)"), "\(line)")
                #expect(try await gateway.get("/browse", port: rest, user: PlantConfiguration.viewer).status == 200)
            }
        }
    }
}
