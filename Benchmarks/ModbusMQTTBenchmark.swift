/// The whole way from 10 000 registers to an MQTT subscriber, see `ModbusMQTTLoad`.
struct ModbusMQTTBenchmark {
    private let load: ModbusMQTTLoad
    private let publish: String

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        load = try ModbusMQTTLoad(options)
        publish = options.publish
    }

    func run(into table: inout ResultTable) throws(BenchmarkError) {
        let outcome = try load.run()
        let figures = outcome.figures
        let expected = Double(ModbusMQTTLoad.tags * 10)
        // Two clocks: half a per cent is where the window begins and ends.
        table.add(
            "modbus-mqtt: received, \(publish)", "\(outcome.rate.text(0)) tags/s", target: "100 000",
            isMet: outcome.rate >= expected * 0.995)
        table.add(
            "modbus-mqtt: processor", "\(outcome.share.text(1)) % of a core", target: "≤ 35 %",
            ratio: outcome.peersShare, isMet: outcome.share <= 35)
        table.add(
            "modbus-mqtt: memory, peak", "\(outcome.peak.text(0)) MB", target: "≤ 80 MB", isMet: outcome.peak <= 80)
        let latency = "p50 \(figures["p50"].text(0)), p99 \(figures["p99"].text(0)), max \(figures["max"].text(0)) ms"
        table.add("modbus-mqtt: change to subscriber", latency, target: "p99 < 200 ms", isMet: figures["p99"] < 200)
        table.add(
            "modbus-mqtt: order",
            "0 backwards, \(figures["gaps"].text(0)) gaps > 150 ms of \(figures["events"].text(0))")
    }
}
