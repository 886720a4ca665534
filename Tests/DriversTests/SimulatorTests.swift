import Tags
import Testing

@testable import Drivers

@Suite(.timeLimit(.minutes(1)))
struct SimulatorTests {
    private func options(
        _ address: String, _ type: DataType? = nil, _ access: TagAccess = .read, range: ClosedRange<Double>? = nil
    ) throws -> SimulatorTagOptions {
        let parsed = try SimulatorAddress(parsing: address)
        return SimulatorTagOptions(address: parsed, type: type ?? parsed.defaultType, access: access, range: range)
    }

    private func values(_ address: String, _ type: DataType? = nil, steps: Int) throws -> [TagData?] {
        var tag = SimulatedTag(try options(address, type), poll: .seconds(1), seed: 1)
        return (0..<steps).map { tag.next(seconds: Double($0)) }
    }

    @Test func rampsUpAndDownAndBeginsAgain() throws {
        #expect(try values("RAMP (100, 35, 45, 4)", steps: 5) == [35, 39, 43, 35, 39].map { .integer($0) })
        #expect(try values("RAMP (100, 0.5, 1.0, -0.25)", steps: 4) == [1, 0.75, 0.5, 1].map { .float($0) })
        #expect(try values("RAMP (100, 0, 3, 1)", .byte, steps: 2) == [.unsigned(0), .unsigned(1)])
    }

    @Test func randomStaysWithinItsBoundsAndCanBeHadAgain() throws {
        let some = try values("RANDOM (100, -20, 75)", steps: 500)
        #expect(some.allSatisfy { (-20...75).contains($0?.number ?? 99) })
        #expect(Set(some.compactMap { $0?.number }).count > 50)
        #expect(try values("RANDOM (100, -20, 75)", steps: 500) == some)
    }

    @Test func sineFollowsTheTime() throws {
        let quarter = try values("SINE (1000, -40.0, 40.0, 0.25, 0)", .double, steps: 4).compactMap { $0?.number }
        for (value, expected) in zip(quarter, [0, 40, 0, -40]) { #expect(abs(value - Double(expected)) < 1e-9) }
        #expect(try values("SINE (1000, -40.0, 40.0, 0.25, 90)", .double, steps: 1) == [.double(40)])
    }

    @Test func userGivesOneTextAfterTheOther() throws {
        #expect(try values("USER (100, a, b)", steps: 3) == [.string("a"), .string("b"), .string("a")])
        #expect(try values("USER (100, 1, 0)", .boolean, steps: 2) == [.boolean(true), .boolean(false)])
    }

    @Test func registersRampToggleAndHold() throws {
        #expect(try values("R1", steps: 3) == [0, 1, 2].map { .unsigned($0) })
        #expect(try values("R1", .char, steps: 130).last == .integer(-127))
        #expect(try values("B1", steps: 3) == [.boolean(false), .boolean(true), .boolean(false)])
        #expect(try values("K1 [2]", steps: 2).last == .array([.unsigned(0), .unsigned(0)]))
        #expect(try values("R1 [2]", steps: 2).last == .array([.unsigned(1), .unsigned(1)]))
        #expect(try values("S1", steps: 1) == [.string("")])
    }

    @Test func givesEveryTagAValueAtOnceAndEachItsRate() async throws {
        let recorder = TagRecorder()
        let tags = try [options("RAMP (20, 0, 1000000, 1)"), options("R1"), options("K1")].enumerated().map {
            (handle: TagHandle(index: UInt32($0)), options: $1)
        }
        let device = SimulatorDevice(
            name: "Press", options: .init(poll: .seconds(60)), tags: tags, sink: recorder.sink)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await device.run() }
            await recorder.waitForGood(3)
            #expect(recorder.batches.first == 3)
            await recorder.wait(delivered: { $0.history(0).count > 5 })
            #expect(recorder.history(0).compactMap(\.data.number).prefix(5) == [0, 1, 2, 3, 4])
            #expect(recorder.history(1).count == 1)
            #expect(await device.status().state == .connected)
            group.cancelAll()
        }
        #expect(await device.status().state == .stopped)
    }

    @Test func writesAreCheckedAndHeld() async throws {
        let recorder = TagRecorder()
        let tags = try [
            options("K1", .byte, .readWrite), options("K2", .double, .readWrite, range: 0...100), options("K3"),
            options("S1", nil, .readWrite), options("K4 [2]", .short, .readWrite), options("RAMP (20, 0, 10, 1)"),
            options("K5", .qword, .readWrite),
        ].enumerated().map { (handle: TagHandle(index: UInt32($0)), options: $1) }
        let device = SimulatorDevice(name: "Press", options: .init(), tags: tags, sink: recorder.sink)
        func write(_ data: TagData, _ index: UInt32) async -> WriteOutcome {
            await device.write(data, to: TagHandle(index: index))
        }
        #expect(await write(.unsigned(255), 0) == .confirmed)
        #expect(recorder[0]?.data == .unsigned(255))
        #expect(await write(.unsigned(256), 0).code == .outOfRange)
        #expect(await write(.integer(-1), 0).code == .outOfRange)
        #expect(await write(.double(0.5), 0).code == .outOfRange)
        #expect(await write(.boolean(true), 0).code == .wrongType)
        #expect(await write(.double(100.5), 1).code == .outOfRange)
        #expect(await write(.double(.nan), 1).code == .outOfRange)
        #expect(await write(.double(99.5), 1) == .confirmed)
        #expect(await write(.unsigned(1), 2).code == .readOnly)
        #expect(await write(.string("x"), 3) == .confirmed)
        #expect(await write(.array([.integer(1), .integer(-2)]), 4) == .confirmed)
        #expect(await write(.array([.integer(1)]), 4).code == .wrongType)
        #expect(await write(.array([.integer(1), .integer(40000)]), 4).code == .outOfRange)
        #expect(await write(.integer(1), 5).code == .readOnly)
        #expect(await write(.unsigned(.max), 6) == .confirmed)
        #expect(recorder[6]?.data == .unsigned(.max))
        #expect(await write(.unsigned(1), 77).code == .unknownTag)
    }

    @Test func systemTagsGiveOnlyWhatChanged() {
        let gateway = (0..<6).map { TagHandle(index: $0) }
        let device = (6..<9).map { TagHandle(index: $0) }
        #expect(SystemTags.gatewayDefinitions().count == gateway.count)
        #expect(
            SystemTags.deviceDefinitions(channel: "Plant", device: "PLC1").map(\.name.text)
                == ["Plant.PLC1._System._Error", "Plant.PLC1._System._NoError", "Plant.PLC1._System._Enabled"])
        var source = SystemTagSource(gateway: gateway, devices: [device])
        var snapshot = SystemTagSource.Snapshot(
            time: Timestamp(milliseconds: 951_782_400_123), activeTags: 1, totalTags: 2, clients: 3,
            devices: [.init(isEnabled: true, state: .connected)])
        #expect(
            source.updates(snapshot).map(\.value.data) == [
                .string("2000-02-29"), .string("00:00:00"), .date(snapshot.time), .unsigned(1), .unsigned(2),
                .unsigned(3), .boolean(false), .boolean(true), .boolean(true),
            ])
        #expect(source.updates(snapshot).isEmpty)
        snapshot.devices = [.init(isEnabled: true, state: .demoted)]
        #expect(source.updates(snapshot).map(\.handle) == [device[0], device[1]])
        snapshot.devices = [.init(isEnabled: false, state: nil)]
        #expect(source.updates(snapshot).map(\.value.data) == [.boolean(false), .boolean(false)])
    }

    @Test(arguments: [
        (0, "1970-01-01", "00:00:00"), (-1, "1969-12-31", "23:59:59"), (1_795_452_515_000, "2026-11-23", "16:48:35"),
        (4_107_542_399_999, "2100-02-28", "23:59:59"), (4_107_542_400_000, "2100-03-01", "00:00:00"),
    ])
    func datesAndTimes(milliseconds: Int64, date: String, time: String) {
        let texts = SystemTagSource.texts(Timestamp(milliseconds: milliseconds))
        #expect(texts.date == date && texts.time == time)
    }
}
