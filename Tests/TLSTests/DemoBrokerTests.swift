import COpenSSL
import TLS
import TestPeers
import Testing

@Suite("The tests' broker", .timeLimit(.minutes(1)))
struct DemoBrokerTests {
    @Test func deliversWhatItsListAllows() async throws {
        try await withMosquitto { broker in
            try await broker.withSubscriber(to: ["iotgateway", "elsewhere"]) { messages in
                try await broker.publish("refused", to: "elsewhere")
                try await broker.publish("{\"timestamp\":1}", to: "iotgateway", as: .gateway)
                let message = try await messages.next()
                #expect(message.topic == "iotgateway" && message.text == "{\"timestamp\":1}" && message.qos == 1)
            }
            try await broker.withSubscriber(to: ["#"], as: nil) { messages in
                // The broker refuses it, and mosquitto_pub does not mind.
                try await broker.publish("refused", to: "iotgateway", as: .reader)
                try await broker.publish("last", to: "a topic", retain: true)
                #expect(try await messages.next().topic == "a topic")
            }
        }
    }

    @Test func itsCertificatesPassOurRules() async throws {
        let authority = try await DemoAuthority()
        let server = try await authority.issue("broker")
        let identity = try TLSIdentity.load(
            TLSIdentityOptions(name: "broker", certificateFile: server.certificateFile, keyFile: server.keyFile))
        #expect(identity.alternativeNames == ["localhost", "127.0.0.1"])
        let client = try await authority.issue("gateway", names: [], usage: .client)
        _ = try ClientTLSContext(
            options: TLSClientOptions(
                caFile: authority.certificateFile,
                identity: TLSIdentityOptions(
                    name: "gateway", certificateFile: client.certificateFile, keyFile: client.keyFile)),
            host: "localhost")
    }
}
