import MQTTAgent
import Outbox
import Publishing
import TLS
import TagStore
import Tags
import TestPeers
import Testing
import WireFormat

@Suite("MQTT agent and a real broker", .serialized, .timeLimit(.minutes(2)))
struct BrokerTests {
    @Test("publishes what changes over TLS, byte for byte, with the account's rights only")
    func publishing() async throws {
        try await withMosquitto { broker in
            try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                let bench = try await AgentBench()
                try await bench.running(bench.options(broker)) { agent in
                    await bench.set(6978, at: 1_535_488_314_859)
                    let message = try await messages.next()
                    let tail = message.text.drop { $0 != "[" }
                    #expect(tail == #"[{"id":"Plant.PLC1.Level","v":6978,"q":true,"t":1535488314859}]}"#)
                    #expect(message.text.hasPrefix(#"{"timestamp":"#))
                    #expect(message.qos == 1 && !message.isRetained)
                    try await agent.wait { $0.published == 1 }
                    #expect(agent.status.protocolVersion == "5")
                }
            }
        }
    }

    @Test("a topic for each tag and a template of one's own, with no more rights than broker-acl prints")
    func topicsAndTemplates() async throws {
        func shaped(_ options: MQTTAgentOptions) throws -> MQTTAgentOptions {
            var options = options
            options.topic = "plant/|DEVICE|/|TAG|"
            options.publish.topics = try TopicTemplate(parsing: options.topic)
            options.publish.template = try MessageTemplate(
                advanced: #"|#each VALUES|{"|TAGNAME|":|VALUE|}|#unless @last|,|/unless||/each|"#)
            options.birth = MQTTNotice(topic: "plant/status", message: "online")
            return options
        }
        let told = MQTTAgentOptions(
            name: "broker", broker: BrokerURL(host: "b", port: 1, usesTLS: true),
            username: BrokerAccount.gateway.name)
        let acl = try BrokerAccess.mosquitto(
            [BrokerAccess(shaped(told))], readers: [BrokerAccount.reader.name])
        try await withMosquitto(acl: acl) { broker in
            try await broker.withSubscriber(to: ["plant/#"]) { messages in
                let bench = try await AgentBench()
                try await bench.running(shaped(bench.options(broker))) { agent in
                    let birth = try await messages.next()
                    #expect(birth.topic == "plant/status" && birth.text == "online")
                    await bench.set(7)
                    let message = try await messages.next()
                    #expect(message.topic == "plant/PLC1/Level" && message.text == #"{"Plant.PLC1.Level":7}"#)
                    try await agent.wait { $0.published == 1 && $0.refused == 0 }
                }
            }
        }
    }

    @Test("says hello on connect, goodbye itself on a clean stop, and leaves the last will to the broker on a loss")
    func notices() async throws {
        try await withMosquitto { broker in
            try await broker.withSubscriber(to: ["iotgateway/status"]) { messages in
                let bench = try await AgentBench()
                var options = bench.options(broker)
                options.birth = MQTTNotice(topic: "iotgateway/status", message: "online")
                options.lastWill = MQTTNotice(topic: "iotgateway/status", message: "offline")
                try await bench.running(options) { _ in
                    let birth = try await messages.next()
                    #expect(birth.text == "online")
                }
                let farewell = try await messages.next()
                #expect(farewell.text == "offline")
            }
        }
    }

    @Test(
        "nothing is lost while the broker is out of reach, and the order holds",
        arguments: [MQTTQoS.atLeastOnce, .atMostOnce])
    func outage(qos: MQTTQoS) async throws {
        try await withMosquitto { broker in
            try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                let bench = try await AgentBench()
                let port = try freePort()
                var options = bench.options(broker, port: port)
                options.qos = qos
                // One event a message: more messages than the window, several times.
                options.publish.maxEvents = 1
                try await bench.running(options) { agent in
                    // What is set before the agent listens is one update, not several.
                    while await bench.store.subscriptions == 0 { await Task.yield() }
                    for value in 1...200 { await bench.set(Int64(value)) }
                    try await agent.wait { $0.queue.messages == 200 && $0.lastError != nil }
                    #expect(agent.status.published == 0)
                    try await withNetworkLink(from: port, to: broker.tlsPort) {
                        for value in 1...200 {
                            let text = try await messages.next().text
                            #expect(text.contains("\"v\":\(value),"), "\(text)")
                        }
                        try await agent.wait(within: .seconds(5)) { $0.queue.messages == 0 }
                    }
                }
            }
        }
    }

    @Test("a message that is too large for the broker goes in parts, and nothing of it is missing")
    func tooLarge() async throws {
        let peer = try await MosquittoPeer(extraLines: ["max_packet_size 400"])
        try await peer.run { broker in
            try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                let bench = try await AgentBench()
                var options = bench.options(broker)
                options.publish = PublishOptions(type: .interval, rate: .milliseconds(500))
                try await bench.running(options) { agent in
                    try await agent.wait { $0.state == .connected }
                    while await bench.store.subscriptions == 0 { await Task.yield() }
                    for value in 1...50 { await bench.set(Int64(value)) }
                    var values: [Int] = []
                    while values.count < 50 {
                        let parts = try await messages.next().text.split(separator: "\"v\":").dropFirst()
                        values += parts.compactMap { Int($0.prefix { $0.isNumber }) }
                    }
                    #expect(values == Array(1...50))
                    #expect(agent.status.refused == 0 && agent.status.connections == 1)
                }
            }
        }
    }

    @Test("items are replaced without a new connection, and what was published is not published again")
    func replacedItems() async throws {
        try await withMosquitto { broker in
            try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                let bench = try await AgentBench()
                try await bench.running(bench.options(broker)) { agent in
                    await bench.set(1)
                    _ = try await messages.next()
                    let both = agent.items
                    agent.replace(items: [both[0]])
                    await bench.set(2)
                    let second = try await messages.next()
                    #expect(second.text.contains("\"v\":2,") && !second.text.contains("\"v\":1,"))
                    #expect(agent.status.connections == 1)
                }
            }
        }
    }

    @Test("a broker that is killed and comes back is used again within seconds, without a restart")
    func reconnect() async throws {
        let peer = try await MosquittoPeer()
        let bench = try await AgentBench()
        let options = try await peer.run { bench.options($0) }
        try await bench.running(options) { agent in
            for round in 1...3 {
                try await peer.run { broker in
                    try await agent.wait { $0.state == .connected && $0.connections == UInt64(round) }
                    await bench.set(Int64(round))
                    try await agent.wait { $0.published == UInt64(round) }
                }
                try await agent.wait { $0.state != .connected }
            }
            #expect(agent.status.queue.messages == 0)
        }
    }

    @Test("a wrong password is told, and not tried in a hurry")
    func wrongPassword() async throws {
        try await withMosquitto { broker in
            let bench = try await AgentBench()
            var options = bench.options(broker)
            options.password = Secret("wrong")
            try await bench.running(options) { agent in
                try await agent.wait { $0.lastError != nil && $0.state == .waiting }
                #expect(
                    agent.status.lastError?.contains("not allow") == true
                        || agent.status.lastError?.contains("password") == true)
                #expect(agent.status.connections == 0)
            }
        }
    }

    @Test("a broker of another authority gets no data, and the reason is told")
    func wrongAuthority() async throws {
        let other = try await DemoAuthority(name: "Another CA")
        try await withMosquitto { broker in
            let bench = try await AgentBench()
            var options = bench.options(broker)
            options.tls.caFile = other.certificateFile
            try await bench.running(options) { agent in
                await bench.set(1)
                try await agent.wait { $0.lastError != nil }
                #expect(agent.status.lastError?.contains("certificate") == true, "\(agent.status.lastError ?? "")")
                #expect(agent.status.published == 0)
            }
        }
    }

    @Test("a broker whose certificate is for another host gets no data")
    func wrongHost() async throws {
        let authority = try await DemoAuthority()
        let server = try await authority.issue("elsewhere", names: ["DNS:elsewhere.example"])
        let peer = try await MosquittoPeer(authority: authority, server: server)
        try await peer.run { broker in
            let bench = try await AgentBench()
            try await bench.running(bench.options(broker)) { agent in
                await bench.set(1)
                try await agent.wait { $0.lastError != nil }
                #expect(
                    agent.status.lastError?.contains("elsewhere.example") == true, "\(agent.status.lastError ?? "")")
                #expect(agent.status.published == 0)
            }
        }
    }

    @Test("a client certificate is the account where the broker wants one")
    func clientCertificate() async throws {
        try await withMosquitto { broker in
            let identity = try await broker.authority.issue("gateway", usage: .client)
            let bench = try await AgentBench()
            var options = bench.options(broker, port: broker.mutualTLSPort)
            options.username = nil
            options.password = nil
            options.tls.identity = TLSIdentityOptions(
                name: "gateway", certificateFile: identity.certificateFile, keyFile: identity.keyFile)
            try await bench.running(options) { agent in
                await bench.set(1)
                try await agent.wait { $0.published == 1 }
            }
        }
    }

    @Test("what the broker's access rules refuse is counted as refused, not as published")
    func refusedTopic() async throws {
        try await withMosquitto { broker in
            let bench = try await AgentBench()
            var options = bench.options(broker)
            options.topic = "somewhere/else"
            try await bench.running(options) { agent in
                await bench.set(1)
                try await agent.wait { $0.refused == 1 }
                #expect(agent.status.published == 0)
                #expect(agent.status.lastError?.contains("somewhere/else") == true)
            }
        }
    }

    @Test("two gateways with one client id: the loser says so and does not fight")
    func takenOver() async throws {
        try await withMosquitto { broker in
            let bench = try await AgentBench()
            let options = bench.options(broker)
            try await bench.running(options) { first in
                try await first.wait { $0.state == .connected }
                try await bench.running(options) { second in
                    try await second.wait { $0.state == .connected }
                    // mosquitto does not tell the loser: that it loses again and again does.
                    let both = [first, second]
                    func loser() -> MQTTAgent? {
                        both.first { $0.status.lastError?.contains("client id") == true && $0.status.state == .waiting }
                    }
                    let end = ContinuousClock().now.advanced(by: .seconds(40))
                    while loser() == nil, ContinuousClock().now < end { try await Task.sleep(for: .milliseconds(10)) }
                    let winner = try #require(both.first { $0 !== loser() })
                    try await winner.wait { $0.state == .connected }
                    let connections = winner.status.connections
                    try await Task.sleep(for: .seconds(5))
                    #expect(winner.status.connections == connections)
                }
            }
        }
    }

    @Test("speaks 3.1.1 where that is chosen")
    func version3() async throws {
        try await withMosquitto { broker in
            let bench = try await AgentBench()
            var options = bench.options(broker)
            options.protocolChoice = .v3_1_1
            try await bench.running(options) { agent in
                await bench.set(1)
                try await agent.wait { $0.published == 1 }
                #expect(agent.status.protocolVersion == "3.1.1")
            }
        }
    }
}
