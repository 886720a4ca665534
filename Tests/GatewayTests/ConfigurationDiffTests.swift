import Drivers
import Gateway
import GatewayConfiguration
import MQTTAgent
import Tags
import TestPeers
import Testing

@Suite("Configuration diff", .timeLimit(.minutes(1)))
struct ConfigurationDiffTests {
    private func device(_ name: String, poll: Duration = .seconds(1), enabled: Bool = true) -> DeviceConfiguration {
        DeviceConfiguration(
            name: name, enabled: enabled, tags: .simulator(SimulatorDeviceOptions(poll: poll), []))
    }

    private func agent(_ name: String, topic: String = "t", enabled: Bool = true, line: Int = 1) -> AgentConfiguration {
        let place = SourcePlace(file: "gateway.yaml", line: line, column: 1)
        return AgentConfiguration(
            name: name, enabled: enabled,
            options: .mqtt(
                MQTTAgentOptions(name: name, broker: BrokerURL(host: "b", port: 1, usesTLS: true), topic: topic)),
            place: place, endpointPlace: place)
    }

    private func configuration(
        _ devices: [DeviceConfiguration], _ agents: [AgentConfiguration], channelEnabled: Bool = true
    ) -> GatewayConfiguration {
        var configuration = GatewayConfiguration(name: "g", dataDirectory: "/d")
        configuration.channels = [
            ChannelConfiguration(name: "C", driver: .simulator, enabled: channelEnabled, devices: devices)
        ]
        configuration.agents = agents
        return configuration
    }

    @Test("the first start is a diff from nothing")
    func first() {
        let diff = ConfigurationDiff(
            from: nil, to: configuration([device("a"), device("b")], [agent("x"), agent("y", enabled: false)]))
        #expect(diff.startedDevices.map(\.name) == ["C.a", "C.b"])
        #expect(diff.startedAgents.map(\.name) == ["x"])
        #expect(diff.stoppedDevices.isEmpty && diff.stoppedAgents.isEmpty)
    }

    @Test("only what changed stops and starts; a line that moved is no change")
    func changes() {
        let old = configuration([device("a"), device("b"), device("c")], [agent("x"), agent("y"), agent("z")])
        let new = configuration(
            [device("a"), device("b", poll: .seconds(2)), device("d")],
            [agent("x", line: 7), agent("y", topic: "u"), agent("z", enabled: false)])
        let diff = ConfigurationDiff(from: old, to: new)
        #expect(diff.stoppedDevices == ["C.b", "C.c"])
        #expect(diff.startedDevices.map(\.name) == ["C.b", "C.d"])
        #expect(diff.stoppedAgents == ["y", "z"])
        #expect(diff.startedAgents.map(\.name) == ["y"])
        #expect(diff.changes == 5)
        #expect(ConfigurationDiff(from: new, to: new).changes == 0)
    }

    @Test("the audit log hears of switches with old and new, of groups by name, and of nothing that only moved")
    func words() throws {
        let directory = try TemporaryDirectory()
        func load(_ text: String) throws -> GatewayConfiguration {
            let path = try directory.write(text, to: "gateway.yaml")
            return try #require(GatewayConfiguration.load(path: path, environment: [:]).configuration)
        }
        let text = """
            version: 1
            gateway: { name: g }
            security:
              groups:
                - { name: viewers, allow: [{ tags: "**", actions: [browse] }] }
                - { name: guests, allow: [{ tags: "**", actions: [browse] }] }
            agents:
              - name: api
                type: rest-server
                write-endpoint: false
                items: [{ tags: "**" }]

            """
        let old = try load(text)
        #expect(ConfigurationDiff.words(from: nil, to: old) == "the first configuration")
        #expect(ConfigurationDiff.words(from: old, to: try load("# moved\n" + text)) == "nothing")
        let new = try load(
            text.replacing("write-endpoint: false", with: "write-endpoint: true\n    port: 39321")
                .replacing("guests, allow: [{ tags: \"**\", actions: [browse] }]", with: "guests")
                .replacing("name: viewers", with: "name: operators"))
        #expect(
            ConfigurationDiff.words(from: old, to: new)
                == "group viewers removed, group operators added, group guests changed, agent api changed "
                + "(bind 127.0.0.1:39320 -> 127.0.0.1:39321, write-endpoint false -> true)")
    }

    @Test("a channel that is disabled restarts its devices as disabled ones")
    func disabled() {
        let old = configuration([device("a")], [])
        let diff = ConfigurationDiff(from: old, to: configuration([device("a")], [], channelEnabled: false))
        #expect(diff.stoppedDevices == ["C.a"])
        #expect(diff.startedDevices.map(\.isEnabled) == [false])
    }
}
