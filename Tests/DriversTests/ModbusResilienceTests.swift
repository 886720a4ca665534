import Drivers
import NIOCore
import Synchronization
import Tags
import Testing

/// Against a device that answers some of what it is asked: the rest must not cost those who are answered anything.
@Suite(.timeLimit(.minutes(1)))
struct ModbusResilienceTests {
    /// What a device was asked, in order.
    private final class Asked: Sendable {
        struct Entry: Sendable, Equatable {
            var function: UInt8
            var address: UInt16
            var second: UInt16
            var time: ContinuousClock.Instant
        }

        private let entries = Mutex<[Entry]>([])
        var all: [Entry] { entries.withLock { $0 } }

        func note(_ request: HostileDevice.Request) {
            let entry = Entry(
                function: request.function, address: request.address, second: request.second, time: ContinuousClock.now)
            entries.withLock { $0.append(entry) }
        }
    }

    private static func options(_ port: Int, poll: Duration = .milliseconds(50)) -> ModbusDeviceOptions {
        var options = ModbusDeviceOptions.test(port: port, poll: poll)
        options.timeout = .milliseconds(60)
        return options
    }

    @Test func twoSilentBlocksLeaveTheThirdGoodAndTheConnectionUp() async throws {
        let tags = try [tag("40001"), tag("40201"), tag("40401")]
        try await HostileDevice.with(script { $1.address == 0 ? $1.right : .silence }) { hostile in
            try await withModbusDevice(Self.options(hostile.port), tags: tags) { device, recorder in
                await recorder.wait { latest in
                    latest.count == 3
                        && latest.allSatisfy { $0.value.quality == ($0.key.index == 0 ? .good : .timeout) }
                }
                let before = recorder.history(0).count
                await recorder.wait(delivered: { $0.history(0).count >= before + 15 })
                #expect(recorder.isGood(0, last: 15))
                #expect(hostile.connections == 1)
                #expect(await device.status().state == .connected)
            }
        }
    }

    @Test(arguments: [("40001", "40201"), ("40201", "40001")])
    func aSilentGroupLeavesTheOtherGroupsGood(fast: String, slow: String) async throws {
        let tags = try [tag(fast, poll: .milliseconds(50)), tag(slow, poll: .milliseconds(150))]
        let good: UInt32 = fast == "40001" ? 0 : 1
        try await HostileDevice.with(script { $1.address == 0 ? $1.right : .silence }) { hostile in
            try await withModbusDevice(Self.options(hostile.port), tags: tags) { device, recorder in
                await recorder.wait { latest in
                    latest.count == 2
                        && latest.allSatisfy { $0.value.quality == ($0.key.index == good ? .good : .timeout) }
                }
                let (before, connections) = (recorder.history(good).count, hostile.connections)
                await recorder.wait(delivered: { $0.history(good).count >= before + 15 })
                #expect(recorder.isGood(good, last: 15))
                #expect(hostile.connections == connections)
                #expect(await device.status().state == .connected)
            }
        }
    }

    /// What goes silent altogether is found out, however its tags are spread over groups and blocks.
    @Test func aDeviceThatFreezesWithSilentBlocksIsFoundOut() async throws {
        let tags = try [tag("40001"), tag("40201"), tag("40401", poll: .seconds(30)), tag("40601")]
        try await HostileDevice.with(script { $1.address == 200 ? .silence : $1.right }) { hostile in
            try await withModbusDevice(Self.options(hostile.port), tags: tags) { device, recorder in
                await recorder.wait { latest in
                    latest.count == 4
                        && latest.allSatisfy { $0.value.quality == ($0.key.index == 1 ? .timeout : .good) }
                }
                hostile.behave { _, _ in .silence }
                await recorder.wait { $0.values.allSatisfy { $0.quality == .timeout } }
                while await device.status().state == .connected, !Task.isCancelled { await Task.yield() }
                hostile.behave { $1.right }
                await recorder.waitForGood(4)
            }
        }
    }

    // MARK: Refused addresses

    private static func sixTags() throws -> [ModbusTagOptions] {
        try [tag("40001"), tag("40002"), tag("40003"), tag("40501"), tag("40502"), tag("40503")]
    }

    @Test func aDeviceThatRefusesAllWhileItBootsIsPolledInBlocksAfterwards() async throws {
        let asked = Asked()
        try await HostileDevice.with(script { .bytes($1.frame([0x83, 2])) }) { hostile in
            try await withModbusDevice(Self.options(hostile.port), tags: Self.sixTags()) { _, recorder in
                await recorder.wait { $0.count == 6 && $0.values.allSatisfy { $0.quality == .addressRefused } }
                hostile.behave {
                    asked.note($1)
                    return $1.right
                }
                await recorder.waitForGood(6)
                let before = recorder.history(0).count
                await recorder.wait(delivered: { $0.history(0).count > before + 5 })
                #expect(asked.all.suffix(6).allSatisfy { $0.second == 3 })
            }
        }
    }

    @Test func aNewConnectionIsPolledInThePlannedBlocks() async throws {
        let refusing: HostileDevice.Script = { _, request in
            let span = Int(request.address)..<Int(request.address) + Int(request.second)
            return span.contains(501) ? .bytes(request.frame([0x83, 2])) : request.right
        }
        let asked = Asked()
        try await HostileDevice.with(refusing) { hostile in
            try await withModbusDevice(Self.options(hostile.port), tags: Self.sixTags()) { _, recorder in
                await recorder.wait(for: 4) { $0.quality == .addressRefused }
                hostile.behave { _, _ in .close(after: []) }
                await recorder.wait(for: 0) { $0.quality == .notConnected }
                hostile.behave {
                    asked.note($1)
                    return $1.right
                }
                await recorder.waitForGood(6)
                let before = recorder.history(0).count
                await recorder.wait(delivered: { $0.history(0).count > before + 5 })
                #expect(asked.all.suffix(6).allSatisfy { $0.second == 3 })
            }
        }
    }

    @Test func aBusyDeviceIsGivenTimeBeforeItIsAskedAgain() async throws {
        let asked = Asked()
        let busyOnce: HostileDevice.Script = { number, request in
            asked.note(request)
            return number == 0 ? .bytes(request.frame([0x83, 6])) : request.right
        }
        try await HostileDevice.with(busyOnce) { hostile in
            let options = Self.options(hostile.port, poll: .milliseconds(400))
            try await withModbusDevice(options, tags: [tag("40001")]) { _, recorder in
                await recorder.waitForGood(1)
                let times = asked.all.map(\.time)
                #expect(times.count == 2, "asked again within the poll")
                #expect(times[1] - times[0] >= .milliseconds(45))
                #expect(recorder.isGood(0))
            }
        }
    }

    // MARK: Bytes nobody asked for

    @Test func theBeginningOfAReplyNobodyAskedForEndsTheConnection() async throws {
        // The first two bytes of what would be the next reply: with them the stream stays well formed for ever.
        let early: HostileDevice.Script = { _, request in
            let next = request.transaction &+ 1
            let shifted = Array(request.frame(request.rightPDU).dropFirst(request.transaction == 1 ? 0 : 2))
            return .bytes(shifted + [UInt8(next >> 8), UInt8(next & 0xFF)])
        }
        try await HostileDevice.with(early) { hostile in
            try await withModbusDevice(Self.options(hostile.port), tags: [tag("40001")]) { _, recorder in
                await recorder.wait(for: 0) { $0.quality == .protocolError || $0.timestamp.microseconds == 0 }
                #expect(recorder[0]?.quality == .protocolError)
            }
        }
    }

    // MARK: Writes beside polls

    @Test func writesAndDueBlocksTakeTurns() async throws {
        let asked = Asked()
        let slowWrites: HostileDevice.Script = { _, request in
            asked.note(request)
            let frame = request.frame(request.rightPDU)
            // Longer than the poll: a block is due after each write.
            return request.function > 4 ? .late(frame, after: .milliseconds(3)) : .bytes(frame)
        }
        let tags = try [tag("40001"), tag("40101", access: .readWrite)]
        try await HostileDevice.with(slowWrites) { hostile in
            var options = ModbusDeviceOptions.test(port: hostile.port, poll: .milliseconds(1))
            options.timeout = .seconds(10)
            try await withModbusDevice(options, tags: tags) { device, recorder in
                await recorder.waitForGood(2)
                await withTaskGroup { group in
                    for value in 0..<40 {
                        group.addTask {
                            #expect(await device.write(.unsigned(UInt64(value)), to: TagHandle(index: 1)) == .confirmed)
                        }
                    }
                }
                let functions = asked.all.map(\.function)
                #expect(functions.count { $0 > 4 } == 40)
                let pairs = zip(functions, functions.dropFirst()).count { $0 > 4 && $1 > 4 }
                #expect(pairs == 0, "two writes with no block between them: \(pairs)")
            }
        }
    }
}
