import Glibc
import TestPeers
import Testing

@Suite("Failures of devices, brokers and the process", .serialized, .timeLimit(.minutes(4)))
struct FailureTests {
    @Test("a device that is killed turns bad within a poll and a time-out, says why, and is good again when it is back")
    func deviceKilled() async throws {
        try await withMosquitto { broker in
            let rest = try freePort(), modbus = try freePort()
            let plant = try await PlantConfiguration(modbusPort: modbus, restPort: rest, broker: broker).plant()
            try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                try await plant.running { gateway in
                    func level() async throws -> RESTAnswer.Read.Entry? {
                        try await gateway.get(
                            "/read?ids=Plant.PLC1.Level", port: rest, user: PlantConfiguration.viewer
                        ).entries.first
                    }
                    try await withModbusPeer(port: modbus) { device in
                        _ = try await eventually("a good value") { try await level()?.s == true ? true : nil }
                        // Until here the device may have been bad before it listened.
                        _ = try await messages.first { message in
                            try PublishedMessage(message).values.contains { $0.id == "Plant.PLC1.Level" && $0.q }
                        }
                        device.kill()
                        let killed = ContinuousClock().now
                        _ = try await messages.first(within: .seconds(5)) { message in
                            try PublishedMessage(message).values.contains { $0.id == "Plant.PLC1.Level" && !$0.q }
                        }
                        #expect(killed.duration(to: ContinuousClock().now) < .seconds(2))
                        let entry = try #require(try await level())
                        #expect(!entry.s && entry.v == nil && entry.r.hasPrefix("bad"))
                    }
                    let status = try await plant.command("device", "status", "Plant.PLC1")
                    #expect(status.output.contains("last error"), "\(status.output)")
                    // The simulator next to it goes on.
                    let other = try await gateway.get(
                        "/read?ids=Simulation.Press1.Count", port: rest, user: PlantConfiguration.viewer)
                    #expect(try other.entries[0].s)
                    try await withModbusPeer(port: modbus) { _ in
                        _ = try await eventually("a good value again") { try await level()?.s == true ? true : nil }
                    }
                }
            }
        }
    }

    @Test("a device that freezes is told by a time-out")
    func deviceFrozen() async throws {
        try await withModbusPeer { device in
            let rest = try freePort()
            let plant = try await PlantConfiguration(modbusPort: device.port, restPort: rest).plant()
            try await plant.running { gateway in
                func reason() async throws -> String? {
                    try await gateway.get(
                        "/read?ids=Plant.PLC1.Level", port: rest, user: PlantConfiguration.viewer
                    ).entries.first?.r
                }
                _ = try await eventually("a good value") { try await reason() == "" ? true : nil }
                device.freeze()
                _ = try await eventually(within: .seconds(5), "a time-out") {
                    try await reason()?.contains("timeout") == true ? true : nil
                }
                device.thaw()
                _ = try await eventually("a good value again") { try await reason() == "" ? true : nil }
            }
        }
    }

    @Test("a broker that is cut off and comes back gets all that happened meanwhile, once and in order")
    func brokerCutOff() async throws {
        try await withMosquitto { broker in
            let rest = try freePort(), port = try freePort()
            var configuration = PlantConfiguration(restPort: rest, broker: broker)
            configuration.brokerPort = port
            let plant = try await configuration.plant()
            try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                /// What arrives of the counter, until it has come to `target`.
                func counts(until target: Double) async throws -> [Double] {
                    var counts: [Double] = []
                    while (counts.last ?? -1) < target {
                        let message = try await PublishedMessage(messages.next())
                        counts += message.values.filter { $0.id == "Simulation.Press1.Count" }.compactMap(\.v)
                    }
                    return counts
                }
                try await plant.running { gateway in
                    func now() async throws -> Double {
                        let answer = try await gateway.get(
                            "/read?ids=Simulation.Press1.Count", port: rest, user: PlantConfiguration.viewer)
                        return try #require(try answer.entries[0].v)
                    }
                    // Without its broker the gateway serves.
                    #expect(try await gateway.get("/browse", port: rest, user: PlantConfiguration.viewer).status == 200)
                    var all = try await withNetworkLink(from: port, to: broker.tlsPort) { try await counts(until: 10) }
                    // Away for a while: the counter goes on.
                    let cut = try await now()
                    let back = try await eventually("ten more") {
                        let value = try await now()
                        return value > cut + 10 ? value : nil
                    }
                    all += try await withNetworkLink(from: port, to: broker.tlsPort) {
                        try await counts(until: back + 5)
                    }
                    // What was in flight when the link was cut may come twice; nothing may be missing.
                    #expect(all.first == 0 || all.first == 1, "\(all)")
                    var last = all[0]
                    for value in all.dropFirst() where value > last {
                        #expect(value == last + 1, "\(all)")
                        last = value
                    }
                }
            }
        }
    }

    @Test("a gateway that is killed leaves its last will to the broker")
    func lastWill() async throws {
        try await withMosquitto { broker in
            let plant = try await PlantConfiguration(restPort: try freePort(), broker: broker).plant()
            try await broker.withSubscriber(to: ["iotgateway/status"]) { messages in
                try await plant.running(isKilled: true) { gateway in
                    let online = try await messages.next()
                    #expect(online.text == "online")
                    gateway.signal(SIGKILL)
                    let offline = try await messages.next()
                    #expect(offline.text == "offline")
                }
            }
        }
    }

    @Test("SIGTERM flushes, says goodbye and ends within ten seconds, also with a client that does not read")
    func stop() async throws {
        try await withMosquitto { broker in
            let rest = try freePort()
            let plant = try await PlantConfiguration(restPort: rest, broker: broker).plant()
            try await broker.withSubscriber(to: ["iotgateway/status"]) { messages in
                let stopped = try await plant.running { gateway in
                    let online = try await messages.next()
                    #expect(online.text == "online")
                    let client = try await SlowClient(port: rest)
                    let start = ContinuousClock().now
                    gateway.signal(SIGTERM)
                    _ = try await gateway.log.first(within: .seconds(12)) { $0.contains("Stopped") }
                    withExtendedLifetime(client) {}
                    return start.duration(to: ContinuousClock().now)
                }
                #expect(stopped < .seconds(10))
                let offline = try await messages.next()
                #expect(offline.text == "offline")
            }
        }
    }

    @Test("kill -9 leaves nothing that keeps the next start from working")
    func killed() async throws {
        let rest = try freePort()
        let plant = try await PlantConfiguration(restPort: rest).plant()
        for _ in 1...2 {
            try await plant.running(isKilled: true) { gateway in
                let answer = try await gateway.get("/browse", port: rest, user: PlantConfiguration.viewer)
                #expect(answer.status == 200)
                gateway.signal(SIGKILL)
            }
        }
        let late = try await plant.command("tag", "read", "Simulation.Press1.Count")
        #expect(late.code == 1 && late.errors.contains("no gateway runs"))
    }
}

/// Opens a connection and sends half a TLS greeting.
private final class SlowClient: Sendable {
    private let descriptor: Int32

    init(port: Int) async throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw TestPeerError("no connection") }
        _ = send(descriptor, [0x16, 0x03, 0x01] as [UInt8], 3, Int32(MSG_NOSIGNAL))
    }

    deinit {
        close(descriptor)
    }
}
