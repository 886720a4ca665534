import MQTTAgent
import Testing

@Suite("Broker access", .timeLimit(.minutes(1)))
struct BrokerAccessTests {
    private func agent(_ name: String, username: String?, topic: String = "iotgateway") -> MQTTAgentOptions {
        MQTTAgentOptions(
            name: name, broker: BrokerURL(host: "b", port: 8883, usesTLS: true), username: username, topic: topic,
            birth: MQTTNotice(topic: "\(topic)/status", message: "online"),
            lastWill: MQTTNotice(topic: "\(topic)/status", message: "offline"))
    }

    @Test("the account writes what it publishes, reads its write topic, and nothing else; a reader only reads")
    func whole() throws {
        var options = agent("broker", username: "gateway")
        options.writeTopic = "iotgateway/write"
        options.responseTopic = "iotgateway/write/response"
        #expect(
            try BrokerAccess.mosquitto([BrokerAccess(options)], readers: ["scada"]) == """
                # For broker: made by sallyport broker-acl
                user gateway
                topic write iotgateway
                topic write iotgateway/status
                topic write iotgateway/write/response
                topic read iotgateway/write

                # For broker: made by sallyport broker-acl
                user scada
                topic read iotgateway
                topic read iotgateway/status

                """)
    }

    @Test("agents with one account share a section, others have their own")
    func several() throws {
        let agents = [
            agent("a", username: "gateway"), agent("b", username: "other", topic: "t"),
            agent("c", username: "gateway", topic: "u"),
        ]
        let text = try BrokerAccess.mosquitto(agents.map { BrokerAccess($0) }, readers: [])
        let sections = text.split(separator: "user ").dropFirst().map { $0.split(separator: "\n\n")[0] }
        #expect(sections.count == 2)
        #expect(sections[0].hasPrefix("gateway\n") && sections[0].contains("topic write u/status"))
        #expect(sections[1].hasPrefix("other\n") && !sections[1].contains("iotgateway"))
    }

    @Test("an agent without an account gets no rules: they would fall to somebody else")
    func anonymous() {
        #expect(throws: BrokerAccessError.noAccount(agent: "b")) {
            try BrokerAccess.mosquitto(
                [BrokerAccess(agent("a", username: "x")), BrokerAccess(agent("b", username: nil))], readers: [])
        }
        #expect(throws: BrokerAccessError.readerIsGateway("x")) {
            try BrokerAccess.mosquitto([BrokerAccess(agent("a", username: "x"))], readers: ["x"])
        }
    }
}
