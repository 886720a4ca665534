import TestPeers

/// The configuration of most tests: a simulator, a Modbus device, a broker and a REST server.
struct PlantConfiguration {
    var modbusPort = 1
    var restPort = 1
    var broker: MosquittoBroker?
    /// Another way to the broker than its own port.
    var brokerPort: Int?
    var extraTags = ""
    var extraTop = ""
    var viewerTags = "**"
    var restItems = "**"
    var publish = "{ type: on-change }"
    var password = "secrets-mqtt"

    static let viewer = "viewer:a long reading secret"

    var yaml: String {
        """
        version: 1
        gateway: { name: test, data-directory: data }
        channels:
          - name: Simulation
            driver: simulator
            devices:
              - name: Press1
                tags:
                  - { name: Count, address: "RAMP (100, 0, 1000000, 1)", type: Long }
                  - { name: Setpoint, address: K0001, type: Double, access: read-write, range: [0, 100] }
          - name: Plant
            driver: modbus-tcp
            devices:
              - name: PLC1
                host: 127.0.0.1
                port: \(modbusPort)
                poll: 100ms
                timeout: 500ms
                retries: 0
                demote: { after: 3, for: 2s }
                tags:
                  - { name: Level, address: "40001", type: Word }
                  - { name: Counter, address: "40002", type: Word }
                  - { name: Ramp, address: "41001 [4]", type: Word }
        \(extraTags)
        \(extraTop)
        security:
          groups:
            - name: viewers
              allow: [{ tags: "\(viewerTags)", actions: [browse, read] }]
        agents:
        \(brokerAgent)
          - name: api
            type: rest-server
            port: \(restPort)
            items: [{ tags: "\(restItems)" }]

        """
    }

    private var brokerAgent: String {
        guard let broker else { return "" }
        return """
              - name: broker
                type: mqtt
                url: ssl://localhost:\(brokerPort ?? broker.tlsPort)
                username: gateway
                password: { file: \(password) }
                tls: { ca-file: \(broker.authority.certificateFile) }
                publish: \(publish)
                birth: { topic: iotgateway/status, message: online }
                last-will: { topic: iotgateway/status, message: offline }
                items: [{ tags: "**" }]
            """
    }

    /// A plant with this configuration, its secret and its users.
    func plant() async throws -> Plant {
        let plant = try Plant(yaml)
        try plant.secret(BrokerAccount.gateway.password, password)
        try await plant.add(user: "root", password: "an administrator's password", "--administrator")
        try await plant.add(user: "viewer", password: "a long reading secret", "--group", "viewers")
        return plant
    }
}
