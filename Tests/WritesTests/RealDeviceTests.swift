import Drivers
import FoundationEssentials
import Logging
import NIOPosix
import TagStore
import Tags
import TestPeers
import Testing

@testable import SecurityPolicy
@testable import Writes

/// The arbiter over the drivers that ship, and a device that nobody here wrote.
@Suite("Writes to real devices", .timeLimit(.minutes(2)))
struct RealDeviceTests {
    @Test func theSimulatorHoldsWhatWasWritten() async throws {
        let bench = try WriteBench()
        let tags = [
            try await bench.add("Plant.Sim.K", .double, range: 0...100), try await bench.add("Plant.Sim.S", .string),
            try await bench.add("Plant.Sim.A", .word, isArray: true), try await bench.add("Plant.Sim.Ramp", .long),
        ]
        func options(_ address: String, _ type: DataType, _ range: ClosedRange<Double>? = nil) throws
            -> SimulatorTagOptions
        {
            SimulatorTagOptions(
                address: try SimulatorAddress(parsing: address), type: type, access: .readWrite, range: range)
        }
        let store = bench.store
        let device = SimulatorDevice(
            name: "Plant.Sim", options: .init(),
            tags: [
                (tags[0], try options("K0001", .double, 0...100)), (tags[1], try options("S0001", .string)),
                (tags[2], try options("K0002 [3]", .word)), (tags[3], try options("RAMP (1000, 0, 10, 1)", .long)),
            ], sink: { await store.apply($0) })
        bench.connect(tags, "Plant.Sim", device)
        let verdicts = try await bench.write([
            ("Plant.Sim.K", "\"42.5\""), ("Plant.Sim.S", "\"hallo\""), ("Plant.Sim.A", "[1,2,3]"),
            ("Plant.Sim.A", "[1,2,3,4]"), ("Plant.Sim.Ramp", "1"), ("Plant.Sim.K", "100.5"),
        ])
        #expect(
            verdicts.map(\.word) == [
                "applied", "applied", "applied", "wrong-type", "read-only", "out-of-range",
            ])
        let values = store.read(tags)
        #expect(values[0].data == .double(42.5) && values[1].data == .string("hallo"))
        #expect(values[2].data == .array([.unsigned(1), .unsigned(2), .unsigned(3)]))
        let old = try await bench.write("Plant.Sim.K", "1")
        #expect(old.isApplied)
        #expect(bench.journal.recorded.last?.old == "42.5")
    }

    @Test func theModbusDeviceGetsEachWriteOnce() async throws {
        try await withModbusPeer { peer in
            let bench = try WriteBench()
            func options(_ address: String, _ type: DataType) throws -> ModbusTagOptions {
                ModbusTagOptions(
                    address: try ModbusAddress(parsing: address, zeroBased: false), type: type, access: .readWrite)
            }
            let tags = [
                try await bench.add("Plant.PLC.Valve", .boolean), try await bench.add("Plant.PLC.Set", .word),
                try await bench.add("Plant.PLC.Big", .llong), try await bench.add("Plant.PLC.Bad", .word),
            ]
            let store = bench.store
            let device = ModbusDevice(
                name: "Plant.PLC",
                options: ModbusDeviceOptions(
                    host: "127.0.0.1", port: UInt16(peer.port), poll: .milliseconds(50), timeout: .milliseconds(500)),
                tags: [
                    (tags[0], try options("00002", .boolean)), (tags[1], try options("40020", .word)),
                    (tags[2], try options("40024", .llong)), (tags[3], try options("42001", .word)),
                ],
                sink: { await store.apply($0) }, eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                logger: Logger(label: "test"))
            bench.connect(tags, "Plant.PLC", device)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await device.run() }
                while store.read([tags[1]])[0].quality != .good { try await Task.sleep(for: .milliseconds(10)) }
                let verdicts = try await bench.write([
                    ("Plant.PLC.Valve", "1"), ("Plant.PLC.Set", "\"4711\""), ("Plant.PLC.Big", "-9007199254740993"),
                    ("Plant.PLC.Bad", "1"), ("Plant.PLC.Set", "65536"),
                ])
                #expect(
                    verdicts.map(\.word) == [
                        "applied", "applied", "applied", "device-refused", "out-of-range",
                    ])
                while store.read([tags[2]])[0].data != .integer(-9_007_199_254_740_993) {
                    try await Task.sleep(for: .milliseconds(10))
                }
                // It stops answering: the write that was sent may have been carried out, and is not sent again.
                peer.freeze()
                let frozen = try await bench.write("Plant.PLC.Set", "1")
                #expect(frozen.outcome == .unknown || frozen.outcome == .rejected(.deviceOffline))
                peer.thaw()
                peer.kill()
                var last = try await bench.write("Plant.PLC.Set", "2")
                while last.outcome != .rejected(.deviceOffline) { last = try await bench.write("Plant.PLC.Set", "2") }
                group.cancelAll()
            }
            let lines = try String(contentsOfFile: peer.writes, encoding: .utf8).split(separator: "\n")
            let intents = bench.journal.recorded.count { $0.outcome == .begun }
            #expect(lines.count >= 3 && lines.count <= intents, "none reached the device twice")
            #expect(bench.journal.recorded.count == 2 * intents, "each intent has one verdict")
        }
    }
}
