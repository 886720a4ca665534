import Drivers
import GatewayConfiguration
import MQTTAgent
import Outbox
import Publishing
import RESTServerAgent
import SecurityPolicy
import TLS
import Tags
import TestPeers
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("The documented examples", .timeLimit(.minutes(5)))
struct ExampleTests {
    /// A directory with everything that the surface's example refers to.
    static func surfaceDirectory() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        for folder in ["tags", "tls", "secrets"] { mkdir(directory.file(folder), 0o700) }
        try directory.write(SurfaceExample.text, to: "gateway.yaml")
        try directory.write(
            "name,address,type,access,unit,poll,description\nInterlock1,10001,,,,,\n", to: "tags/plc1.csv")
        for file in ["tls/gateway.pem", "tls/plant-ca.pem", "tls/gateway.key"] {
            try directory.write("-----BEGIN SOMETHING-----\n", to: file)
        }
        try directory.write("hunter2\n", to: "secrets/mqtt")
        try directory.write("open sesame\n", to: "secrets/key")
        for file in ["tls/gateway.key", "secrets/mqtt", "secrets/key"] { chmod(directory.file(file), 0o600) }
        return directory
    }

    @Test func everyKeyOfTheSurfaceIsKnown() throws {
        let directory = try ExampleTests.surfaceDirectory()
        let outcome = GatewayConfiguration.load(path: directory.file("gateway.yaml"), environment: [:])
        #expect(outcome.errors == [])
        let places = outcome.warnings.map { "\($0.place.line):\($0.place.column)" }
        #expect(places == ["38:81", "109:30"])
        let configuration = try #require(outcome.configuration)
        #expect(configuration.agents.map(\.name) == ["broker", "historian", "api"])
        guard case .mqtt(let broker) = configuration.agents[0].options else {
            Issue.record("the first agent is an MQTT agent")
            return
        }
        #expect(broker.password == Secret("hunter2"))
        #expect(broker.tls.identity?.keyPassword == Secret("open sesame"))
        #expect(broker.tls.caFile == directory.file("tls/plant-ca.pem"))
        #expect(broker.outbox == OutboxOptions())
        #expect(broker.writeTopic == "iotgateway/write")
        #expect(broker.responseTopic == "iotgateway/write/response")
        #expect(broker.birth == MQTTNotice(topic: "iotgateway/status", message: "online"))
        #expect(broker.items.map(\.scanRate) == [.seconds(1), .milliseconds(200)])
        #expect(broker.items[0].deadband == .percent(0.5))
        #expect(configuration.agents[0].place.line == 64)
        #expect(configuration.audit == AuditOptions())
        #expect(configuration.agents[0].endpointPlace.line == 67)
        #expect(configuration.groups[1].deny[0].place == "\(directory.file("gateway.yaml")):51")
    }

    @Test func theOwnExamplePassesInACleanClone() throws {
        let outcome = GatewayConfiguration.load(path: "\(packageRoot)/config/gateway.yaml", environment: [:])
        #expect(outcome.errors == [])
        // Files of what is disabled, and nothing else.
        #expect(outcome.warnings.allSatisfy { $0.message.contains("is not there") })
        let configuration = try #require(outcome.configuration)
        #expect(configuration.name == "press-shop")
        #expect(configuration.dataDirectory == "\(packageRoot)/config/data")
        #expect(configuration.channels.map(\.driver) == [.simulator, .modbusTCP])
        let names = configuration.channels.flatMap(\.devices).flatMap(\.definitions).map(\.name.text)
        #expect(names.count == 14)
        #expect(names.contains("Simulation.Press1.Hydraulics.Pressure"))
        #expect(names.contains("Plant.PLC1.Pumps.Feed.Speed"))
        #expect(!names.contains("Simulation.Press1.Spare"))
        guard case .modbus(let device, let tags) = configuration.channels[1].devices[0].tags,
            case .mqtt(let cloud) = configuration.agents[1].options,
            case .restServer(let api) = configuration.agents[2].options
        else {
            Issue.record("the example holds a Modbus device, two MQTT agents and a REST server")
            return
        }
        #expect(device == ModbusDeviceOptions(host: "127.0.0.1", port: 1502, unit: 1, poll: .milliseconds(500)))
        #expect(tags[0].definition.dataType == .double)
        #expect(tags[0].options.type == .short)
        #expect(tags[0].definition.details?.scaledSpan == 0...100)
        #expect(tags[2].definition.isArray)
        #expect(tags[4].definition.access == .readWrite)
        // Merged from the first agent, with a topic of its own.
        #expect(cloud.topic == "plants/press-shop")
        #expect(cloud.publish == PublishOptions())
        #expect(cloud.broker == BrokerURL(host: "cloud.example", port: 8883, usesTLS: true))
        #expect(api == RESTServerAgentOptions(name: "api", items: [ItemOptions(tags: try TagPattern("**"))]))
    }

    @Test func whatIsLeftOutHasTheDocumentedDefault() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("version: 1\ngateway: { name: g }\n", to: "gateway.yaml")
        let outcome = GatewayConfiguration.load(path: path, environment: [:])
        #expect(outcome.problems == [])
        #expect(outcome.configuration == GatewayConfiguration(name: "g", dataDirectory: directory.file("data")))
    }

    @Test func aMissingFileIsOneSentence() {
        let outcome = GatewayConfiguration.load(path: "/nowhere/gateway.yaml", environment: [:])
        #expect(
            outcome.problems.map(\.description) == [
                "/nowhere/gateway.yaml:1:1: error: the configuration file is not there; name another with --config PATH"
            ])
        #expect(GatewayConfiguration.load(path: "/", environment: [:]).errors.count == 1)
        #expect(GatewayConfiguration.load(path: "a\0b", environment: [:]).errors.count == 1)
    }
}
