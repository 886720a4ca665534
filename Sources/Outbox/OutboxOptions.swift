/// How much of an agent's messages is kept for how long, and how surely.
package struct OutboxOptions: Sendable, Equatable {
    package enum WhenFull: String, Sendable, CaseIterable {
        case dropOldest = "drop-oldest"
        case dropNewest = "drop-newest"
    }

    /// What a commit outlives.
    package enum Durability: String, Sendable, CaseIterable {
        /// The end of the process and a power cut.
        case full
        /// The end of the process; a power cut costs what was committed shortly before.
        case normal
        /// Nothing: messages are on the disk only after an orderly stop.
        case memory
    }

    /// Bytes of what waits.
    package var maxBytes: Int
    /// Of gateway's running time and the time it stood still, see `AgeClock`.
    package var maxAge: Duration
    package var whenFull: WhenFull
    package var durability: Durability

    package init(
        maxBytes: Int = 1 << 30, maxAge: Duration = .seconds(7 * 86400), whenFull: WhenFull = .dropOldest,
        durability: Durability = .full
    ) {
        self.maxBytes = maxBytes
        self.maxAge = maxAge
        self.whenFull = whenFull
        self.durability = durability
    }

    /// The most that is held in memory for one agent, where the disk does not hold it.
    package static let mostInMemory = 64 << 20
}
