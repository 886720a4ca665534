import MQTTAgent
import Outbox
import Publishing
import TagStore

/// A backlog of messages of 1 KiB at QoS 1 through the MQTT agent, against a C program over libmosquitto that publishes
/// as many payloads of the same bytes to the same broker, with as many on their way.
struct MQTTPublishBenchmark {
    private static let bytes = 1024
    private static let agent = "mqtt"

    private let options: BenchmarkOptions
    private let disk: Disk
    private let peers: String
    private let work: String
    private let count: Int

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        self.options = options
        disk = try Disk(options)
        peers = try options.need(options.peers, "--peers")
        work = try options.need(options.work, "--work")
        count = options.scaled(100_000)
    }

    func run(into table: inout ResultTable) throws {
        try disk.tell("mqtt-publish", into: &table)
        let port = try freePorts(1)[0]
        // Nobody subscribes: that would measure the broker.
        try writeFile(
            "\(work)/publish.conf",
            """
            per_listener_settings true
            user root
            persistence false
            log_dest stderr
            max_inflight_messages \(OutboxQueue.window)
            listener \(port) 127.0.0.1
            allow_anonymous true

            """)
        let broker = try Child("mosquitto", ["mosquitto", "-c", "\(work)/publish.conf"], output: "\(work)/publish.log")
        defer { broker.stop() }
        try broker.await(" running", seconds: 10)
        var bare = Pairs()
        var identified = Pairs()
        var processor = Pairs()
        for _ in 0..<options.rounds {
            let ours = try ours(port)
            let rate = Double(count) / ours.seconds
            let peer = try peer(port, hasProperties: false)
            bare.add(ours: rate, theirs: try peer.need("rate"))
            processor.add(
                ours: ours.processor / Double(count) * 1e6, theirs: try peer.need("processor") / Double(count) * 1e6)
            identified.add(ours: rate, theirs: try self.peer(port, hasProperties: true).need("rate"))
        }
        table.add(
            "mqtt-publish: 1 KiB, QoS 1", "\(bare.ours.median.text(0)) messages/s", target: "≥ 0.7 of C",
            ratio: bare.text("C", "messages/s"), isMet: bare.ratio >= 0.7)
        table.add(
            "mqtt-publish: C with the same user properties", "\(identified.theirs.median.text(0)) messages/s",
            ratio: identified.text("it", "messages/s"))
        table.add(
            "mqtt-publish: processor", "\(processor.ours.median.text(1)) µs a message",
            ratio: processor.text("C", "µs", digits: 1))
    }

    private func ours(_ port: Int) throws -> Delivery {
        let directory = try disk.empty("publish")
        let delivery = try waiting { [count] in
            try await Outbox.backlog(
                MQTTPublishBenchmark.agent, at: directory, bytes: MQTTPublishBenchmark.bytes, count)
            let outbox = try await Outbox.open(at: directory)
            let queue = try await outbox.benchmarkQueue(MQTTPublishBenchmark.agent)
            let agent = try MQTTAgent(
                options: MQTTAgentOptions(
                    gateway: "load", name: MQTTPublishBenchmark.agent,
                    broker: BrokerURL(host: "127.0.0.1", port: UInt16(port), usesTLS: false),
                    clientID: "sallyport-benchmark"),
                items: [], store: TagStore(), queue: queue, logger: .silent)
            return try await Delivery(of: count, from: queue, status: { "\(agent.status)" }) {
                try await agent.run()
            } end: {
                await outbox.close()
            }
        }
        try disk.remove("publish")
        return delivery
    }

    private func peer(_ port: Int, hasProperties: Bool) throws -> Figures {
        let said = try Child.run(
            "the C loop mqtt-publish",
            [
                "\(peers)/mqtt-publish", "\(port)", "iotgateway", "\(count)", "\(MQTTPublishBenchmark.bytes)",
                "\(OutboxQueue.window)", hasProperties ? "1" : "0",
            ], output: "\(work)/mqtt-publish.log")
        return Figures(said, line: "rate=")
    }
}
