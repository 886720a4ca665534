import Glibc
import TestPeers
import Testing

/// Faults of the line, the disk and the machine: what was committed arrives, in order, and others do not notice.
@Suite("Faults of line, disk and machine", .serialized, .timeLimit(.minutes(8)))
struct FaultTests {
    @Test(
        "57, 58, 59: the disk fails, is read-only, or slow: the gateway serves on", arguments: FaultyDisk.Fault.allCases
    )
    func disk(_ fault: FaultyDisk.Fault) async throws {
        var plant = try FaultyPlant()
        let disk = try await FaultyDisk()
        let (inner, broker) = (plant.plant, plant.broker)
        try await plant.stopped(environment: disk.environment) { gateway in
            _ = try await eventually("something that arrives") { broker.counters.publishes > 20 ? true : nil }
            try disk.fail(fault)
            if fault != .slow {
                let failure = try await eventually("a word of it") { try await inner.outbox().failure }
                #expect(failure.contains("outbox.sqlite"))
            }
            let before = broker.counters.publishes
            try await Task.sleep(for: .seconds(3))
            // Ten a second come, and are sent meanwhile.
            #expect(broker.counters.publishes > before + 10)
            try disk.mend()
            _ = try await eventually(within: .seconds(5), "the end of it") {
                try await inner.outbox().failure == nil ? true : nil
            }
            try await Task.sleep(for: .milliseconds(500))
            let lines = await gateway.log.pending
            let told = fault == .slow ? 0 : 1
            #expect(lines.count { $0.contains("The outbox cannot be written") } == told)
            #expect(lines.count { $0.contains("The outbox is written again") } == told)
        }
        try await plant.drained()
        try plant.expectLossless()
    }

    @Test("65: suspended for longer than the broker waits: nothing is lost, and it is steady again soon")
    func suspended() async throws {
        var plant = try FaultyPlant()
        let (inner, proxy) = (plant.plant, plant.proxy)
        try await plant.stopped { gateway in
            try await Task.sleep(for: .seconds(1))
            gateway.signal(SIGSTOP)
            try await Task.sleep(for: .seconds(10))
            // The broker has given it up.
            proxy.cut()
            gateway.signal(SIGCONT)
            _ = try await eventually(within: .seconds(5), "an empty outbox") {
                try await inner.waiting().allSatisfy { $0.messages < 5 } ? true : nil
            }
        }
        try await plant.drained()
        try plant.expectLossless()
    }

    @Test(
        "7: three of ten packets are lost", .enabled("needs root, and nftables") { NetworkNamespace.isAllowed })
    func lossy() async throws {
        try await NetworkNamespace.with { network in
            var plant = try FaultyPlant(in: network)
            try await plant.stopped(environment: network.launcher) { _ in
                try await Task.sleep(for: .seconds(1))
                try await network.nft(
                    "add table inet t", "add chain inet t out { type filter hook output priority 0 ; }",
                    "add rule inet t out numgen random mod 10 < 3 drop")
                try await Task.sleep(for: .seconds(15))
                try await network.nft("flush ruleset")
                try await Task.sleep(for: .seconds(1))
            }
            try await plant.drained(environment: network.launcher)
            try plant.expectLossless()
        }
    }

    @Test(
        "25: a name server that does not answer holds up no other agent, nor the stop",
        .enabled("needs root, and nftables") { NetworkNamespace.isAllowed })
    func slowNames() async throws {
        try await NetworkNamespace.with { network in
            try await network.nft(
                "add table inet t", "add chain inet t out { type filter hook output priority 0 ; }",
                "add rule inet t out udp dport 53 drop")
            var plant = try FaultyPlant(
                in: network,
                agents: """
                      - name: far
                        type: mqtt
                        url: ssl://broker.plant.test:8883
                        items: [{ tags: "Sim.P.*" }]
                      - name: farther
                        type: rest-client
                        url: https://ingest.plant.test/data
                        items: [{ tags: "Sim.P.*" }]
                    """)
            let file = try plant.plant.directory.write("nameserver 127.0.0.1\n", to: "resolv.conf")
            let launcher =
                network.launcher + [
                    "unshare", "--mount", "sh", "-c", #"mount --bind "$0" /etc/resolv.conf && exec "$@""#, file,
                ]
            let begin = ContinuousClock.now
            let broker = plant.broker, inner = plant.plant
            try await plant.stopped(environment: launcher) { gateway in
                _ = try await eventually("something that arrives") { broker.counters.publishes > 20 ? true : nil }
                try await Task.sleep(for: .seconds(7))
                let waiting = try await inner.waiting()
                #expect(waiting.filter { !$0.agent.hasPrefix("far") }.allSatisfy { $0.messages < 5 }, "\(waiting)")
                #expect(waiting.filter { $0.agent.hasPrefix("far") }.allSatisfy { $0.events > 300 }, "\(waiting)")
            }
            print("with a silent name server, from start to stop: \(ContinuousClock.now - begin)")
            try await plant.drained(environment: launcher, except: ["far", "farther"])
            try plant.expectLossless()
        }
    }
}
