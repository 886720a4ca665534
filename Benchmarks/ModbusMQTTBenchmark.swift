/// 10 Modbus devices of 1000 registers, polled every 100 ms, to a broker over TLS at QoS 1.
///
/// The device is a C server over libmodbus, the subscriber a C client of libmosquitto on a plain listener, so that
/// neither costs the gateway its core. Registers change every 90 ms, so that each poll finds each of them changed and
/// the time between a change and the poll that sees it takes every value.
struct ModbusMQTTBenchmark {
    private static let devices = 10
    private static let registers = 1000
    private static let warmUp = 5
    private static let seconds = 20

    private let peers: String
    private let work: String
    private let sallyport: String
    private let publish: String

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        peers = try options.need(options.peers, "--peers")
        work = try options.need(options.work, "--work")
        sallyport = try options.need(options.sallyport, "--sallyport")
        publish = options.publish
    }

    func run(into table: inout ResultTable) throws(BenchmarkError) {
        let ports = try freePorts(2 + ModbusMQTTBenchmark.devices)
        let (tlsPort, plainPort) = (ports[0], ports[1])
        let password = String(UInt64.random(in: .min ... .max), radix: 36) + "-benchmark"
        try writeBroker(tlsPort, plainPort, password)
        try writeGateway(tlsPort, ports.dropFirst(2), password)
        let broker = try Child(
            "mosquitto", ["mosquitto", "-c", "\(work)/mosquitto.conf"], output: "\(work)/mosquitto.log")
        defer { broker.stop() }
        try broker.await(" running", seconds: 10)
        let device = try Child(
            "the Modbus device", ["\(peers)/modbus-device", "90"] + ports.dropFirst(2).map(String.init),
            output: "\(work)/device.log")
        defer { device.stop() }
        try device.await("listening", seconds: 10)
        let subscriber = try Child(
            "the subscriber",
            [
                "\(peers)/mqtt-subscriber", "\(plainPort)", "iotgateway", "\(ModbusMQTTBenchmark.warmUp)",
                "\(ModbusMQTTBenchmark.seconds)",
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
        let watch = Stopwatch()
        let before = try ProcessFigures(of: gateway.process)
        let deviceBefore = try ProcessFigures(of: device.process)
        let brokerBefore = try ProcessFigures(of: broker.process)
        let said = try subscriber.await("malformed=", seconds: Double(ModbusMQTTBenchmark.seconds) + 20)
        let elapsed = watch.seconds
        let after = try ProcessFigures(of: gateway.process)
        let share = { (after: ProcessFigures, before: ProcessFigures) in
            ((after.processor - before.processor) / elapsed * 100).text(1) + " %"
        }
        let peersShare =
            "broker \(share(try ProcessFigures(of: broker.process), brokerBefore)), "
            + "device \(share(try ProcessFigures(of: device.process), deviceBefore))"
        try report(
            Figures(said), (after.processor - before.processor) / elapsed * 100, after.peak, peersShare, into: &table)
    }

    private struct Figures {
        private var values: [Substring: Double] = [:]

        init(_ said: String) {
            let line = said.split(separator: "\n").last { $0.hasPrefix("tags=") } ?? ""
            for field in line.split(separator: " ") {
                let parts = field.split(separator: "=")
                if parts.count == 2 { values[parts[0]] = Double(parts[1]) }
            }
        }

        subscript(_ name: Substring) -> Double { values[name] ?? .nan }
    }

    private func report(
        _ figures: Figures, _ processor: Double, _ peak: Double, _ peersShare: String, into table: inout ResultTable
    ) throws(BenchmarkError) {
        let tags = ModbusMQTTBenchmark.devices * ModbusMQTTBenchmark.registers
        guard figures["tags"] == Double(tags), figures["malformed"] == 0, figures["backwards"] == 0,
            figures["bad"] == 0
        else {
            throw BenchmarkError("the subscriber got wrong events; see \(work)/subscriber.log")
        }
        let expected = Double(tags * 10)
        let rate = figures["events"] / figures["seconds"]
        // Two clocks: half a per cent is where the window begins and ends.
        table.add(
            "modbus-mqtt: received, \(publish)", "\(rate.text(0)) tags/s", target: "100 000",
            isMet: rate >= expected * 0.995)
        table.add(
            "modbus-mqtt: processor", "\(processor.text(1)) % of a core", target: "≤ 35 %", ratio: peersShare,
            isMet: processor <= 35)
        table.add("modbus-mqtt: memory, peak", "\(peak.text(0)) MB", target: "≤ 80 MB", isMet: peak <= 80)
        let latency = "p50 \(figures["p50"].text(0)), p99 \(figures["p99"].text(0)), max \(figures["max"].text(0)) ms"
        table.add("modbus-mqtt: change to subscriber", latency, target: "p99 < 200 ms", isMet: figures["p99"] < 200)
        table.add(
            "modbus-mqtt: order",
            "0 backwards, \(figures["gaps"].text(0)) gaps > 150 ms of \(figures["events"].text(0))")
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

    private func writeGateway(_ broker: Int, _ devices: ArraySlice<Int>, _ password: String) throws(BenchmarkError) {
        let digits = { (index: Int) in String(repeating: "0", count: 4 - String(index).count) + String(index) }
        var tags = "name,address,type,access,unit,poll,description\n"
        for index in 0..<ModbusMQTTBenchmark.registers {
            tags += "Zone\(index % 8).Temperature\(digits(index)),4\(digits(index + 1)),Word,read,,,\n"
        }
        try writeFile("\(work)/load.csv", tags)
        try writeFile("\(work)/mqtt.password", password)
        var text = """
            version: 1
            gateway: { name: load, data-directory: load-data, log: { level: info, format: text } }
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
        try writeFile("\(work)/load.yaml", text)
    }
}
