package import TagStore
package import Tags

/// A tag as one agent publishes it: the winning item options, resolved against the tags that are there.
package struct Item: Sendable, Equatable {
    package var handle: TagHandle
    package var name: TagName
    package var scanRate: Duration?
    /// In scaled units; nil: every change counts.
    package var deadband: Double?
    package var sendEveryScan: Bool

    package init(
        handle: TagHandle, name: TagName, scanRate: Duration? = nil, deadband: Double? = nil,
        sendEveryScan: Bool = false
    ) {
        self.handle = handle
        self.name = name
        self.scanRate = scanRate
        self.deadband = deadband
        self.sendEveryScan = sendEveryScan
    }

    /// Resolves an agent's items: for each tag the last matching option wins whole, `enabled: false` excludes.
    /// The result is in the order of registration.
    package static func resolve(_ options: [ItemOptions], in directory: TagDirectory) -> [Item] {
        var items: [Item] = []
        for handle in directory.handles {
            guard let definition = directory[handle],
                let winner = options.winner(for: definition.name), winner.enabled
            else { continue }
            items.append(
                Item(
                    handle: handle, name: definition.name, scanRate: winner.scanRate,
                    deadband: winner.deadband.threshold(for: definition), sendEveryScan: winner.sendEveryScan))
        }
        return items
    }
}

extension Deadband {
    /// The deadband in scaled units, nil where it does not apply: only scalar numbers have one.
    package func threshold(for definition: TagDefinition) -> Double? {
        guard definition.dataType.isNumeric, !definition.isArray else { return nil }
        switch self {
        case .none: return nil
        case .absolute(let distance): return distance
        case .percent(let percent):
            guard let span = definition.details?.range ?? definition.details?.scaledSpan else { return nil }
            return (span.upperBound - span.lowerBound) * percent / 100
        }
    }
}
