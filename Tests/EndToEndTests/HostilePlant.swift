import TestPeers

/// A plant whose agents are attacked: `api` with HTTPS and the usual caps, `plain` without TLS and with caps that let
/// an attack in.
struct HostilePlant {
    let rest: Int
    let plain: Int
    var configuration: PlantConfiguration
    var limits = "{ request-timeout: \(Extent.isAll ? 15 : 3)s }"
    var plainLimits = "{ connections: 2000, connections-per-address: 1000, request-timeout: \(Extent.isAll ? 15 : 3)s }"

    init(modbus: ModbusPeer, broker: MosquittoBroker? = nil) throws {
        rest = try freePort()
        plain = try freePort()
        configuration = PlantConfiguration(modbusPort: modbus.port, restPort: rest, broker: broker)
    }

    func plant() async throws -> Plant {
        let plant = try await configuration.plant()
        try plant.write(
            configuration.yaml.replacing(
                "type: rest-server", with: "type: rest-server\n    write-endpoint: true\n    limits: \(limits)") + """
                      - name: plain
                        type: rest-server
                        port: \(plain)
                        https: false
                        limits: \(plainLimits)
                        items: [{ tags: "**" }]

                    """)
        return plant
    }

    func bystander(_ plant: Plant) -> Bystander { Bystander(plant: plant, port: rest, plainPort: plain) }
}
