import Glibc
import TestPeers
import Testing

@Suite("Command line", .serialized, .timeLimit(.minutes(4)))
struct CommandLineTests {
    @Test("a wrong call and a wrong file end with 2, and say what and where")
    func usage() async throws {
        #expect(try await Plant.command(["bogus"]).code == 2)
        #expect(try await Plant.command(["tag", "read"]).code == 2)
        let version = try await Plant.command(["--version"])
        #expect(version.code == 0 && version.output.hasPrefix("sallyport "))
        #expect(try await Plant.command(["--help"]).code == 0)

        let missing = try await Plant.command(["check", "--config", "/nowhere/gateway.yaml"])
        #expect(missing.code == 2 && missing.errors.contains("/nowhere/gateway.yaml"))
    }

    @Test("check names every problem with its place and the nearest known key")
    func check() async throws {
        let plant = try Plant(
            """
            version: 1
            gateway: { name: test, data-directory: data }
            channels:
              - name: Plant
                driver: modbus-tcp
                devices:
                  - name: PLC1
                    hots: 127.0.0.1
                    tags:
                      - { name: Level, address: 40001, type: Word }
            """)
        for verb in ["check", "run"] {
            let outcome = try await plant.command(verb)
            #expect(outcome.code == 2)
            #expect(outcome.errors.contains("\(plant.configuration):8:9: error:"), "\(outcome.errors)")
            #expect(outcome.errors.contains("did you mean \"host\""), "\(outcome.errors)")
            #expect(outcome.errors.contains("\(plant.configuration):10:"))
            #expect(!outcome.errors.contains("Fatal"))
        }
    }

    @Test("a broker without TLS beyond loopback is refused, until the risk is accepted")
    func plaintext() async throws {
        let agent = """
            agents:
              - name: broker
                type: mqtt
                url: tcp://broker.example:1883
                items: [{ tags: "**" }]
            """
        let head = """
            version: 1
            gateway: { name: test, data-directory: data }
            channels:
              - name: S
                driver: simulator
                devices: [{ name: D, tags: [{ name: T, address: K0001, type: Long }] }]

            """
        let plant = try Plant(head + agent)
        let refused = try await plant.command("check")
        #expect(refused.code == 2)
        let rule = try #require(refused.errors.firstMatch(of: /SP-\d+/)).output
        try plant.write(
            head + "accept-risk: [{ rule: \(rule), agent: broker, reason: a test, until: 2099-01-01 }]\n" + agent)
        let accepted = try await plant.command("check")
        #expect(accepted.code == 0, "\(accepted.errors)")
        #expect(accepted.errors.contains("accepted"))
        let json = try await plant.command("check", "--format", "json")
        #expect(json.output.contains("\"message\":\"the risk \(rule) is accepted"), "\(json.output)")
        #expect(json.output.contains("\"severity\":\"note\""))
    }

    @Test("a certificate that is none, and an authority that is missing, end with 2 and one sentence")
    func badCertificate() async throws {
        var configuration = PlantConfiguration()
        configuration.extraTop = """
            tls: { identities: [{ name: factory, certificate: bad.pem, key: bad.key }] }
            """
        let yaml = configuration.yaml.replacing(
            "    items: [{ tags: \"**\" }]", with: "    items: [{ tags: \"**\" }]\n    tls: { identity: factory }")
        let plant = try Plant(yaml)
        let missing = try await plant.command("run")
        #expect(missing.code == 2 && missing.errors.contains("bad.pem"), "\(missing.errors)")
        try plant.directory.write(
            "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n", to: "bad.pem")
        try plant.secret("-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----", "bad.key")
        let broken = try await plant.command("run")
        #expect(broken.code == 2 && broken.errors.contains("bad."), "\(broken.errors)")
        #expect(!broken.errors.contains("Fatal"))
    }

    @Test("a port in use, and a second process on the data directory, end with 1 and one sentence")
    func conflicts() async throws {
        let rest = try freePort()
        let plant = try await PlantConfiguration(restPort: rest).plant()
        try await plant.running { gateway in
            let second = try await plant.command("run")
            #expect(second.code == 1)
            #expect(second.errors.contains("in use") && second.errors.contains("\(gateway.processIdentifier)"))

            let other = try await PlantConfiguration(restPort: rest).plant()
            let sharing = try await other.command("run")
            #expect(sharing.code == 1)
            #expect(sharing.errors.contains("\(rest)"), "\(sharing.errors)")
            #expect(try await gateway.get("/browse", port: rest, user: PlantConfiguration.viewer).status == 200)
        }
    }

    @Test("tag browse, read and watch, and device status and trace, ask the running gateway")
    func asking() async throws {
        try await withModbusPeer { device in
            let plant = try await PlantConfiguration(modbusPort: device.port, restPort: try freePort()).plant()
            try await plant.running { _ in
                let browse = try await plant.command("tag", "browse", "Plant.**")
                #expect(browse.output.contains("Plant.PLC1.Counter") && !browse.output.contains("Simulation"))
                let system = try await plant.command("tag", "browse", "_System._*")
                #expect(system.output.contains("_System._TotalTagCount"))
                let read = try await eventually("a good value") {
                    let read = try await plant.command("tag", "read", "plant.plc1.counter", "--format", "json")
                    return read.output.contains("\"good\"") ? read : nil
                }
                #expect(read.output.contains("\"name\":\"Plant.PLC1.Counter\""))
                let watch = try await plant.command("tag", "watch", "Plant.PLC1.Counter", "--count", "3")
                #expect(watch.code == 0 && watch.output.split(separator: "\n").count == 3)
                let unknown = try await plant.command("tag", "read", "No.Such.Tag")
                #expect(unknown.code == 1 && unknown.errors.contains("No.Such.Tag"))

                let status = try await plant.command("device", "status")
                #expect(
                    status.output.contains("Plant.PLC1  modbus-tcp") && status.output.contains("state        connected")
                )
                let trace = try await plant.command("device", "trace", "Plant.PLC1", "--count", "4")
                #expect(trace.output.contains("→") && trace.output.contains("←"), "\(trace.output)")
                #expect(trace.output.contains("00 00 00 06 01 03"), "\(trace.output)")
                let whole = try await plant.command("status", "--format", "json")
                #expect(whole.output.contains("\"state\":\"listening\""))
            }
        }
    }

    @Test("broker-acl prints what the gateway's account needs and nothing else")
    func accessRules() async throws {
        try await withMosquitto { broker in
            let plant = try await PlantConfiguration(broker: broker).plant()
            let acl = try await plant.command("broker-acl", "--format", "mosquitto", "--reader", "scada")
            #expect(acl.code == 0)
            let lines = acl.output.split(separator: "\n").filter { !$0.hasPrefix("#") }
            #expect(
                lines == [
                    "user gateway", "topic write iotgateway", "topic write iotgateway/status", "user scada",
                    "topic read iotgateway", "topic read iotgateway/status",
                ])
        }
    }

    @Test("bad passwords and unknown groups are refused, and change nothing")
    func passwords() async throws {
        let plant = try await PlantConfiguration().plant()
        #expect(try await plant.command("user", "add", "ann", "--group", "viewers", input: "short\n").code == 1)
        #expect(try await plant.command("user", "add", "ann", "--group", "viewers", input: "").code == 2)
        #expect(
            try await plant.command(
                "user", "add", "ann", "--group", "viewers", input: "long enough for it\nbut not the same\n"
            )
            .code == 1)
        #expect(
            try await plant.command("user", "add", "ann", "--group", "nobody", input: "long enough for it\n").code == 2)
        #expect(try await plant.command("user", "add", "ann", input: "long enough for it\n").code == 2)
        #expect(
            try await plant.command("user", "add", "viewer", "--group", "viewers", input: "long enough for it\n").code
                == 1)
        #expect(try await !plant.command("user", "list").output.contains("ann"))
    }
}
