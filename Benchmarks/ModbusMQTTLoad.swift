import FoundationEssentials
import Outbox

/// 10 Modbus devices of 1000 registers, polled every 100 ms, to a broker over TLS at QoS 1.
///
/// The device is a C server over libmodbus, the subscriber a C client of libmosquitto on a plain listener, so that
/// neither costs the gateway its core. Registers change every 90 ms, so that each poll finds each of them changed and
/// the time between a change and the poll that sees it takes every value.
struct ModbusMQTTLoad {
    private static let devices = 10
    private static let registers = 1000
    private static let warmUp = 5
    private static let seconds = 20
    static let tags = devices * registers

    /// What the subscriber and the kernel say of one run.
    struct Outcome {
        /// Of `peers/mqtt-subscriber.c`.
        let figures: Figures
        let elapsed: Double
        /// Seconds.
        let processor: Double
        /// MB of 10⁶ bytes.
        let peak: Double
        let peersShare: String
        /// Messages of the backlog that are delivered, and whether some are left.
        let replayed: Int
        let isReplaying: Bool

        /// A second.
        var rate: Double { figures["events"] / figures["seconds"] }
        /// Of a core, in per cent.
        var share: Double { processor / elapsed * 100 }
    }

    private let peers: String
    private let work: String
    private let sallyport: String
    private let publish: String
    /// Of the agent's outbox; nil: the gateway's own.
    private let durability: String?
    private let data: String
    /// Messages that wait in the outbox for another agent, `replay`, whose broker comes when the measuring begins.
    private let backlog: Int?

    /// - Parameters:
    ///   - durability: of the agent's outbox; nil: what the gateway takes by itself.
    ///   - data: the gateway's data directory, made by it.
    ///   - backlog: of the agent `replay`; nil: there is no such agent.
    init(
        _ options: BenchmarkOptions, durability: String? = nil, data: String = "load-data", backlog: Int? = nil
    ) throws(BenchmarkError) {
        self.backlog = backlog
        peers = try options.need(options.peers, "--peers")
        work = try options.need(options.work, "--work")
        sallyport = try options.need(options.sallyport, "--sallyport")
        publish = options.publish
        self.durability = durability
        self.data = data
    }

    func run() throws(BenchmarkError) -> Outcome {
        let ports = try freePorts(3 + ModbusMQTTLoad.devices)
        let (tlsPort, plainPort, replayPort) = (ports[0], ports[1], ports.last ?? 0)
        let password = String(UInt64.random(in: .min ... .max), radix: 36) + "-benchmark"
        try writeBroker(tlsPort, plainPort, password)
        let devices = ports.dropFirst(2).dropLast()
        try writeGateway(tlsPort, devices, password, replayPort)
        let broker = try Child(
            "mosquitto", ["mosquitto", "-c", "\(work)/mosquitto.conf"], output: "\(work)/mosquitto.log")
        defer { broker.stop() }
        try broker.await(" running", seconds: 10)
        let device = try Child(
            "the Modbus device", ["\(peers)/modbus-device", "90"] + devices.map(String.init),
            output: "\(work)/device.log")
        defer { device.stop() }
        try device.await("listening", seconds: 10)
        let subscriber = try Child(
            "the subscriber",
            [
                "\(peers)/mqtt-subscriber", "\(plainPort)", "iotgateway", "\(ModbusMQTTLoad.warmUp)",
                "\(ModbusMQTTLoad.seconds)",
            ], output: "\(work)/subscriber.log")
        defer { subscriber.stop() }
        try subscriber.await("subscribed", seconds: 10)
        let gateway = try Child(
            "sallyport", [sallyport, "run", "--config", "\(work)/load.yaml"], output: "\(work)/load.log")
        defer { gateway.stop() }
        do throws(BenchmarkError) {
            try subscriber.await("measuring", seconds: 30)
        } catch {
            throw BenchmarkError("\(error); the gateway said: \((try? readFile(gateway.output))?.suffix(2000) ?? "")")
        }
        let replayBroker = backlog == nil ? nil : try startReplayBroker(replayPort)
        defer { replayBroker?.stop() }
        let watch = Stopwatch()
        let before = try ProcessFigures(of: gateway.process)
        let deviceBefore = try ProcessFigures(of: device.process)
        let brokerBefore = try ProcessFigures(of: broker.process)
        let said = try subscriber.await("malformed=", seconds: Double(ModbusMQTTLoad.seconds) + 20)
        let elapsed = watch.seconds
        let after = try ProcessFigures(of: gateway.process)
        let share = { (after: ProcessFigures, before: ProcessFigures) in
            ((after.processor - before.processor) / elapsed * 100).text(1) + " %"
        }
        let peersShare =
            "broker \(share(try ProcessFigures(of: broker.process), brokerBefore)), "
            + "device \(share(try ProcessFigures(of: device.process), deviceBefore))"
        let left = try backlog == nil ? 0 : waiting()
        let outcome = Outcome(
            figures: Figures(said, line: "tags="), elapsed: elapsed, processor: after.processor - before.processor,
            peak: after.peak, peersShare: peersShare, replayed: (backlog ?? 0) - left, isReplaying: left > 0)
        guard outcome.figures["tags"] == Double(ModbusMQTTLoad.tags), outcome.figures["malformed"] == 0,
            outcome.figures["backwards"] == 0, outcome.figures["bad"] == 0
        else {
            throw BenchmarkError("the subscriber got wrong events; see \(work)/subscriber.log: \(said.suffix(300))")
        }
        return outcome
    }

    private func startReplayBroker(_ port: Int) throws(BenchmarkError) -> Child {
        try writeFile(
            "\(work)/replay.conf",
            "user root\npersistence false\nlog_dest stderr\nlistener \(port) 127.0.0.1\nallow_anonymous true\n")
        return try Child("mosquitto", ["mosquitto", "-c", "\(work)/replay.conf"], output: "\(work)/replay.log")
    }

    /// Messages of the backlog that are not delivered.
    private func waiting() throws(BenchmarkError) -> Int {
        let said = try Child.run(
            "sallyport outbox status",
            [sallyport, "outbox", "status", "--config", "\(work)/load.yaml", "--format", "json"],
            output: "\(work)/status.json")
        guard let overview = try? JSONDecoder().decode(OutboxOverview.self, from: Data(said.utf8)),
            let replay = overview.agents.first(where: { $0.agent == "replay" })
        else { throw BenchmarkError("outbox status said: \(said.prefix(2000))") }
        return replay.messages
    }

    private func writeBroker(_ tlsPort: Int, _ plainPort: Int, _ password: String) throws(BenchmarkError) {
        try writeFile("\(work)/passwords", "gateway:\(password)\n")
        _ = try Child.run(
            "mosquitto_passwd", ["mosquitto_passwd", "-U", "\(work)/passwords"], output: "\(work)/passwords.log")
        try writeFile(
            "\(work)/mosquitto.conf",
            """
            per_listener_settings true
            user root
            persistence false
            log_dest stderr
            listener \(tlsPort) 127.0.0.1
            certfile \(work)/tls/server.pem
            keyfile \(work)/tls/server.key
            tls_version tlsv1.2
            allow_anonymous false
            password_file \(work)/passwords
            listener \(plainPort) 127.0.0.1
            allow_anonymous true

            """)
    }

    private func writeGateway(
        _ broker: Int, _ devices: ArraySlice<Int>, _ password: String, _ replayPort: Int
    ) throws(BenchmarkError) {
        let digits = { (index: Int) in String(repeating: "0", count: 4 - String(index).count) + String(index) }
        var tags = "name,address,type,access,unit,poll,description\n"
        for index in 0..<ModbusMQTTLoad.registers {
            tags += "Zone\(index % 8).Temperature\(digits(index)),4\(digits(index + 1)),Word,read,,,\n"
        }
        try writeFile("\(work)/load.csv", tags)
        try writeFile("\(work)/mqtt.password", password)
        var text = """
            version: 1
            gateway: { name: load, data-directory: \(data), log: { level: info, format: text } }
            channels:
              - name: Plant
                driver: modbus-tcp
                devices:

            """
        for (index, port) in devices.enumerated() {
            text += """
                      - { name: PLC\(index + 1), host: 127.0.0.1, port: \(port), poll: 100ms, tag-file: load.csv }

                """
        }
        // On-change gathers for 10 ms at most; an interval of 100 ms adds up to that to the latency.
        let when = publish == "interval" ? "type: interval, rate: 100ms" : "type: on-change"
        text += """
            agents:
              - name: broker
                type: mqtt
                url: ssl://localhost:\(broker)
                username: gateway
                password: { file: mqtt.password }
                tls: { ca-file: ca.pem }
                publish: { topic: iotgateway, qos: 1, \(when), max-events: 1000 }
                items: [{ tags: "Plant.**" }]

            """
        if let durability { text += "    outbox: { max-bytes: 64MiB, durability: \(durability) }\n" }
        if backlog != nil {
            text += """
                  - name: replay
                    type: mqtt
                    url: tcp://127.0.0.1:\(replayPort)
                    publish: { topic: iotgateway }
                    outbox: { max-bytes: 64GiB }
                    items: [{ tags: "Nothing.**" }]

                """
        }
        try writeFile("\(work)/load.yaml", text)
    }
}
