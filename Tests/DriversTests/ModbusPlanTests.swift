import NIOCore
import Tags
import Testing

@testable import Drivers

@Suite(.timeLimit(.minutes(1)))
struct ModbusPlanTests {
    private func blocks(_ tags: [ModbusTagOptions]) -> [[Int]] {
        ModbusPlan.groups(tags, poll: .seconds(1)).flatMap(\.blocks).map { [$0.address, $0.count] }
    }

    @Test func coalescesAThousandRegistersIntoEightRequests() throws {
        let tags = try (40001...41000).map { try tag("\($0)") }
        #expect(blocks(tags) == [125, 125, 125, 125, 125, 125, 125, 125].enumerated().map { [$0 * 125, $1] })
    }

    @Test func coalescesCoilsUpToTwoThousand() throws {
        let tags = try (1...2001).map { try tag("0" + String(repeating: "0", count: 4 - "\($0)".count) + "\($0)") }
        #expect(blocks(tags) == [[0, 2000], [2000, 1]])
    }

    @Test func readsAlongGapsOfTwentyRegistersAndNoMore() throws {
        #expect(try blocks([tag("40001"), tag("40022")]) == [[0, 22]])
        #expect(try blocks([tag("40001"), tag("40023")]) == [[0, 1], [22, 1]])
    }

    @Test func neverSplitsAValue() throws {
        let tags = try (0..<50).map { try tag("\(40001 + $0 * 3)", .dword) } + [tag("40120 [10]", .word)]
        for group in ModbusPlan.groups(tags, poll: .seconds(1)) {
            for block in group.blocks {
                #expect(block.count <= 125)
                for item in block.items {
                    #expect(item.address >= block.address && item.end <= block.address + block.count)
                }
            }
        }
        #expect(
            Set(ModbusPlan.groups(tags, poll: .seconds(1)).flatMap(\.blocks).flatMap(\.items).map(\.tag)).count == 51)
    }

    @Test func groupsByRateAndArea() throws {
        let tags = try [tag("40001"), tag("30001"), tag("40002", poll: .milliseconds(100)), tag("40003")]
        let groups = ModbusPlan.groups(tags, poll: .seconds(1))
        #expect(groups.map(\.period) == [100_000_000, 1_000_000_000])
        #expect(groups.map(\.tags) == [1, 3])
        #expect(groups[1].blocks.map(\.area) == [.inputRegisters, .holdingRegisters])
    }

    @Test func overlappingTagsShareABlock() throws {
        #expect(try blocks([tag("40001 [10]"), tag("40002.3"), tag("40003", .dword)]) == [[0, 10]])
    }

    @Test func splitsAtGapsFirstThenByHalves() throws {
        let block = try #require(
            ModbusPlan.groups([tag("40001"), tag("40002"), tag("40010"), tag("40011")], poll: .seconds(1)).first?.blocks
                .first)
        let runs = try #require(block.split())
        #expect(runs.map { [$0.address, $0.count] } == [[0, 2], [9, 2]])
        let halves = try #require(runs[1].split())
        #expect(halves.map { [$0.address, $0.count] } == [[9, 1], [10, 1]])
        #expect(halves[0].split() == nil)
    }

    @Test func bitsOfOneRegisterAreNotSplit() throws {
        let block = try #require(
            ModbusPlan.groups([tag("40001.0"), tag("40001.1")], poll: .seconds(1)).first?.blocks.first)
        #expect(block.split() == nil)
    }

    /// However the illegal addresses lie, splitting ends with every legal tag in a block of legal addresses.
    @Test func splittingIsolatesWhateverIsIllegal() throws {
        var random = SplitMix(state: 7)
        for _ in 0..<200 {
            let illegal = Set((0..<5).map { _ in Int(random.next() % 300) })
            let tags = try (0..<60).map { _ in
                let type: DataType = random.next() % 3 == 0 ? .dword : .word
                return try tag("\(40001 + random.next() % 299)", type)
            }
            var waiting = ModbusPlan.groups(tags, poll: .seconds(1)).flatMap(\.blocks)
            var read: Set<Int> = []
            var requests = 0
            while let block = waiting.popLast() {
                requests += 1
                if (block.address..<block.address + block.count).allSatisfy({ !illegal.contains($0) }) {
                    read.formUnion(block.items.map(\.tag))
                } else if let pieces = block.split() {
                    waiting += pieces
                }
            }
            let legal = tags.indices.filter { index in
                let start = Int(tags[index].address.offset)
                let same = tags.filter { Int($0.address.offset) == start }
                // Tags at one address stand or fall together.
                return same.allSatisfy { (start..<start + $0.span).allSatisfy { !illegal.contains($0) } }
            }
            #expect(read.isSuperset(of: legal))
            #expect(requests < 200)
        }
    }
}

@Suite(.timeLimit(.minutes(1)))
struct ModbusPollGroupTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static let later = start + .minutes(1)

    private func group() throws -> ModbusPollGroup {
        try #require(
            ModbusPlan.groups([tag("40001"), tag("40002"), tag("40501"), tag("40502")], poll: .seconds(1)).first)
    }

    private func spans(_ group: ModbusPollGroup) -> [[Int]] { group.blocks.map { [$0.address, $0.count] } }

    @Test func aSplitLastsAMinute() throws {
        var group = try group()
        let cut = group.refused(at: 0, now: Self.start)
        #expect(cut && spans(group) == [[0, 1], [1, 1], [500, 2]])
        group.restoreIfDue(at: Self.later - .nanoseconds(1))
        #expect(group.blocks.count == 3)
        group.restoreIfDue(at: Self.later)
        #expect(spans(group) == [[0, 2], [500, 2]])
    }

    @Test func whereEveryPieceIsRefusedTheWholeIsAskedOnceAPoll() throws {
        var group = try group()
        let first = group.refused(at: 0, now: Self.start)
        #expect(first)
        let second = group.refused(at: 0, now: Self.start)
        #expect(!second)
        group.mendSplits()
        #expect(group.blocks.count == 3, "one piece may be there")
        let third = group.refused(at: 1, now: Self.start)
        #expect(!third)
        group.mendSplits()
        #expect(spans(group) == [[0, 2], [500, 2]])
        let fourth = group.refused(at: 0, now: Self.start)
        #expect(!fourth, "not cut again at each poll")
        group.restoreIfDue(at: Self.later)
        let fifth = group.refused(at: 0, now: Self.later)
        #expect(fifth, "but after a minute")
    }

    @Test func aBlockWithASilentPieceStaysInPieces() throws {
        var group = try group()
        let first = group.refused(at: 0, now: Self.start)
        #expect(first)
        group.blocks[1].isSuspect = true
        group.restoreIfDue(at: Self.later)
        #expect(group.blocks.count == 3)
        group.blocks[1].isSuspect = false
        group.restoreIfDue(at: Self.later + .minutes(1))
        #expect(group.blocks.count == 2)
    }

    @Test func aBlockTriedWholeThatIsSilentIsCutAsItWas() throws {
        var group = try group()
        let first = group.refused(at: 0, now: Self.start)
        #expect(first)
        group.restore(at: Self.start)
        let second = group.cutAgain(at: 0, now: Self.start)
        #expect(second)
        #expect(spans(group) == [[0, 1], [1, 1], [500, 2]])
        let third = group.cutAgain(at: 0, now: Self.start)
        #expect(!third)
    }
}

@Suite(.timeLimit(.minutes(1)))
struct ModbusBackoffTests {
    @Test func doublesWithJitterAndDemotes() {
        var backoff = ModbusBackoff(
            demotion: .init(after: 4, period: .seconds(10)), poll: .milliseconds(500))
        #expect(backoff.failed(random: 0) == 250_000_000)
        #expect(backoff.failed(random: 0.5) == 750_000_000)
        #expect(backoff.failed(random: 0) == 1_000_000_000)
        #expect(!backoff.isDemoted)
        #expect(backoff.failed(random: 0.5) == 10_000_000_000)
        #expect(backoff.isDemoted)
        for _ in 0..<100 { #expect((9_000_000_000...11_000_000_000).contains(backoff.failed(random: 0.99))) }
        backoff.succeeded()
        #expect(!backoff.isDemoted)
        #expect(backoff.failed(random: 0) == 250_000_000)
    }

    @Test func neverWaitsLongerThanThePeriodBeforeDemotion() {
        var backoff = ModbusBackoff(demotion: .init(after: 50, period: .seconds(2)), poll: .seconds(60))
        for _ in 0..<49 { #expect(backoff.failed(random: 0.999) <= 2_000_000_000) }
    }
}
