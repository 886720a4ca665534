import Drivers
import FoundationEssentials
import NIOCore
import NIOPosix
import Tags
import TestPeers
import Testing

/// Against a real device that nobody here wrote. The fixed values are those of deploy/modbus-device/device.py.
@Suite(.timeLimit(.minutes(1)))
struct ModbusDevicePeerTests {
    @Test func pollsValuesThatChange() async throws {
        try await withModbusPeer { peer in
            let tags = try [tag("40002"), tag("30001"), tag("41001 [100]")]
            try await withModbusDevice(.test(port: peer.port), tags: tags) { device, recorder in
                await recorder.waitForGood(3)
                let first = recorder[0]?.data.number ?? .infinity
                await recorder.wait(for: 0) { $0.data.number.map { $0 > first + 2 } ?? false }
                let counts = recorder.history(0).compactMap(\.data.number)
                #expect(counts == counts.sorted())
                let times = recorder.history(0).map(\.timestamp)
                #expect(times == times.sorted() && times.last != times.first)
                let status = await device.status()
                #expect(status.state == .connected && status.lastGood != nil && status.lastPoll != nil)
                #expect(status.exceptions == 0 && status.timeouts == 0)
            }
        }
    }

    @Test(arguments: [
        (0, ModbusWordOrder.bigEndian), (1, .littleEndian), (2, .bigEndianByteSwap), (3, .littleEndianByteSwap),
    ])
    func readsEveryTypeInEveryOrder(index: Int, order: ModbusWordOrder) async throws {
        try await withModbusPeer { peer in
            var options = ModbusDeviceOptions.test(port: peer.port)
            options.wordOrder = order
            let cases: [(ModbusTagOptions, TagData)] = try [
                (tag("\(40200 + 2 * index)", .float), .float(123.456)),
                (tag("\(40208 + 2 * index)", .long), .integer(-123_456_789)),
                (tag("\(40208 + 2 * index)", .dword), .unsigned(UInt64(UInt32(bitPattern: -123_456_789)))),
                (tag("\(40216 + 4 * index)", .double), .double(-9876.54321)),
                (tag("\(40232 + 4 * index)", .qword), .unsigned(0xFEDC_BA98_7654_3210)),
                (tag("\(40232 + 4 * index)", .llong), .integer(Int64(bitPattern: 0xFEDC_BA98_7654_3210))),
                (tag("40248", .short), .integer(-1234)),
                (tag("40249", .word), .unsigned(54321)),
                (tag("40249.0"), .boolean(true)),
                (tag("40249.1"), .boolean(false)),
                (tag("40250", .string, length: 14), .string("Grüße, Welt")),
                (tag("40257", .string, length: 8, stringOrder: .lowByteFirst), .string("Hallo!")),
                (tag("40265", .char), .integer(-100)),
                (tag("40266", .byte), .unsigned(200)),
                (tag("40248 [2]", .word), .array([.unsigned(64302), .unsigned(54321)])),
            ]
            // Not numbers, and numbers that do not fit.
            let bad = try [tag("40261", .float), tag("40263", .float), tag("40265", .byte), tag("40266", .char)]
            try await withModbusDevice(options, tags: cases.map(\.0) + bad) { _, recorder in
                // Not a number in another order may be a number: those two are looked at in one order only.
                let known = order == .bigEndian ? bad.indices : 2..<4
                await recorder.wait { latest in latest.count == cases.count + bad.count }
                for (index, (_, expected)) in cases.enumerated() {
                    #expect(recorder[UInt32(index)]?.data == expected)
                    #expect(recorder[UInt32(index)]?.quality == .good)
                }
                for index in known {
                    #expect(recorder[UInt32(cases.count + index)]?.quality == .outOfRange)
                    #expect(recorder[UInt32(cases.count + index)]?.data == TagData.none)
                }
            }
        }
    }

    @Test func readsEveryArea() async throws {
        try await withModbusPeer { peer in
            let tags = try [tag("00001 [64]"), tag("10001 [64]"), tag("30001 [100]"), tag("40100 [8]", .dword)]
            try await withModbusDevice(.test(port: peer.port), tags: tags) { _, recorder in
                await recorder.waitForGood(4)
                guard case .array(let inputs) = recorder[2]?.data, case .unsigned(let first) = inputs.elements.first,
                    case .array(let coils) = recorder[0]?.data
                else { return #expect(Bool(false)) }
                #expect(inputs.elements == (0..<100).map { .unsigned((first + $0) & 0xFFFF) })
                #expect(coils.elements.count == 64)
            }
        }
    }

    @Test func anIllegalAddressIsBadAloneAndNamed() async throws {
        try await withModbusPeer { peer in
            // 40151–40159 do not exist; 40145 and 40165 are read along in one request at first.
            let tags = try [tag("40145"), tag("40155"), tag("40165"), tag("42001")]
            try await withModbusDevice(.test(port: peer.port), tags: tags) { device, recorder in
                await recorder.wait { latest in
                    latest.count == 4
                        && latest.allSatisfy { key, value in
                            value.quality == (key.index % 2 == 0 ? .good : .addressRefused)
                        }
                }
                let status = await device.status()
                #expect(status.state == .connected && status.exceptions > 0)
                #expect(status.lastError?.hasPrefix("exception 2 (illegal data address) to read holding") == true)
                // What is refused does not hide that the others come: both go on with the polls.
                let polled = recorder.history(0).count
                await recorder.wait(delivered: { $0.history(0).count > polled + 2 })
                let later = await device.status()
                #expect(later.lastPoll != nil)
                let before = try #require(status.lastGood), after = try #require(later.lastGood)
                #expect(after > before)
            }
        }
    }

    @Test func writesAreReadBackAndReachTheDeviceOnce() async throws {
        try await withModbusPeer { peer in
            let scale = TagScale(raw: 0...27648, scaledLow: 0, scaledHigh: 100)
            let writes: [(ModbusTagOptions, TagData)] = try [
                (tag("00002", access: .readWrite), .boolean(true)),
                (tag("00010 [10]", access: .readWrite), .array((0..<10).map { .boolean($0 % 3 == 0) })),
                (tag("40020", access: .readWrite), .unsigned(4711)),
                (tag("40021", .short, access: .readWrite), .integer(-4711)),
                (tag("40022", .float, access: .readWrite), .float(2.5)),
                (tag("40024", .llong, access: .readWrite), .integer(-5_000_000_000)),
                (tag("40030", .string, access: .readWrite, length: 10), .string("Schütz")),
                (tag("40040 [3]", .dword, access: .readWrite), .array([.unsigned(1), .unsigned(70000), .unsigned(3)])),
                (tag("40050", .short, access: .readWrite, scale: scale), .double(50)),
            ]
            try await withModbusDevice(.test(port: peer.port), tags: writes.map(\.0)) { device, recorder in
                await recorder.waitForGood(writes.count)
                for (index, (_, data)) in writes.enumerated() {
                    #expect(await device.write(data, to: TagHandle(index: UInt32(index))) == .confirmed)
                    await recorder.wait(for: UInt32(index)) { $0.data == data }
                }
            }
            let text = try String(contentsOfFile: peer.writes, encoding: .utf8)
            let functions = text.split(separator: "\n").map { line in
                line.components(separatedBy: "\"function\": ").last?.prefix { $0 != "," }
            }
            #expect(functions == ["5", "15", "6", "6", "16", "16", "16", "16", "6"])
        }
    }

    @Test func aKilledDeviceIsBadWithinAPollAndATimeoutAndGoodAfterItsReturn() async throws {
        let port = try freePort()
        let tags = try [tag("40002"), tag("41001 [100]"), tag("00001", access: .readWrite, poll: .seconds(60))]
        let options = ModbusDeviceOptions.test(port: port, poll: .milliseconds(100))
        try await withModbusDevice(options, tags: tags) { device, recorder in
            let clock = ContinuousClock()
            let last = try await withModbusPeer(port: port) { peer in
                await recorder.waitForGood(3)
                peer.kill()
                let killed = clock.now
                await recorder.wait { $0.values.allSatisfy(\.quality.isBad) }
                // 100 ms and 200 ms, with room for a busy machine.
                #expect(clock.now - killed < .milliseconds(1500))
                return recorder[0]
            }
            #expect(last?.quality == .notConnected)
            #expect(last?.data != TagData.none, "the last value is kept")
            #expect(await device.write(.boolean(true), to: TagHandle(index: 2)).code == .deviceOffline)
            try await withModbusPeer(port: port) { _ in
                let back = clock.now
                await recorder.waitForGood(3)
                #expect(clock.now - back < .seconds(20), "the slowly polled tag as well, not after its 60 s")
            }
            #expect(await device.status().reconnects > 0)
        }
    }

    @Test func aFrozenDeviceTimesOutAndComesBack() async throws {
        try await withModbusPeer { peer in
            let tags = try [tag("40002"), tag("30001", poll: .seconds(60))]
            try await withModbusDevice(.test(port: peer.port), tags: tags) { device, recorder in
                await recorder.waitForGood(2)
                peer.freeze()
                await recorder.wait { $0.values.allSatisfy { $0.quality == .timeout } }
                peer.thaw()
                await recorder.waitForGood(2)
            }
        }
    }

    @Test func aHostNameIsResolved() async throws {
        try await withModbusPeer { peer in
            var options = ModbusDeviceOptions.test(port: peer.port)
            options.host = "localhost"
            try await withModbusDevice(options, tags: [tag("40002")]) { _, recorder in await recorder.waitForGood(1) }
            options.host = "no-such-host.invalid"
            try await withModbusDevice(options, tags: [tag("40002")]) { device, recorder in
                await recorder.wait(for: 0) { $0.quality == .notConnected }
                #expect(await device.status().lastError?.isEmpty == false)
            }
        }
    }

    @Test func anotherUnitIsAnExceptionNotAValue() async throws {
        try await withModbusPeer(unit: 1) { peer in
            var options = ModbusDeviceOptions.test(port: peer.port)
            options.unit = 9
            try await withModbusDevice(options, tags: [tag("40002")]) { _, recorder in
                await recorder.wait(for: 0) { $0.quality == .deviceException }
            }
        }
    }

    @Test func aThousandRegistersAreOneBatch() async throws {
        try await withModbusPeer { peer in
            let tags = try (41001...42000).map { try tag("\($0)") }
            try await withModbusDevice(.test(port: peer.port, poll: .milliseconds(100)), tags: tags) { _, recorder in
                await recorder.wait(delivered: { $0.batches.count >= 3 })
                #expect(recorder.batches.allSatisfy { $0 == 1000 })
            }
        }
    }
}
