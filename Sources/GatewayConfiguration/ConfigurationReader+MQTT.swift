import MQTTAgent
import Publishing
import TLS
import WireFormat
import Tags
import Yams

extension ConfigurationReader {
    func readMQTT(
        _ section: Section, _ name: String, _ isEnabled: Bool, _ tls: TLSSetup, _ groups: [String]
    ) -> MQTTAgentOptions? {
        var broker: BrokerURL?
        if let url = section.required("url", expected: "the broker's URL, as ssl://broker.example:8883") {
            do throws(BrokerURLError) {
                broker = try BrokerURL(parsing: url.text)
            } catch {
                log.add(.error, url.place, "\(error)")
            }
        }
        var options = MQTTAgentOptions(
            name: name, broker: broker ?? BrokerURL(host: "localhost", port: 8883, usesTLS: true))
        readCredentials(section, isEnabled, into: &options)
        options.protocolChoice = section.choice("protocol", default: .auto)
        readClientID(section, into: &options)
        let keepalive = section.duration("keepalive", in: .seconds(5)...(.seconds(65_535)), default: .seconds(10))
        if keepalive.components.attoseconds != 0 {
            section.error("keepalive", "\"keepalive\" takes whole seconds, at least 5s")
        }
        options.keepalive = keepalive
        options.tls = readClientTLS(section, tls, isEnabled: isEnabled, mayNotVerify: true)
        if let broker, !broker.usesTLS, section.has("tls") {
            section.warn("tls", "\"tls\" has no effect on a tcp:// broker; use ssl://")
        }
        let publish = section.section("publish", keys: ["topic", "qos", "retain"] + ConfigurationReader.publishKeys)
        var topic: ScalarText?
        if let publish {
            topic = readTopic(publish, "topic")
            options.topic = topic?.text ?? options.topic
            options.qos = readQoS(publish)
            options.retain = publish.boolean("retain", default: false)
        }
        options.publish = readPublish(publish)
        options.publish.topics = topic.flatMap(readTopics)
        options.birth = readNotice(section, "birth")
        options.lastWill = readNotice(section, "last-will")
        readWrites(section, groups, into: &options)
        options.outbox = readOutbox(section)
        options.items = readItems(section, isEnabled: isEnabled)
        if options.protocolChoice == .v3_1_1, !options.publish.template.hasSendersVariables {
            section.warn(
                "protocol",
                "MQTT 3.1.1 has no place for what tells messages apart, so that no receiver can prove that none is lost; "
                    + "use protocol: auto, or a template with |sallyport-epoch| and |sallyport-sequence|")
        }
        if let topic, let topics = options.publish.topics { checkTopics(topics, topic.place, options.items) }
        return broker == nil ? nil : options
    }

    private func readCredentials(_ section: Section, _ isEnabled: Bool, into options: inout MQTTAgentOptions) {
        if let username = section.text("username") {
            if username.text.isEmpty {
                log.add(.error, username.place, "\"username\" is empty; give the name or remove the key")
            } else if let problem = ConfigurationReader.problem(ofMQTTText: username.text) {
                log.add(.error, username.place, "\"username\" \(problem)")
            } else {
                options.username = username.text
            }
        }
        options.password = readSecret(section, "password", isUsed: isEnabled)
        if section.has("password"), !section.has("username") {
            section.error("password", "a password without a username: brokers refuse that; add username:")
        }
        if section.has("username"), !section.has("password") {
            section.warn("username", "a username without a password; add password: { file: secrets/NAME }")
        }
        if let password = options.password, password.bytes.count > 65_535 {
            section.error("password", "the password has more than 65535 bytes, which MQTT cannot carry")
        }
    }

    private func readClientID(_ section: Section, into options: inout MQTTAgentOptions) {
        guard let id = section.text("client-id") else { return }
        if let problem = ConfigurationReader.problem(ofMQTTText: id.text) {
            log.add(.error, id.place, "\"client-id\" \(problem)")
            return
        }
        if id.text.utf8.count > 23, options.protocolChoice == .v3_1_1 {
            log.add(.warning, id.place, "\"client-id\" has more than 23 bytes, which a 3.1.1 broker may refuse")
        }
        options.clientID = id.text
    }

    private func readQoS(_ section: Section) -> MQTTQoS {
        MQTTQoS(rawValue: Int32(section.integer("qos", in: 0...2, default: 1))) ?? .atLeastOnce
    }

    private func readNotice(_ agent: Section, _ key: String) -> MQTTNotice? {
        guard let section = agent.section(key, keys: ["topic", "message", "qos", "retain"]) else { return nil }
        if !section.has("topic") { log.add(.error, section.place, "\"topic\" is missing in \"\(key)\"") }
        let topic = readTopic(section, "topic")?.text
        let message = section.required("message", expected: "a short text, as online")
        let qos = readQoS(section)
        let retain = section.boolean("retain", default: true)
        if let message, message.text.utf8.count > 65_535 {
            log.add(.error, message.place, "\"message\" has more than 65535 bytes")
        }
        guard let topic, let message else { return nil }
        return MQTTNotice(topic: topic, message: message.text, qos: qos, retain: retain)
    }

    private func readWrites(_ agent: Section, _ groups: [String], into options: inout MQTTAgentOptions) {
        let keys = ["enabled", "topic", "response-topic", "as", "signed", "max-age", "rate-limit"]
        guard let section = agent.section("writes", keys: keys) else { return }
        if section.boolean("enabled", default: false) {
            refuse(section.place(of: "enabled"), "writing over MQTT", "set it to false")
        }
        options.writeTopic = readTopic(section, "topic")?.text ?? "iotgateway/write"
        options.responseTopic = readTopic(section, "response-topic")?.text ?? "iotgateway/write/response"
        if let group = section.text("as", expected: "the name of a group"),
            !groups.contains(where: { TagName.folded($0) == TagName.folded(group.text) })
        {
            let nearest = NearestName.of(group.text, in: groups)
            log.add(
                .error, group.place,
                "no group is named \(quoted(group))\(nearest.map { "; did you mean \"\($0)\"?" } ?? "")")
        }
        _ = section.word("signed", of: ["off", "optional", "required"])
        _ = section.duration("max-age", in: .seconds(1)...(.seconds(86_400)), default: .seconds(10))
        _ = section.integer("rate-limit", in: 1...1_000_000, default: 100)
        for case (let key, let topic?) in [("topic", options.writeTopic), ("response-topic", options.responseTopic)] {
            // Who may publish what a tag could be published to may publish writes.
            if let topics = options.publish.topics, topics.mayGive(topic) {
                section.error(
                    key,
                    "a tag could be published to \"\(topic)\" by the topic \"\(options.topic)\"; change one of the two")
            } else if topic == options.topic {
                section.error(
                    key, "writes and the published messages cannot share the topic \"\(options.topic)\"; change one")
            }
        }
    }

    /// A topic that is published to, checked; nil when it is left out or wrong.
    private func readTopic(_ section: Section, _ key: String) -> ScalarText? {
        guard let topic = section.text(key, expected: "a topic, as iotgateway") else { return nil }
        if topic.text.isEmpty {
            log.add(.error, topic.place, "\"\(key)\" is empty; it takes a topic, as iotgateway")
            return nil
        }
        if let problem = ConfigurationReader.problem(ofMQTTText: topic.text) {
            log.add(.error, topic.place, "\"\(key)\" \(problem)")
            return nil
        }
        if topic.text.utf8.contains(where: { $0 == 0x2B || $0 == 0x23 }) {
            log.add(.error, topic.place, "\"\(key)\" may not hold the wildcards + and #, found \(quoted(topic))")
            return nil
        }
        if topic.text.utf8.first == 0x24 {
            log.add(.error, topic.place, "\"\(key)\" may not begin with $, which is the broker's own")
            return nil
        }
        return topic
    }

    /// What MQTT does not allow in any of its texts.
    private static func problem(ofMQTTText text: String) -> String? {
        if text.utf8.count > 65_535 { return "has \(text.utf8.count) bytes; MQTT allows 65535" }
        if text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            return "holds a control character; remove it"
        }
        return nil
    }
}
