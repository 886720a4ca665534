import Logging
import MQTTAgent
import Outbox
import Publishing
import TLS
import TagStore
import Tags
import TestPeers
import Testing

/// An MQTT agent with a store of two tags, against a broker of the test's own.
struct AgentBench {
    let store = TagStore()
    let handles: [TagHandle]

    init() async throws {
        handles = try await store.register(
            ["Plant.PLC1.Level", "Plant.PLC1.State"].map {
                TagDefinition(name: TagName(validated: $0), dataType: .long)
            })
    }

    func options(_ broker: MosquittoBroker, port: Int? = nil) -> MQTTAgentOptions {
        MQTTAgentOptions(
            name: "broker",
            broker: BrokerURL(host: "localhost", port: UInt16(port ?? broker.tlsPort), usesTLS: true),
            username: BrokerAccount.gateway.name, password: Secret(BrokerAccount.gateway.password),
            clientID: "sallyport-test", tls: TLSClientOptions(caFile: broker.authority.certificateFile),
            publish: PublishOptions(type: .onChange))
    }

    func set(_ value: Int64, at time: Int64 = 5) async {
        await store.apply([
            TagUpdate(
                handle: handles[0],
                value: TagValue(data: .integer(value), timestamp: Timestamp(milliseconds: time)))
        ])
    }

    func running<Outcome>(
        _ options: MQTTAgentOptions, _ body: (MQTTAgent) async throws -> Outcome
    ) async throws -> Outcome {
        let items = handles.enumerated().map { index, handle in
            Item(handle: handle, name: TagName(validated: ["Plant.PLC1.Level", "Plant.PLC1.State"][index]))
        }
        let directory = try TemporaryDirectory()
        let outbox = try await Outbox.open(
            dataDirectory: directory.path, machine: "test", logger: Logger(label: "test"))
        let queue = try await outbox.queue(for: options.name, options: options.outbox)
        let agent = try MQTTAgent(
            options: options, items: items, store: store, queue: queue, logger: Logger(label: "test"))
        let task = Task { try await agent.run() }
        let result: Result<Outcome, any Error>
        do { result = .success(try await body(agent)) } catch { result = .failure(error) }
        task.cancel()
        _ = await task.result
        await outbox.close()
        return try result.get()
    }
}

extension MQTTAgent {
    /// Waits until the status is as wanted.
    func wait(
        within limit: Duration = .seconds(20), _ wanted: (BrokerStatus) -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let end = ContinuousClock().now.advanced(by: limit)
        while !wanted(status) {
            guard ContinuousClock().now < end else {
                Issue.record("the agent is still \(status)", sourceLocation: sourceLocation)
                throw TestPeerError("the agent's state did not come")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
