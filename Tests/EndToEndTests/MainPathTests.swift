import Glibc
import TestPeers
import Testing

@Suite("The whole: device in, broker and REST out", .serialized, .timeLimit(.minutes(3)))
struct MainPathTests {
    @Test("values of a real Modbus device reach a real broker over TLS and clients over HTTPS")
    func mainPath() async throws {
        try await withModbusPeer { device in
            try await withMosquitto { broker in
                let rest = try freePort()
                let configuration = PlantConfiguration(modbusPort: device.port, restPort: rest, broker: broker)
                let plant = try await configuration.plant()
                try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                    try await plant.running { gateway in
                        // The counter grows by one each 100 ms: what arrives must grow, without a value from elsewhere.
                        var counter: [Double] = []
                        while counter.count < 5 {
                            let message = try await PublishedMessage(messages.next())
                            for event in message.values where event.id == "Plant.PLC1.Counter" {
                                #expect(event.q)
                                #expect(message.timestamp >= event.t)
                                if let value = event.v { counter.append(value) }
                            }
                        }
                        #expect(zip(counter, counter.dropFirst()).allSatisfy { $0 < $1 }, "\(counter)")

                        let browse = try await gateway.get("/browse", port: rest, user: PlantConfiguration.viewer)
                        #expect(browse.status == 200)
                        #expect(
                            try browse.ids == [
                                "Simulation.Press1.Count", "Simulation.Press1.Setpoint", "Plant.PLC1.Level",
                                "Plant.PLC1.Counter", "Plant.PLC1.Ramp",
                            ])
                        let read = try await gateway.get(
                            "/read?ids=plant.plc1.counter&ids=No.Such.Tag", port: rest,
                            user: PlantConfiguration.viewer)
                        let entries = try read.entries
                        #expect(entries[0].id == "Plant.PLC1.Counter" && entries[0].s)
                        #expect(try #require(entries[0].v) >= counter[4])
                        #expect(!entries[1].s && entries[1].v == nil)
                    }
                }
            }
        }
    }

    @Test("nobody without a right name and password sees anything, and a group sees only its tags")
    func access() async throws {
        let rest = try freePort()
        var configuration = PlantConfiguration(restPort: rest)
        configuration.viewerTags = "Simulation.**"
        let plant = try await configuration.plant()
        try await plant.running { gateway in
            #expect(try await gateway.get("/browse", port: rest).status == 401)
            #expect(try await gateway.get("/browse", port: rest, user: "viewer:wrong").status == 401)
            #expect(try await gateway.get("/browse", port: rest, user: "nobody:a long reading secret").status == 401)
            let browse = try await gateway.get("/browse", port: rest, user: PlantConfiguration.viewer)
            #expect(try browse.ids == ["Simulation.Press1.Count", "Simulation.Press1.Setpoint"])
            let hidden = try await gateway.get(
                "/read?ids=Plant.PLC1.Level", port: rest, user: PlantConfiguration.viewer)
            let unknown = try await gateway.get(
                "/read?ids=Plant.PLC1.Nevel", port: rest, user: PlantConfiguration.viewer)
            #expect(hidden.body == unknown.body.replacing("Nevel", with: "Level"))
            let write = try await gateway.get(
                "/write", port: rest, user: PlantConfiguration.viewer, "-d",
                #"[{"id":"Simulation.Press1.Setpoint","v":1}]"#,
                "-H", "Content-Type: application/json")
            #expect(write.status == 403 && write.body.contains("write-endpoint"))
        }
    }

    @Test("a change of users counts on the next request")
    func users() async throws {
        let rest = try freePort()
        let plant = try await PlantConfiguration(restPort: rest).plant()
        try await plant.running { gateway in
            func status() async throws -> Int {
                try await gateway.get("/browse", port: rest, user: PlantConfiguration.viewer).status
            }
            #expect(try await status() == 200)
            #expect(try await plant.command("user", "disable", "viewer").code == 0)
            #expect(try await status() == 401)
            #expect(try await plant.command("user", "enable", "viewer").code == 0)
            #expect(try await status() == 200)
            #expect(try await plant.command("user", "password", "viewer", input: "another long password\n").code == 0)
            #expect(try await status() == 401)
            let list = try await plant.command("user", "list")
            #expect(list.output.contains("viewer") && list.output.contains("viewers"))
            #expect(try await plant.command("user", "remove", "viewer").code == 0)
            #expect(try await status() == 401)
        }
    }

    @Test("without an administrator the REST server says how to make one, and nothing else")
    func noAdministrator() async throws {
        let rest = try freePort()
        let plant = try Plant(PlantConfiguration(restPort: rest).yaml)
        try await plant.running { gateway in
            let answer = try await gateway.get("/browse", port: rest)
            #expect(answer.status == 503)
            #expect(answer.body.contains("sallyport user add"))
            try await plant.add(user: "root", password: "an administrator's password", "--administrator")
            #expect(try await gateway.get("/browse", port: rest).status == 401)
        }
    }
}
