import Synchronization
import TagStore
import Tags
import Testing
import WireFormat

@testable import SecurityPolicy
@testable import Writes

@Suite("Write arbiter", .timeLimit(.minutes(1)))
struct WriteArbiterTests {
    @Test func anAppliedWriteIsInTheLogBeforeAndAfter() async throws {
        let bench = try WriteBench()
        let tag = try await bench.add("Plant.PLC1.Valve", .word, range: 0...100)
        let writer = ScriptedWriter()
        bench.connect([tag], "Plant.PLC1", writer)
        await bench.store.apply([
            TagUpdate(handle: tag, value: TagValue(data: .unsigned(7), timestamp: Timestamp(milliseconds: 1)))
        ])
        let verdict = try await bench.write("plant.plc1.VALVE", "\"42\"")
        #expect(verdict == WriteVerdict(tag: "Plant.PLC1.Valve", .applied))
        #expect(verdict.text.isEmpty)
        #expect(writer.written == [.unsigned(42)])
        let events = bench.journal.recorded
        #expect(events.map(\.outcome) == [.begun, .succeeded])
        #expect(events.map(\.new) == ["42", "42"])
        #expect(events.map(\.old) == [nil, "7"])
        #expect(events.allSatisfy { $0.principal == "olga" && $0.address == "192.0.2.7" && $0.agent == "api" })
        #expect(events.allSatisfy { $0.object == "Plant.PLC1.Valve" && $0.action == .write })
    }

    @Test func refusalsTouchNothingAndCostNoReserve() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter()
        for (name, access) in [
            ("Plant.D.Level", TagAccess.read), ("Plant.D.Set", .readWrite), ("Hidden.D.T", .readWrite),
            ("Hidden.D.Blind", .readWrite), ("Outside.D.T", .readWrite),
        ] {
            bench.connect([try await bench.add(name, .word, access: access, range: 0...10)], "Plant.D", writer)
        }
        try await bench.add("Plant.Off.T", .word)
        let unknown = WriteVerdict(tag: "Plant.D.Nope", .rejected(.unknownTag), reason: "there is no such tag")
        #expect(try await bench.write("Plant.D.Nope", "1") == unknown)
        // What may not be browsed, or is not among the items, is the same but for the name, and echoed as asked.
        let names = [
            "hidden.d.t", "Hidden.D.Blind", "OUTSIDE.D.T", "Plant.D", "", "Plant.D.Set\0", "Plant.D.Se\u{301}t",
        ]
        for name in names {
            var expected = unknown
            expected.tag = name
            #expect(try await bench.write(name, "1") == expected)
        }
        #expect(try await bench.write("plant.d.set", "1", by: WriteBench.vera).word == "forbidden")
        #expect(try await bench.write("plant.d.set", "1", by: WriteBench.vera).tag == "Plant.D.Set")
        #expect(try await bench.write("Plant.D.Set", "1", by: .anonymous).text == unknown.text)
        #expect(try await bench.write("Plant.D.Level", "1").word == "read-only")
        #expect(try await bench.write("Outside.D.T", "1", by: WriteBench.root).word == "unknown-tag")
        #expect(try await bench.write("Plant.D.Set", "11").text.hasPrefix("out-of-range: 11 is outside"))
        #expect(try await bench.write("Plant.D.Set", "1.5").word == "wrong-type")
        #expect(try await bench.write("Plant.Off.T", "1").word == "device-offline")
        #expect(writer.written.isEmpty)
        #expect(bench.journal.recorded.isEmpty)
        #expect(bench.journal.noted.allSatisfy { $0.outcome == .refused })
        #expect(bench.journal.noted.count == 16)
    }

    /// Counted, not timed: what may not be known of is looked at as often as what does not exist.
    @Test func anUnknownTagTakesAsManyChecksAsAHiddenOne() async throws {
        let lookups = Box(Mutex(0)), exposures = Box(Mutex(0))
        let bench = try WriteBench { principal in
            lookups.value.withLock { $0 += 1 }
            return principal
        }
        try await bench.add("Plant.D.Set", .word)
        try await bench.add("Hidden.D.T", .word)
        try await bench.add("Outside.D.T", .word)
        let source = WriteSource(agent: "api", address: "") { _, name in
            exposures.value.withLock { $0 += 1 }
            return !name.text.hasPrefix("Outside.")
        }
        for name in ["Plant.D.Nope", "Hidden.D.T", "Outside.D.T"] {
            let requests = (0..<100).map { _ in WriteRequest(tag: name, value: .integer(1)) }
            let verdicts = await bench.arbiter.perform(requests, by: WriteBench.olga, from: source)
            #expect(verdicts.allSatisfy { $0.text == "unknown-tag: there is no such tag" })
            let looked = lookups.value.withLock { count in
                defer { count = 0 }
                return count
            }
            let exposed = exposures.value.withLock { count in
                defer { count = 0 }
                return count
            }
            #expect(looked == 100, "\(name)")
            #expect(exposed == 100, "\(name)")
        }
    }

    @Test func whatTheDriverSaysBecomesTheVerdict() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter()
        bench.connect([try await bench.add("Plant.D.T", .word)], "Plant.D", writer)
        for (outcome, word, audited) in [
            (WriteOutcome.refused(.init(.deviceRefused, "exception 4")), "device-refused", AuditEvent.Outcome.failed),
            (.refused(.init(.deviceOffline, "gone")), "device-offline", .failed),
            (.refused(.init(.outOfRange, "too much")), "out-of-range", .refused),
            (.unknown(reason: "timeout"), "unknown", .unknown),
        ] {
            writer.answer(outcome)
            #expect(try await bench.write("Plant.D.T", "1").word == word)
            #expect(bench.journal.recorded.last?.outcome == audited)
            #expect(bench.journal.recorded.last?.reason.hasPrefix(word + ": ") == true)
        }
    }

    @Test func aPermissionRevokedInBetweenStopsTheWrite() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter(hanging: true)
        bench.connect(
            [try await bench.add("Plant.D.T", .word), try await bench.add("Plant.D.U", .word)], "Plant.D", writer)
        async let first = bench.write("Plant.D.T", "1")
        await writer.arrived(1)
        async let second = bench.write("Plant.D.U", "2")
        await waitUntil { bench.journal.recorded.count == 2 }
        bench.policy.replace(try WriteBench.rules(operatorsWrite: false))
        writer.release()
        #expect(try await first.isApplied)
        let verdict = try await second
        #expect(verdict.outcome == .rejected(.forbidden))
        #expect(writer.written == [.unsigned(1)])
        // Two tags wait for nobody: which of the two verdicts is recorded first is open.
        #expect(bench.journal.outcomes(of: "Plant.D.T") == [.begun, .succeeded])
        #expect(bench.journal.outcomes(of: "Plant.D.U") == [.begun, .refused])
    }

    @Test func aUserDisabledInBetweenWritesNothing() async throws {
        let isEnabled = Mutex(true)
        let box = Box(isEnabled)
        let bench = try WriteBench(principals: { box.value.withLock { $0 } ? $0 : nil })
        let writer = ScriptedWriter(hanging: true)
        bench.connect([try await bench.add("Plant.D.T", .word)], "Plant.D", writer)
        async let first = bench.write("Plant.D.T", "1")
        await writer.arrived(1)
        async let second = bench.write("Plant.D.T", "2")
        await waitUntil { bench.journal.recorded.count == 2 }
        box.value.withLock { $0 = false }
        writer.release()
        #expect(try await first.isApplied)
        #expect(try await second.outcome == .rejected(.unknownTag))
        #expect(writer.written == [.unsigned(1)])
    }

    @Test func aWriteThatWaitsWhenItsAgentEndsIsNotCarriedOut() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter(hanging: true)
        bench.connect([try await bench.add("Plant.D.T", .word)], "Plant.D", writer)
        async let first = bench.write("Plant.D.T", "1")
        await writer.arrived(1)
        let isOpen = Box(Mutex(true))
        let source = WriteSource(agent: "api", address: "", isOpen: { isOpen.value.withLock { $0 } }) { _, _ in true }
        async let second = bench.arbiter.perform(
            [WriteRequest(tag: "Plant.D.T", value: .integer(2))], by: WriteBench.olga, from: source)
        await waitUntil { bench.journal.recorded.count == 2 }
        isOpen.value.withLock { $0 = false }
        writer.release()
        #expect(try await first.isApplied)
        #expect(await second[0].outcome == .rejected(.writesOff))
        #expect(writer.written == [.unsigned(1)])
        #expect(bench.journal.outcomes(of: "Plant.D.T").count { $0 == .refused } == 1)
        #expect(bench.journal.outcomes(of: "Plant.D.T").count { $0 == .succeeded } == 1)
    }

    @Test func aHungDeviceHoldsNoOther() async throws {
        let bench = try WriteBench()
        let hung = ScriptedWriter(hanging: true)
        let other = ScriptedWriter()
        bench.connect([try await bench.add("Plant.Hung.T", .word)], "Plant.Hung", hung)
        bench.connect([try await bench.add("Plant.Good.T", .word)], "Plant.Good", other)
        async let stuck = bench.write("Plant.Hung.T", "1")
        await hung.arrived(1)
        for value in 0..<100 { #expect(try await bench.write("Plant.Good.T", "\(value)").isApplied) }
        hung.release()
        #expect(try await stuck.isApplied)
    }

    @Test func aDriverThatNeverAnswersIsUnknownAndItsQueueIsBusy() async throws {
        let bench = try WriteBench(
            limits: WriteLimits(patience: .milliseconds(300), longestWrite: .milliseconds(300)))
        let hung = ScriptedWriter(hanging: true)
        bench.connect([try await bench.add("Plant.Hung.T", .word)], "Plant.Hung", hung)
        async let first = bench.write("Plant.Hung.T", "1")
        await hung.arrived(1)
        async let second = bench.write("Plant.Hung.T", "2")
        #expect(try await first.outcome == .unknown)
        #expect(try await second.outcome == .rejected(.busy))
        #expect(hung.written == [.unsigned(1)])
        // When it answers after all, the lane is free again.
        hung.release()
        var last = try await bench.write("Plant.Hung.T", "3")
        while last.outcome == .rejected(.busy) { last = try await bench.write("Plant.Hung.T", "3") }
        #expect(last.isApplied)
    }

    @Test func aFullQueueIsBusyAtOnce() async throws {
        let bench = try WriteBench(limits: WriteLimits(perTag: 4, perDevice: 6))
        let writer = ScriptedWriter(hanging: true)
        bench.connect(
            [try await bench.add("Plant.D.T", .word), try await bench.add("Plant.D.U", .word)], "Plant.D", writer)
        let bounds = try await withThrowingTaskGroup(of: (String, WriteVerdict).self) { group in
            func add(_ tag: String) { group.addTask { (tag, try await bench.write(tag, "1")) } }
            add("Plant.D.T")
            await writer.arrived(1)
            for _ in 0..<20 { add("Plant.D.T") }
            // Sixteen find the tag's queue full and have their verdict while the device hangs.
            for _ in 0..<16 { #expect(try await group.next()?.1.outcome == .rejected(.busy)) }
            for _ in 0..<10 { add("Plant.D.U") }
            for _ in 0..<8 { #expect(try await group.next()?.1.outcome == .rejected(.busy)) }
            writer.release()
            return try await group.reduce(into: 0) { $0 += $1.1.isApplied ? 1 : 0 }
        }
        #expect(bounds == 7)
        #expect(writer.mostRunning == 1)
    }

    @Test func concurrentWritesToOneTagRunOneAtATimeInTheOrderInWhichTheyCame() async throws {
        let bench = try WriteBench(limits: WriteLimits(perTag: 1000, perDevice: 1000))
        let writer = ScriptedWriter(hanging: true)
        bench.connect([try await bench.add("Plant.D.T", .dword)], "Plant.D", writer)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for value in 0..<200 {
                group.addTask { try await bench.write("Plant.D.T", "\(value)").isApplied }
                // The next one comes only when this one has its place.
                await waitUntil { bench.journal.recorded.count > value }
            }
            writer.release()
            for try await isApplied in group { #expect(isApplied) }
        }
        #expect(writer.written == (0..<200).map { .unsigned($0) })
        #expect(writer.mostRunning == 1)
    }

    @Test func severalWritesInOneRequestRunInOrderEachWithItsVerdict() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter()
        let tags = [try await bench.add("Plant.D.T", .word), try await bench.add("Plant.D.U", .word)]
        bench.connect(tags, "Plant.D", writer)
        // The same tag twice, one that fails in between.
        let verdicts = try await bench.write([
            ("Plant.D.T", "1"), ("Plant.D.X", "1"), ("Plant.D.U", "70000"), ("plant.d.t", "2"), ("Plant.D.U", "3"),
        ])
        #expect(verdicts.map(\.word) == ["applied", "unknown-tag", "out-of-range", "applied", "applied"])
        #expect(verdicts.map(\.tag) == ["Plant.D.T", "Plant.D.X", "Plant.D.U", "Plant.D.T", "Plant.D.U"])
        #expect(writer.written == [.unsigned(1), .unsigned(2), .unsigned(3)])
        // One commit for the intents, one for the verdicts.
        #expect(bench.journal.calls == 2)
        #expect(try await bench.write([]).isEmpty)
    }

    @Test func manyWritesInOneRequestNeedFewCommits() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter()
        bench.connect([try await bench.add("Plant.D.T", .dword)], "Plant.D", writer)
        let verdicts = try await bench.write((0..<10_000).map { ("Plant.D.T", "\($0)") })
        #expect(verdicts.count == 10_000)
        #expect(verdicts.allSatisfy { $0.isApplied || $0.outcome == .rejected(.busy) })
        #expect(writer.written.count == verdicts.count(where: \.isApplied))
        #expect(bench.journal.recorded.count == 20_000)
        #expect(bench.journal.calls == 21)
    }

    @Test func tenThousandAtOnceAreBoundedAndEachHasOneVerdict() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter()
        bench.connect([try await bench.add("Plant.D.T", .dword)], "Plant.D", writer)
        let verdicts = try await withThrowingTaskGroup(of: WriteVerdict.self) { group in
            for value in 0..<10_000 { group.addTask { try await bench.write("Plant.D.T", "\(value)") } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(verdicts.count == 10_000)
        #expect(verdicts.allSatisfy { $0.isApplied || $0.outcome == .rejected(.busy) })
        #expect(writer.written.count == verdicts.count(where: \.isApplied))
        #expect(writer.mostRunning == 1)
    }

    @Test func tooManyInAllAreBusy() async throws {
        let bench = try WriteBench(limits: WriteLimits(inAll: 3))
        let writer = ScriptedWriter(hanging: true)
        bench.connect([try await bench.add("Plant.D.T", .word)], "Plant.D", writer)
        async let first = bench.write([("Plant.D.T", "1"), ("Plant.D.T", "2")])
        await writer.arrived(1)
        #expect(try await bench.write([("Plant.D.T", "3"), ("Plant.D.T", "4")]).map(\.word) == ["busy", "busy"])
        writer.release()
        #expect(try await first.map(\.word) == ["applied", "applied"])
        #expect(try await bench.write("Plant.D.T", "5").isApplied)
    }

    @Test func onePrincipalTakesNobodyElsesPlaces() async throws {
        let bench = try WriteBench(limits: WriteLimits(perPrincipal: 3))
        let hung = ScriptedWriter(hanging: true), other = ScriptedWriter()
        bench.connect([try await bench.add("Plant.D.T", .word)], "Plant.D", hung)
        bench.connect([try await bench.add("Plant.E.T", .word)], "Plant.E", other)
        async let first = bench.write([("Plant.D.T", "1"), ("Plant.D.T", "2")])
        await hung.arrived(1)
        #expect(try await bench.write([("Plant.E.T", "3"), ("Plant.E.T", "4")]).map(\.word) == ["busy", "busy"])
        let boss = Principal(user: "boss", groups: [GroupOptions.administrators])
        #expect(try await bench.write([("Plant.E.T", "3"), ("Plant.E.T", "4")], by: boss).allSatisfy(\.isApplied))
        hung.release()
        #expect(try await first.map(\.word) == ["applied", "applied"])
        #expect(
            try await bench.write([("Plant.E.T", "5"), ("Plant.E.T", "6"), ("Plant.E.T", "7")]).allSatisfy(\.isApplied))
    }

    // MARK: The audit log fails

    @Test func withoutADurableIntentNoDeviceIsTouched() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter()
        bench.connect([try await bench.add("Plant.D.T", .word)], "Plant.D", writer)
        bench.journal.fail(from: 1)
        let verdicts = try await bench.write([("Plant.D.T", "1"), ("Plant.D.T", "2"), ("Plant.D.X", "3")])
        #expect(verdicts.map(\.word) == ["audit-unavailable", "audit-unavailable", "unknown-tag"])
        #expect(writer.written.isEmpty)
        // The lane is free for when the log is well again.
        bench.journal.fail(from: .max)
        #expect(try await bench.write("Plant.D.T", "4").isApplied)
    }

    @Test func aVerdictThatIsNotDurableIsNotTold() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter()
        bench.connect([try await bench.add("Plant.D.T", .word)], "Plant.D", writer)
        bench.journal.fail(from: 2)
        let verdict = try await bench.write("Plant.D.T", "1")
        #expect(verdict.outcome == .unknown)
        #expect(verdict.reason.contains("the verdict, applied, could not be put into the audit log"))
        #expect(bench.journal.recorded.map(\.outcome) == [.begun])
    }

    // MARK: Callers, reloads and the stop

    @Test func aCallerThatGoesAwayDoesNotLoseTheVerdict() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter(hanging: true)
        bench.connect([try await bench.add("Plant.D.T", .word)], "Plant.D", writer)
        let caller = Task { try await bench.write([("Plant.D.T", "1"), ("Plant.D.T", "2")]) }
        await writer.arrived(1)
        caller.cancel()
        writer.release()
        #expect(try await caller.value.map(\.word) == ["applied", "applied"])
        #expect(bench.journal.recorded.map(\.outcome) == [.begun, .begun, .succeeded, .succeeded])
    }

    @Test func aTagThatIsMadeAnewWhileAWriteWaits() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter(hanging: true)
        let (a, b, c) = (
            try await bench.add("Plant.D.A", .word), try await bench.add("Plant.D.B", .word),
            try await bench.add("Plant.D.C", .word)
        )
        bench.connect([a, b, c], "Plant.D", writer)
        async let first = bench.write("Plant.D.A", "1")
        await writer.arrived(1)
        async let second = bench.write("Plant.D.B", "2")
        async let third = bench.write("Plant.D.C", "3")
        await waitUntil { bench.journal.recorded.count == 3 }
        // B is another type now, C is gone.
        await bench.store.remove([b, c])
        let replaced = ScriptedWriter()
        bench.connect([try await bench.add("Plant.D.B", .double)], "Plant.D", replaced)
        writer.release()
        #expect(try await first.isApplied)
        #expect(try await second.outcome == .rejected(.busy))
        #expect(try await third.outcome == .rejected(.unknownTag))
        #expect(replaced.written.isEmpty && writer.written.count == 1)
    }

    @Test func aStopRefusesWhatWaitsAndWaitsForWhatRuns() async throws {
        let bench = try WriteBench()
        let writer = ScriptedWriter(hanging: true)
        bench.connect([try await bench.add("Plant.D.T", .word)], "Plant.D", writer)
        async let first = bench.write("Plant.D.T", "1")
        await writer.arrived(1)
        async let second = bench.write("Plant.D.T", "2")
        await waitUntil { bench.journal.recorded.count == 2 }
        #expect(await !bench.arbiter.stop(within: .milliseconds(10)))
        #expect(try await second.outcome == .rejected(.busy))
        async let stopped = bench.arbiter.stop(within: .seconds(30))
        writer.release()
        #expect(await stopped)
        #expect(try await first.isApplied)
        #expect(bench.journal.recorded.count == 4)
        #expect(try await bench.write("Plant.D.T", "3").reason == "the gateway is stopping")
    }
}

/// Carries what cannot be copied into a closure.
final class Box<Value: ~Copyable & Sendable>: Sendable {
    let value: Value
    init(_ value: consuming Value) { self.value = value }
}

/// Asks again until it is so; the suite's time limit ends it otherwise.
func waitUntil(_ condition: () -> Bool) async {
    while !condition(), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(2)) }
}
