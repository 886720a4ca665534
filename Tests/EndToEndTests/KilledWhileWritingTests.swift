import FoundationEssentials
import Glibc
import Synchronization
import TestPeers
import Testing

@Suite("A gateway that is killed in the middle of writes", .serialized, .timeLimit(.minutes(4)))
struct KilledWhileWritingTests {
    private static let clients = 4

    /// What the clients heard before the connections broke. Every value is written once in the whole test.
    private final class Heard: Sendable {
        private let state = Mutex((asked: Set<Int>(), confirmed: Set<Int>()))

        func asking(_ value: Int) { state.withLock { _ = $0.asked.insert(value) } }
        func confirmed(_ value: Int) { state.withLock { _ = $0.confirmed.insert(value) } }
        var confirmed: Set<Int> { state.withLock(\.confirmed) }
        var asked: Set<Int> { state.withLock(\.asked) }
    }

    @Test("what was confirmed is in the audit log, nothing ends that did not begin, and the chain is whole")
    func killed() async throws {
        try await withModbusPeer { device in
            let rest = try freePort()
            let plant = try await WriteTests.plant(WriteTests.yaml(modbus: device.port, rest: rest))
            let heard = Heard()
            try await plant.running(isKilled: true) { gateway in
                try await WriteTests.connected(gateway, port: rest)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<Self.clients {
                        group.addTask { try await Self.write(from: number, to: rest, plant, heard) }
                    }
                    group.addTask {
                        _ = try await eventually(within: .seconds(60), "some writes") {
                            heard.confirmed.count >= 40 ? true : nil
                        }
                        gateway.signal(SIGKILL)
                    }
                    try await group.waitForAll()
                }
            }
            try await plant.running { gateway in
                let running = try await plant.command("audit-log", "verify")
                #expect(running.code == 0 && running.output.hasPrefix("intact"), "\(running)")
                // And writes go on.
                try await WriteTests.connected(gateway, port: rest)
                let next = try await gateway.get(
                    "/write", port: rest, user: WriteTests.olga, "-d", #"{"id":"Plant.PLC1.Set","v":1}"#)
                #expect(next.body.contains("\"s\":true"), "\(next)")
            }
            let verified = try await plant.command("audit-log", "verify")
            #expect(verified.code == 0 && verified.output.hasPrefix("intact"), "\(verified)")
            try await compare(try await plant.auditLines("--action", "write"), heard, device)
        }
    }

    private static func write(from number: Int, to port: Int, _ plant: Plant, _ heard: Heard) async throws {
        try await withKeepAliveClient(port: port, authority: plant.authority) { client in
            for value in (number + 1) * 10_000..<(number + 2) * 10_000 {
                heard.asking(value)
                let answer = try await client.ask(
                    "/iotgateway/write", authorization: KeepAliveClient.basic(WriteTests.olga),
                    body: #"{"id":"Plant.PLC1.Set","v":\#(value)}"#)
                guard answer.error.isEmpty else { return }
                #expect(answer.status == 200, "\(answer)")
                if answer.body.contains("\"s\":true") { heard.confirmed(value) }
            }
        }
    }

    private func compare(_ lines: [AuditLine], _ heard: Heard, _ device: ModbusPeer) async throws {
        var begun: Set<String> = []
        var ended: [String: String] = [:]
        for line in lines where line.principal == "olga" && line.new != "1" {
            let value = line.new ?? ""
            #expect(line.count == 1)
            if line.outcome == "begun" {
                #expect(begun.insert(value).inserted, "begun twice: \(line)")
            } else {
                #expect(begun.contains(value), "ended without having begun: \(line)")
                #expect(ended.updateValue(line.outcome, forKey: value) == nil, "ended twice: \(line)")
            }
        }
        #expect(begun.isSubset(of: heard.asked.map(String.init)))
        for value in heard.confirmed {
            #expect(ended[String(value)] == "succeeded", "\(value): \(ended[String(value)] ?? "no entry")")
        }
        let records = try String(contentsOfFile: device.writes, encoding: .utf8)
        let reached = records.matches(of: /"values": \[([0-9]+)\]/).map { String($0.1) }.filter { $0 != "1" }
        #expect(reached.count >= heard.confirmed.count)
        #expect(Set(reached).count == reached.count, "nothing reaches the device twice")
        #expect(begun.isSuperset(of: reached), "nothing reaches the device that has not begun in the log")
    }
}
