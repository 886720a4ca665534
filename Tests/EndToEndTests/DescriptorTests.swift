import Glibc
import Subprocess
import TestPeers
import Testing

/// FAULTS 67: a process that may open no more files.
@Suite("Out of file descriptors", .serialized, .timeLimit(.minutes(8)))
struct DescriptorTests {
    /// Sets how many files a running process may have open; the hard limit stays.
    private func limit(_ process: Int32, to number: Int) async throws {
        try await runCommand("prlimit", ["--pid", "\(process)", "--nofile=\(number):"])
    }

    private func counts(_ messages: LineQueue<ReceivedMessage>, more: Double) async throws {
        var first: Double?
        while true {
            let message = try await PublishedMessage(messages.next())
            for event in message.values where event.id == "Simulation.Press1.Count" {
                guard let value = event.v else { continue }
                let start = first ?? value
                first = start
                if value >= start + more { return }
            }
        }
    }

    @Test("a flood leaves a reserve: brokers are reconnected, the command line and others are served")
    func flood() async throws {
        try await withModbusPeer { device in
            try await withMosquitto { broker in
                var hostile = try HostilePlant(modbus: device, broker: broker)
                let link = try freePort()
                hostile.configuration.brokerPort = link
                let plant = try await hostile.plant()
                try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                    try await plant.running { gateway in
                        try await withNetworkLink(from: link, to: broker.tlsPort) {
                            try await counts(messages, more: 1)
                            let taken = try Observed.openFiles(gateway.processIdentifier)
                            try await limit(gateway.processIdentifier, to: taken + 80)
                        }
                        let (_, attendance) = try await hostile.bystander(plant).attend {
                            try await withHeldConnections(
                                .silent, to: hostile.plain, count: 100, from: ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
                            ) {
                                // The broker has been away, and is found again.
                                try await withNetworkLink(from: link, to: broker.tlsPort) {
                                    try await counts(messages, more: 5)
                                }
                                let status = try await plant.command("status")
                                #expect(
                                    status.code == 0 && status.output.contains("Plant.PLC1"), "\(status)")
                            }
                        }
                        print("descriptors kept: \(attendance)")
                        #expect(attendance.failures.isEmpty && attendance.reads > 20, "\(attendance)")
                        #expect(attendance.oldest < 3000, "\(attendance)")
                        // Connections come faster than they can be refused, so the reserve is gone for moments.
                        #expect(attendance.freshFailures.count * 4 < attendance.reads, "\(attendance)")
                    }
                }
            }
        }
    }

    @Test("with none left at all telemetry goes on, the log says it once a second, and 5 s later all is well")
    func none() async throws {
        try await withModbusPeer { device in
            try await withMosquitto { broker in
                let hostile = try HostilePlant(modbus: device, broker: broker)
                let plant = try await hostile.plant()
                try await broker.withSubscriber(to: ["iotgateway"]) { messages in
                    try await plant.running { gateway in
                        let begin = ContinuousClock().now
                        let (_, attendance) = try await hostile.bystander(plant).attend(isFresh: false) {
                            try await limit(gateway.processIdentifier, to: 8)
                            let used = try Observed.processorTime(gateway.processIdentifier)
                            let start = ContinuousClock().now
                            try await withHeldConnections(.silent, to: hostile.plain, count: 40, from: ["127.0.0.2"]) {
                                _ = try await gateway.log.first { $0.contains("No connection can be accepted") }
                                try await counts(messages, more: 60)
                            }
                            let seconds = (ContinuousClock().now - start) / .seconds(1)
                            let time = Double(try Observed.processorTime(gateway.processIdentifier) - used) / 100
                            #expect(time < 0.4 * seconds, "it does not try again and again: \(time) s in \(seconds)")
                            print("none left: \(time) s of processor time in \(seconds) s")
                        }
                        #expect(attendance.failures.isEmpty && attendance.reads > 20, "\(attendance)")
                        #expect(attendance.oldest < 3000, "\(attendance)")
                        try await limit(gateway.processIdentifier, to: 1024)
                        let end = ContinuousClock().now
                        for url in ["https://127.0.0.1:\(hostile.rest)", "http://127.0.0.1:\(hostile.plain)"] {
                            _ = try await eventually(within: .seconds(5), "service again at \(url)") {
                                try await gateway.get(
                                    "/browse", at: url, user: PlantConfiguration.viewer, "--max-time", "2"
                                ).status == 200 ? true : nil
                            }
                        }
                        let status = try await plant.command("status")
                        #expect(status.code == 0, "\(status)")
                        print("none left: \(attendance); served again after \(ContinuousClock().now - end)")
                        let seconds = Int((ContinuousClock().now - begin).components.seconds)
                        let lines = await gateway.log.pending.filter { $0.contains("No connection can be accepted") }
                        #expect(lines.count <= seconds + 2, "\(lines.count) in \(seconds) s")
                    }
                }
            }
        }
    }

    @Test("the soft limit is raised to the hard one, and too many connections for it are told")
    func raised() async throws {
        let plant = try await PlantConfiguration(restPort: try freePort()).plant()
        let result = try await run(
            .name("prlimit"),
            arguments: ["--nofile=128:300", sallyport, "check", "--config", plant.configuration], input: .none,
            output: .string(limit: 1 << 16), error: .string(limit: 1 << 16))
        #expect(result.terminationStatus == .exited(0))
        #expect(
            result.standardError.contains(
                "may hold 512 connections (limits.connections), but the process may have 300 files open"),
            "\(result.standardError)")
        try await plant.running { gateway in
            let limits = try await runCommand(
                "prlimit",
                ["--pid", "\(gateway.processIdentifier)", "--nofile", "--noheadings", "--output", "SOFT,HARD"])
            let numbers = limits.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
            #expect(numbers.count == 2 && numbers[0] == min(numbers[1], 65536), "\(limits)")
        }
    }
}
