package import Tags

/// Decides which updates of an agent's items become events: deadband, quality, sampling, the initial update. Pure.
///
/// Updates are named by slot, the position of the item in the agent's list.
package struct EventFilter: Sendable {
    /// What later updates of an item are compared with.
    package struct Known: Sendable, Equatable {
        /// The last data that was published, or the first that was seen when the initial update is not sent.
        var data: TagData
        var quality: Quality
    }

    private let items: [Item]
    private let sendInitialUpdate: Bool
    private let ignoreQualityChanges: Bool
    private var known: [Known]

    /// - Parameter known: what an earlier filter of the same agent knew; those items have had their initial update.
    package init(items: [Item], options: PublishOptions, known: [TagHandle: Known] = [:]) {
        self.items = items
        sendInitialUpdate = options.sendInitialUpdate
        ignoreQualityChanges = options.ignoreQualityChanges
        self.known = items.map { known[$0.handle] ?? Known(data: .none, quality: .waitingForInitialData) }
    }

    /// What is known of each item, for the filter that takes over.
    package var knownByHandle: [TagHandle: Known] {
        Dictionary(zip(items.map(\.handle), known)) { first, _ in first }
    }

    /// Whether this update is an event. What is published becomes what later updates are compared with.
    package mutating func admits(_ value: TagValue, slot: Int) -> Bool {
        // Before its first poll a tag has nothing to say.
        guard value.quality != .waitingForInitialData else { return false }
        if known[slot].quality == .waitingForInitialData {
            known[slot] = Known(data: value.data, quality: value.quality)
            return sendInitialUpdate
        }
        let qualityChanged = known[slot].quality != value.quality
        let isSame = known[slot].data == value.data
        if isSame && !qualityChanged { return false }
        if !isSame, let deadband = items[slot].deadband, let before = known[slot].data.number,
            let now = value.data.number, abs(now - before) <= deadband
        {
            // Within the deadband only a change of quality counts.
            guard qualityChanged, !ignoreQualityChanges else {
                known[slot].quality = value.quality
                return false
            }
        }
        if isSame && ignoreQualityChanges {
            known[slot].quality = value.quality
            return false
        }
        known[slot] = Known(data: value.data, quality: value.quality)
        return true
    }

    /// An event of every scan: always one, once there is something to say.
    package mutating func admitsEveryScan(_ value: TagValue, slot: Int) -> Bool {
        guard value.quality != .waitingForInitialData else { return false }
        known[slot] = Known(data: value.data, quality: value.quality)
        return true
    }
}
