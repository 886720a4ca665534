package import Tags

/// A tag, or many by a pattern, as one agent publishes them. The last matching item wins whole.
package struct ItemOptions: Sendable, Equatable {
    package var tags: TagPattern
    /// False excludes what the pattern matches.
    package var enabled: Bool
    /// nil: every change the driver reports is an event; set: the tag is sampled at this rate.
    package var scanRate: Duration?
    package var deadband: Deadband
    /// One event each tick, changed or not; needs a scan rate.
    package var sendEveryScan: Bool

    package init(
        tags: TagPattern, enabled: Bool = true, scanRate: Duration? = nil, deadband: Deadband = .none,
        sendEveryScan: Bool = false
    ) {
        self.tags = tags
        self.enabled = enabled
        self.scanRate = scanRate
        self.deadband = deadband
        self.sendEveryScan = sendEveryScan
    }
}

extension [ItemOptions] {
    /// The options that hold for a tag: the last that match win whole. nil when none match.
    package func winner(for name: TagName) -> ItemOptions? {
        last { $0.tags.matches(name) }
    }
}

/// How far a number must move from the last published one to be published again.
package enum Deadband: Sendable, Equatable {
    case none
    /// In scaled units.
    case absolute(Double)
    /// Of the tag's range, else of its scaled span; 0…100.
    case percent(Double)
}
