import Glibc

/// Live streams over HTTPS: what 500 cost that have nothing to say, and what 100 cost beside 10 000 changes a second.
///
/// The gateway has the first core, the streams' clients the last.
struct StreamsBenchmark {
    private static let tags = 1000
    private static let idle = 500
    private static let busy = 100
    /// Changes a second of all tags together.
    private static let changes = 10_000
    private static let read = "/iotgateway/read?ids=Plant7.PLC12.Temperature1000"

    private let work: String
    private let sallyport: String
    private let peers: String
    private let seconds: Int

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        work = try options.need(options.work, "--work")
        sallyport = try options.need(options.sallyport, "--sallyport")
        peers = try options.need(options.peers, "--peers")
        seconds = max(5, Int(options.seconds.rounded()))
    }

    func run(into table: inout ResultTable) throws(BenchmarkError) {
        let port = try freePorts(1)[0]
        let password = String(UInt64.random(in: .min ... .max), radix: 36) + "-Benchmark-7"
        let credentials = base64("load:\(password)")
        try writeGateway(port, tag: "K%")
        _ = try Child.run(
            "sallyport user add",
            [sallyport, "user", "add", "load", "--administrator", "--config", "\(work)/streams.yaml"],
            output: "\(work)/streams-user.log", input: password + "\n")
        try quiet(port, credentials, into: &table)
        let period = 1000 * StreamsBenchmark.tags / StreamsBenchmark.changes
        try writeGateway(port, tag: "RAMP (\(period), 10000, 99999, 1)")
        try loaded(port, credentials, into: &table)
    }

    /// Nothing changes: what a stream costs that is only there.
    private func quiet(_ port: Int, _ credentials: String, into table: inout ResultTable) throws(BenchmarkError) {
        let gateway = try start(port, credentials)
        defer { gateway.stop() }
        sleep(2)
        let alone = try measure(gateway)
        let targets = (0..<10).map { target(of: 100 * $0..<100 * ($0 + 1)) }
        let (during, said) = try streams(StreamsBenchmark.idle, targets, gateway, port, credentials)
        guard said.open == StreamsBenchmark.idle else { throw BenchmarkError("\(said.open) streams are left") }
        let cost = during.resident - alone.resident
        table.add(
            "streams: \(StreamsBenchmark.idle) idle, memory in all", "\(during.peak.text(0)) MB", target: "≤ 100 MB",
            ratio: "\((cost * 1000 / Double(StreamsBenchmark.idle)).text(0)) kB a stream", isMet: during.peak <= 100)
        table.add(
            "streams: \(StreamsBenchmark.idle) idle, processor", "\(during.processor.text(2)) % of a core",
            ratio: "without \(alone.processor.text(2)) %")
    }

    private func loaded(_ port: Int, _ credentials: String, into table: inout ResultTable) throws(BenchmarkError) {
        let gateway = try start(port, credentials)
        defer { gateway.stop() }
        sleep(2)
        let alone = try measure(gateway)
        var quiet: [Double] = []
        for _ in 0..<3 { quiet.append(try readers(port, credentials)) }
        // Each tenth of the tags for ten streams, then all tags for each.
        for share in [10, 1] {
            let each = StreamsBenchmark.tags / share
            let targets = (0..<share).map { target(of: each * $0..<each * ($0 + 1)) }
            let name = "streams: \(StreamsBenchmark.busy) of \(each) tags"
            let (during, said) = try streams(StreamsBenchmark.busy, targets, gateway, port, credentials)
            let rate = Double(said.changes) / Double(seconds)
            let expected = Double(StreamsBenchmark.changes / share * StreamsBenchmark.busy)
            table.add(
                "\(name), sent", "\((rate / 1000).text(0)) k values/s",
                target: "every change", ratio: "\((rate / expected).text(3)) of the changes",
                isMet: said.open == StreamsBenchmark.busy && said.missed == 0 && rate > 0.97 * expected)
            table.add(
                "\(name), processor", "\(during.processor.text(1)) % of a core",
                ratio: "without \(alone.processor.text(1)) %")
            table.add("\(name), change to client", "p50 \(said.p50), p99 \(said.p99), max \(said.longest) ms")
            table.add(
                "\(name), memory, peak", "\(during.peak.text(0)) MB", ratio: "without \(alone.resident.text(0)) MB")
            var beside: [Double] = []
            let client = try startStreams(StreamsBenchmark.busy, targets, port, credentials, seconds: 60)
            try client.await("measuring", seconds: 60)
            for _ in 0..<3 { beside.append(try readers(port, credentials)) }
            client.stop()
            table.add(
                "\(name), p99 of reads beside", "\(beside.median.text(0)) µs",
                ratio: "\((beside.median / quiet.median).text(2)) of quiet (\(quiet.median.text(0)) µs)")
        }
    }

    // MARK: Measuring

    private struct Measured {
        /// In per cent of a core.
        let processor: Double
        let resident: Double
        let peak: Double
    }

    private struct Said {
        var open = 0, changes = 0, missed = 0, p50 = 0, p99 = 0, longest = 0
    }

    private func measure(_ gateway: Child) throws(BenchmarkError) -> Measured {
        let watch = Stopwatch()
        let before = try ProcessFigures(of: gateway.process)
        usleep(useconds_t(seconds) * 1_000_000)
        let after = try ProcessFigures(of: gateway.process)
        return Measured(
            processor: (after.processor - before.processor) / watch.seconds * 100, resident: after.resident,
            peak: after.peak)
    }

    private func startStreams(
        _ count: Int, _ targets: [String], _ port: Int, _ credentials: String, seconds: Int
    ) throws(BenchmarkError) -> Child {
        let last = max(0, sysconf(Int32(_SC_NPROCESSORS_ONLN)) - 1)
        return try Child(
            "streams",
            ["taskset", "-c", "\(last)", "\(peers)/streams", "\(port)", credentials, "\(count)", "2", "\(seconds)"]
                + targets, output: "\(work)/streams-client.log")
    }

    private func streams(
        _ count: Int, _ targets: [String], _ gateway: Child, _ port: Int, _ credentials: String
    ) throws(BenchmarkError) -> (Measured, Said) {
        let client = try startStreams(count, targets, port, credentials, seconds: seconds)
        defer { client.stop() }
        try client.await("measuring", seconds: 60)
        let measured = try measure(gateway)
        let text = try client.await("max=", seconds: 30)
        var said = Said()
        for field in (text.split(separator: "\n").last ?? "").split(separator: " ") {
            let parts = field.split(separator: "=")
            guard parts.count == 2, let number = Int(parts[1]) else { continue }
            switch parts[0] {
            case "streams": said.open = number
            case "changes": said.changes = number
            case "missed": said.missed = number
            case "p50": said.p50 = number
            case "p99": said.p99 = number
            case "max": said.longest = number
            default: break
            }
        }
        return (measured, said)
    }

    /// The time in µs that 99 of 100 reads took no longer than.
    private func readers(_ port: Int, _ credentials: String) throws(BenchmarkError) -> Double {
        let said = try Child.run(
            "rest-clients", ["\(peers)/rest-clients", "\(port)", StreamsBenchmark.read, credentials, "5", "0"],
            output: "\(work)/rest-clients.log")
        let figures = said.split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { Double($0) }
        guard figures.count == 6 else { throw BenchmarkError("rest-clients did not do its work: \(said)") }
        return figures[2]
    }

    // MARK: Preparation

    private func target(of tags: Range<Int>) -> String {
        "/iotgateway/stream?" + tags.map { "ids=Plant7.PLC12.Temperature\($0 + 1000)" }.joined(separator: "&")
    }

    private func start(_ port: Int, _ credentials: String) throws(BenchmarkError) -> Child {
        let gateway = try Child(
            "sallyport", ["taskset", "-c", "0", sallyport, "run", "--config", "\(work)/streams.yaml"],
            output: "\(work)/streams.log")
        let watch = Stopwatch()
        let curl = [
            "curl", "--silent", "--fail-with-body", "--max-time", "10", "--cacert", "\(work)/ca.pem", "-H",
            "Authorization: Basic " + credentials, "https://127.0.0.1:\(port)\(StreamsBenchmark.read)",
        ]
        while true {
            let said = try? Child.run("curl", curl, output: "\(work)/curl.log")
            if let said, said.contains("\"s\":true") { return gateway }
            guard watch.seconds < 20 else {
                throw BenchmarkError("the gateway does not answer: \(said ?? "") \(try readFile(gateway.output))")
            }
            usleep(100_000)
        }
    }

    /// - Parameter tag: the address of each, with the tag's number for `%`.
    private func writeGateway(_ port: Int, tag: String) throws(BenchmarkError) {
        var text = """
            version: 1
            gateway: { name: streams, data-directory: streams-data }
            tls: { identities: [{ name: load, certificate: tls/server.pem, key: tls/server.key }] }
            agents:
              - name: secure
                type: rest-server
                port: \(port)
                tls: { identity: load }
                limits: { connections: 1000, connections-per-address: 1000, streams: 2000 }
                items: [{ tags: "**" }]
            channels:
              - name: Plant7
                driver: simulator
                devices:
                  - name: PLC12
                    tags:

            """
        for index in 0..<StreamsBenchmark.tags {
            let address = tag.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "\(index)")
            text += """
                          - name: Temperature\(index + 1000)
                            address: "\(address)"
                            type: Long

                """
        }
        try writeFile("\(work)/streams.yaml", text)
    }
}
