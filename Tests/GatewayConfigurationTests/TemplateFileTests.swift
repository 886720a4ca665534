import GatewayConfiguration
import MQTTAgent
import Publishing
import Tags
import TestPeers
import Testing
import WireFormat

/// Templates as they stand in a file.
@Suite("Templates in the file", .timeLimit(.minutes(1)))
struct TemplateFileTests {
    private func publish(_ lines: String) throws -> (topic: String, publish: PublishOptions) {
        let directory = try TemporaryDirectory()
        let path = try directory.write(
            """
            version: 1
            gateway: { name: g }
            agents:
              - name: m
                type: mqtt
                url: ssl://b.example
                items: [{ tags: "_System._Date" }]
                publish:

            """ + lines, to: "gateway.yaml")
        let outcome = GatewayConfiguration.load(path: path, environment: [:])
        #expect(outcome.problems.map(\.description) == [])
        let agent = try #require(outcome.configuration?.agents.first)
        guard case .mqtt(let options) = agent.options else { throw TestPeerError("it is no MQTT agent") }
        return (options.topic, options.publish)
    }

    @Test func leftOutItIsTheStandardOne() throws {
        let (topic, options) = try publish("      rate: 1s")
        #expect(topic == "iotgateway" && options.template == .standard && options.topics == nil)
    }

    @Test func standard() throws {
        let (_, options) = try publish(
            """
                  template:
                    standard: |
                      at: |SERVERDATE|
                      data: |VALUES|
                    values: |
                      n: |TAGNAME|
                      v: |TAGVALUE|

            """)
        #expect(
            try options.template
                == MessageTemplate(standard: "at: |SERVERDATE|\ndata: |VALUES|", values: "n: |TAGNAME|\nv: |VALUE|"))
    }

    @Test func advancedWithTopics() throws {
        let (topic, options) = try publish(
            """
                  topic: plant/|DEVICE|/|TAG|
                  max-events: 1
                  template:
                    advanced: |-
                      |#each VALUES|{"v":|VALUE|}|/each|

            """)
        #expect(topic == "plant/|DEVICE|/|TAG|")
        #expect(options.topics?.topic(of: TagName(validated: "a.b.c")) == "plant/b/c")
        #expect(try options.template == MessageTemplate(advanced: #"|#each VALUES|{"v":|VALUE|}|/each|"#))
    }
}
