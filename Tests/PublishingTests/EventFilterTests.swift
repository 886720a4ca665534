import Publishing
import Tags
import Testing

@Suite("Event filter", .timeLimit(.minutes(1)))
struct EventFilterTests {
    /// A filter of one item, by reference: expectations cannot change a variable.
    private final class Probe {
        private var filter: EventFilter

        init(deadband: Double? = nil, _ options: PublishOptions = PublishOptions()) {
            filter = EventFilter(
                items: [Item(handle: TagHandle(index: 0), name: TagName(validated: "a.b.c"), deadband: deadband)],
                options: options)
        }

        func admits(_ value: TagValue) -> Bool { filter.admits(value, slot: 0) }
        func admitsEveryScan(_ value: TagValue) -> Bool { filter.admitsEveryScan(value, slot: 0) }
    }

    private func value(_ number: Double, _ quality: Quality = .good) -> TagValue {
        TagValue(data: .double(number), quality: quality, timestamp: Timestamp(milliseconds: 1))
    }

    @Test("before its first poll a tag has nothing to say; then the first value is an event")
    func initial() {
        let filter = Probe()
        #expect(!filter.admits(TagValue(data: .none, quality: .waitingForInitialData, timestamp: .now)))
        #expect(filter.admits(value(1)))
        #expect(!filter.admits(value(1)))
    }

    @Test("without the initial update the first value is only what later ones are compared with")
    func noInitial() {
        let filter = Probe(PublishOptions(sendInitialUpdate: false))
        #expect(!filter.admits(value(1)))
        #expect(!filter.admits(value(1)))
        #expect(filter.admits(value(2)))
    }

    @Test("a deadband counts from the last published value and lets a change of quality through")
    func deadband() {
        let filter = Probe(deadband: 0.5)
        #expect(filter.admits(value(10)))
        #expect(!filter.admits(value(10.4)))
        #expect(!filter.admits(value(10.5)))
        #expect(filter.admits(value(10.51)))
        #expect(!filter.admits(value(10.1)))
        #expect(filter.admits(value(10.1, .timeout)))
        #expect(filter.admits(value(10.2, .good)))
        #expect(!filter.admits(value(10.3, .good)))
    }

    @Test("creeping within the deadband is not lost: it adds up")
    func creeping() {
        let filter = Probe(deadband: 1)
        _ = filter.admits(value(0))
        let events = stride(from: 0.1, through: 5.0, by: 0.1).count { filter.admits(value($0)) }
        #expect(events == 4)
    }

    @Test("a change of quality alone can be ignored")
    func ignoredQuality() {
        let filter = Probe(PublishOptions(ignoreQualityChanges: true))
        #expect(filter.admits(value(1)))
        #expect(!filter.admits(value(1, .timeout)))
        #expect(!filter.admits(value(1, .good)))
        #expect(filter.admits(value(2, .timeout)))
    }

    @Test("every scan is an event once there is something to say")
    func everyScan() {
        let filter = Probe()
        #expect(!filter.admitsEveryScan(TagValue(data: .none, quality: .waitingForInitialData, timestamp: .now)))
        #expect(filter.admitsEveryScan(value(1)))
        #expect(filter.admitsEveryScan(value(1)))
    }

    @Test("a percentage is of the range, else of the scaled span, and only for scalar numbers")
    func thresholds() {
        func definition(_ type: DataType, isArray: Bool = false, _ details: TagDetails?) -> TagDefinition {
            TagDefinition(name: TagName(validated: "a.b.c"), dataType: type, isArray: isArray, details: details)
        }
        let both = TagDetails(range: 0...200, scaledSpan: 0...1000)
        #expect(Deadband.percent(0.5).threshold(for: definition(.double, both)) == 1)
        #expect(Deadband.percent(0.5).threshold(for: definition(.double, TagDetails(scaledSpan: 0...1000))) == 5)
        #expect(Deadband.percent(0.5).threshold(for: definition(.double, nil)) == nil)
        #expect(Deadband.absolute(2).threshold(for: definition(.word, nil)) == 2)
        #expect(Deadband.absolute(2).threshold(for: definition(.string, nil)) == nil)
        #expect(Deadband.absolute(2).threshold(for: definition(.word, isArray: true, nil)) == nil)
    }
}
