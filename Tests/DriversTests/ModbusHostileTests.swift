import Drivers
import NIOCore
import Tags
import Testing

/// Against a device that lies, stutters, hangs and dies: never a value in the wrong tag.
@Suite(.timeLimit(.minutes(1)))
struct ModbusHostileTests {
    /// Two blocks of three registers, far apart.
    private static func tags() throws -> [ModbusTagOptions] {
        try [tag("40001"), tag("40002"), tag("40003"), tag("40501"), tag("40502"), tag("40503")]
    }

    /// Each register holds its own address: any other number is one in the wrong tag.
    private func expectNothingWrong(_ recorder: TagRecorder) {
        for (index, address) in [0, 1, 2, 500, 501, 502].enumerated() {
            for value in recorder.history(UInt32(index)) {
                #expect(value.data == .unsigned(UInt64(address)) || value.data == .none)
                #expect(value.data != .none || !value.quality.isGood)
            }
        }
    }

    struct Lie: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let quality: Quality
        let answer: @Sendable (HostileDevice.Request) -> HostileDevice.Answer
    }

    static let lies: [Lie] = [
        Lie(testDescription: "wrong transaction", quality: .protocolError) {
            .bytes($0.frame([3, 6, 9, 9, 9, 9, 9, 9], transaction: $0.transaction &+ 5))
        },
        Lie(testDescription: "wrong unit", quality: .protocolError) {
            .bytes($0.frame([3, 6, 9, 9, 9, 9, 9, 9], unit: 9))
        },
        Lie(testDescription: "wrong function", quality: .protocolError) {
            .bytes($0.frame([4, 6, 9, 9, 9, 9, 9, 9]))
        },
        Lie(testDescription: "short frame", quality: .protocolError) { .bytes($0.frame([3, 2, 9, 9])) },
        Lie(testDescription: "long frame", quality: .protocolError) {
            .bytes($0.frame([3, 8, 9, 9, 9, 9, 9, 9, 9, 9]))
        },
        Lie(testDescription: "byte count that lies", quality: .protocolError) {
            .bytes($0.frame([3, 8, 9, 9, 9, 9, 9, 9]))
        },
        Lie(testDescription: "length that claims too little", quality: .protocolError) {
            .bytes($0.frame([3, 6, 9, 9, 9, 9, 9, 9], length: 4))
        },
        Lie(testDescription: "length that claims too much", quality: .timeout) {
            .bytes($0.frame([3, 6, 9, 9, 9, 9, 9, 9], length: 200))
        },
        Lie(testDescription: "impossible length", quality: .protocolError) {
            .bytes($0.frame([3, 6, 9, 9, 9, 9, 9, 9], length: 60000))
        },
        Lie(testDescription: "garbage", quality: .protocolError) { _ in .bytes(Array("HTTP/1.1 400 Bad\r\n\r\n".utf8))
        },
        Lie(testDescription: "exception", quality: .deviceException) { .bytes($0.frame([0x83, 4])) },
        Lie(testDescription: "illegal address", quality: .addressRefused) { .bytes($0.frame([0x83, 2])) },
        Lie(testDescription: "exception cut short", quality: .protocolError) { .bytes($0.frame([0x83])) },
        Lie(testDescription: "closes mid-frame", quality: .notConnected) {
            .close(after: Array($0.frame([3, 6, 9, 9, 9, 9, 9, 9]).prefix(10)))
        },
        Lie(testDescription: "silent", quality: .timeout) { _ in .silence },
    ]

    @Test(arguments: lies) func aLieMakesTagsBadAndTheTruthMakesThemGood(lie: Lie) async throws {
        try await HostileDevice.with(script { $1.right }) { hostile in
            try await withModbusDevice(.test(port: hostile.port), tags: Self.tags()) { device, recorder in
                await recorder.waitForGood(6)
                hostile.behave { lie.answer($1) }
                await recorder.wait { $0.values.allSatisfy { $0.quality == lie.quality } }
                #expect(await device.status().lastError != nil)
                hostile.behave { $1.right }
                await recorder.waitForGood(6)
                expectNothingWrong(recorder)
            }
        }
    }

    @Test func oneByteAtATimeIsSlowButRight() async throws {
        try await HostileDevice.with(script { .trickle($1.frame($1.rightPDU)) }) { hostile in
            try await withModbusDevice(.test(port: hostile.port), tags: Self.tags()) { _, recorder in
                await recorder.waitForGood(6)
                expectNothingWrong(recorder)
            }
        }
    }

    /// The late reply to a block comes while another block is waited for: it must not be taken for its reply.
    @Test func lateRepliesAreDropped() async throws {
        let script: HostileDevice.Script = { number, request in
            let frame = request.frame(request.rightPDU)
            return number % 3 == 0 ? .late(frame, after: .milliseconds(260)) : .bytes(frame)
        }
        try await HostileDevice.with(script) { hostile in
            try await withModbusDevice(.test(port: hostile.port, retries: 2), tags: Self.tags()) { device, recorder in
                await recorder.wait(delivered: { $0.batches.count > 20 })
                expectNothingWrong(recorder)
                let status = await device.status()
                #expect(status.timeouts > 2)
                #expect(status.reconnects == 0, "a late reply is no reason to close the connection")
            }
        }
    }

    @Test func aRightReplyWithGarbageBehindItGivesItsValuesOnly() async throws {
        try await HostileDevice.with(script { .bytes($1.frame($1.rightPDU) + [1, 2, 3, 4, 5, 6, 7]) }) { hostile in
            try await withModbusDevice(.test(port: hostile.port), tags: Self.tags()) { _, recorder in
                await recorder.wait(for: 0) { $0.quality == .protocolError }
                expectNothingWrong(recorder)
            }
        }
    }

    /// A block that is never answered speaks for its own tags only.
    @Test func aSilentBlockLeavesTheOthersGood() async throws {
        try await HostileDevice.with(script { $1.right }) { hostile in
            try await withModbusDevice(.test(port: hostile.port), tags: Self.tags()) { device, recorder in
                await recorder.waitForGood(6)
                hostile.behave { $1.address == 0 ? .silence : $1.right }
                await recorder.wait { latest in
                    latest.allSatisfy { $0.value.quality == ($0.key.index < 3 ? .timeout : .good) }
                }
                let before = recorder.history(3).count
                await recorder.wait(delivered: { $0.history(3).count > before + 5 })
                #expect(recorder.isGood(3, last: 5))
                #expect(await device.status().state == .connected)
                expectNothingWrong(recorder)
            }
        }
    }

    @Test func oneBadAddressDoesNotSpoilItsBlock() async throws {
        let script: HostileDevice.Script = { _, request in
            let span = Int(request.address)..<Int(request.address) + Int(request.second)
            return span.contains(501) ? .bytes(request.frame([0x83, 2])) : request.right
        }
        try await HostileDevice.with(script) { hostile in
            try await withModbusDevice(.test(port: hostile.port), tags: Self.tags()) { _, recorder in
                await recorder.wait { latest in
                    latest.count == 6
                        && latest.allSatisfy { $0.value.quality == ($0.key.index == 4 ? .addressRefused : .good) }
                }
                #expect(recorder.isGood(3), "never bad while the split was found")
                expectNothingWrong(recorder)
            }
        }
    }

    @Test func aDeadDeviceIsAskedLessOften() async throws {
        try await HostileDevice.with(script { _, _ in .silence }) { hostile in
            var options = ModbusDeviceOptions.test(port: hostile.port, retries: 0)
            options.timeout = .milliseconds(20)
            options.demotion = .init(after: 2, period: .seconds(60))
            try await withModbusDevice(options, tags: Self.tags()) { device, recorder in
                await recorder.wait(for: 5) { $0.quality == .timeout }
                while await device.status().state != .demoted, !Task.isCancelled { await Task.yield() }
                #expect(hostile.requests == 2)
                #expect(await device.write(.unsigned(1), to: TagHandle(index: 0)) != .confirmed)
            }
        }
    }

    @Test func aHungDeviceLeavesTheOthersTheirRate() async throws {
        try await HostileDevice.with(script { _, _ in .silence }) { hung in
            try await HostileDevice.with(script { $1.right }) { healthy in
                try await withModbusDevice(.test(port: hung.port), tags: Self.tags()) { _, _ in
                    try await withModbusDevice(.test(port: healthy.port), tags: Self.tags()) { _, recorder in
                        await recorder.waitForGood(6)
                        let clock = ContinuousClock()
                        let start = clock.now
                        let before = recorder.history(0).count
                        await recorder.wait(delivered: { $0.history(0).count >= before + 20 })
                        // 20 polls of 50 ms, with room for a busy machine.
                        #expect(clock.now - start < .seconds(5))
                        #expect(recorder.isGood(0))
                    }
                }
            }
        }
    }

    @Test func unitsAndTransactionsAreAsConfigured() async throws {
        try await HostileDevice.with(script { $1.right }) { hostile in
            var options = ModbusDeviceOptions.test(port: hostile.port)
            options.unit = 17
            try await withModbusDevice(options, tags: Self.tags()) { device, recorder in
                await recorder.waitForGood(6)
                var entries: [TraceEntry] = []
                for await entry in await device.trace() {
                    entries.append(entry)
                    if entries.count == 8 { break }
                }
                #expect(entries.contains { $0.text.hasPrefix("read holding registers 40001–40003 (3), transaction") })
                #expect(entries.contains { $0.direction == .reply && $0.text.hasSuffix(": 500, 501, 502") })
                #expect(entries.allSatisfy { $0.bytes.count >= 12 && $0.bytes[6] == 17 })
            }
        }
    }

    // MARK: Writes

    @Test func aWriteWithoutAnAnswerIsUnknown() async throws {
        let tags = try [tag("40001", access: .readWrite)]
        try await HostileDevice.with(script { $1.function > 4 ? .silence : $1.right }) { hostile in
            try await withModbusDevice(.test(port: hostile.port), tags: tags) { device, recorder in
                await recorder.waitForGood(1)
                let outcome = await device.write(.unsigned(5), to: TagHandle(index: 0))
                guard case .unknown = outcome else { return #expect(Bool(false), "\(outcome)") }
                hostile.behave { $1.function > 4 ? .close(after: []) : $1.right }
                let other = await device.write(.unsigned(5), to: TagHandle(index: 0))
                guard case .unknown = other else { return #expect(Bool(false), "\(other)") }
            }
        }
    }

    @Test func aWriteThatIsRefusedSaysWhy() async throws {
        let tags = try [tag("40001", access: .readWrite), tag("40002")]
        try await HostileDevice.with(script { $1.function > 4 ? .bytes($1.frame([0x86, 3])) : $1.right }) { hostile in
            try await withModbusDevice(.test(port: hostile.port), tags: tags) { device, recorder in
                await recorder.waitForGood(2)
                let expected = WriteRefusal(.deviceRefused, "the device answered with exception 3 (illegal data value)")
                #expect(await device.write(.unsigned(5), to: TagHandle(index: 0)) == .refused(expected))
                #expect(await device.write(.unsigned(5), to: TagHandle(index: 1)).code == .readOnly)
                #expect(await device.write(.unsigned(5), to: TagHandle(index: 9)).code == .unknownTag)
                #expect(await device.write(.unsigned(65536), to: TagHandle(index: 0)).code == .outOfRange)
                #expect(await device.write(.string("x"), to: TagHandle(index: 0)).code == .wrongType)
            }
        }
    }
}

extension WriteOutcome {
    var code: WriteRefusal.Code? {
        if case .refused(let refusal) = self { refusal.code } else { nil }
    }
}
