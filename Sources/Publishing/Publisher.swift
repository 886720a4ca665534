package import Logging
package import Outbox
package import TagStore
package import Tags

/// Turns what happens to an agent's items into messages in its outbox. Each batch of events goes there at once, long before
/// the message ends that it belongs to.
package actor Publisher {
    private struct ScanGroup {
        let rate: Duration
        /// Slots of the agent's items, in the order of the mailbox's own slots.
        let slots: [Int]
        let everyScan: [Int]
    }

    private let items: [Item]
    private let options: PublishOptions
    private let store: TagStore
    private let queue: OutboxQueue
    private let logger: Logger
    private var filter: EventFilter
    private var assembler: MessageAssembler
    /// What goes to the outbox with the batch that is being taken.
    private var ready: [OutboxChunk] = []

    /// How many updates of unsampled items may wait while the publisher is kept from running.
    private static let mailboxCap = 1 << 20

    /// How long changes are gathered before an on-change publish.
    private static let coalescing = Duration.milliseconds(10)

    /// - Parameter known: what an earlier publisher of the same agent has published last, so that it is not an event again.
    package init(
        items: [Item], options: PublishOptions, store: TagStore, queue: OutboxQueue, logger: Logger,
        known: [TagHandle: EventFilter.Known] = [:]
    ) {
        self.items = items
        self.options = options
        self.store = store
        self.queue = queue
        self.logger = logger
        filter = EventFilter(items: items, options: options, known: known)
        let isWide = options.format == .wide
        assembler = MessageAssembler(
            items: items, maxEvents: isWide ? .max : options.maxEvents, template: options.template,
            topic: options.topic, topics: options.topics, mostWaiting: isWide ? .max : MessageAssembler.mostWaiting)
    }

    /// What was published last, for the publisher that takes over.
    package var known: [TagHandle: EventFilter.Known] { filter.knownByHandle }

    /// Publishes until the task is cancelled; then hands over what still waits.
    package func run() async {
        await withTaskGroup { group in
            // Without items there is nothing to publish, and still a connection to keep.
            guard !items.isEmpty else { return await Publisher.every(.seconds(3600)) {} }
            switch options.format {
            case .wide: group.addTask { await self.publishWide() }
            case .narrow: addNarrowTasks(to: &group)
            }
        }
        publish()
    }

    private func addNarrowTasks(to group: inout TaskGroup<Void>) {
        let unsampled = items.indices.filter { items[$0].scanRate == nil }
        if !unsampled.isEmpty { group.addTask { await self.followChanges(of: unsampled) } }
        for (rate, slots) in Dictionary(grouping: items.indices, by: { items[$0].scanRate }) {
            guard let rate else { continue }
            let everyScan = slots.filter { items[$0].sendEveryScan }
            let changing = slots.filter { !items[$0].sendEveryScan }
            group.addTask { await self.sample(ScanGroup(rate: rate, slots: changing, everyScan: everyScan)) }
        }
        if options.type == .interval {
            group.addTask { await Publisher.every(self.options.rate) { await self.publish() } }
        }
    }

    // MARK: Items without a scan rate

    private func followChanges(of slots: [Int]) async {
        let mailbox = await store.subscribe(
            slots.map { items[$0].handle }, mode: .every(cap: Publisher.mailboxCap), current: true)
        var contents = Mailbox.Contents()
        while !Task.isCancelled {
            await mailbox.wait()
            if options.type == .onChange { try? await Task.sleep(for: Publisher.coalescing) }
            mailbox.take(into: &contents)
            admit(contents, slots)
        }
        // What came while the last batch was rendered.
        mailbox.take(into: &contents)
        admit(contents, slots)
        await store.unsubscribe(mailbox)
    }

    private func admit(_ contents: Mailbox.Contents, _ slots: [Int]) {
        if contents.dropped > 0 {
            logger.warning("Updates dropped before publishing", metadata: ["updates": "\(contents.dropped)"])
        }
        for update in contents.updates {
            let slot = slots[Int(update.slot)]
            if filter.admits(update.value, slot: slot) { append(update.value, slot: slot) }
        }
        handOver()
    }

    // MARK: Sampled items

    private func sample(_ group: ScanGroup) async {
        let mailbox = await store.subscribe(group.slots.map { items[$0].handle }, mode: .latest, current: true)
        let everyScan = group.everyScan.map { items[$0].handle }
        await Publisher.every(group.rate) {
            let current = everyScan.isEmpty ? [] : self.store.read(everyScan)
            await self.tick(group, changes: mailbox.take().updates, current: current)
        }
        // The last sample is taken at the stop: what changed since the one before is not lost.
        tick(group, changes: mailbox.take().updates, current: [])
        await store.unsubscribe(mailbox)
    }

    private func tick(_ group: ScanGroup, changes: [Mailbox.Update], current: [TagValue]) {
        for update in changes {
            let slot = group.slots[Int(update.slot)]
            if filter.admits(update.value, slot: slot) { append(update.value, slot: slot) }
        }
        for (slot, value) in zip(group.everyScan, current) where filter.admitsEveryScan(value, slot: slot) {
            append(value, slot: slot)
        }
        handOver()
    }

    // MARK: Wide

    private func publishWide() async {
        let handles = items.map(\.handle)
        await Publisher.every(options.rate) {
            let values = self.store.read(handles)
            await self.publishAll(values)
        }
    }

    private func publishAll(_ values: [TagValue]) {
        for (slot, value) in values.enumerated() { append(value, slot: slot) }
        publish()
    }

    // MARK: Messages

    private func append(_ value: TagValue, slot: Int) {
        if let full = assembler.append(value, slot: slot), let chunk = assembler.cut(full, at: .now) {
            ready.append(chunk)
        }
        if assembler.isOverfull { publish() }
    }

    /// Ends the messages that have events.
    private func publish() {
        ready += assembler.cut(at: .now)
        queue.append(ready)
        ready.removeAll(keepingCapacity: true)
    }

    /// Gives what came to the outbox, whose it is from then on.
    private func handOver() {
        if options.type == .onChange { return publish() }
        ready += assembler.flush(at: .now)
        queue.append(ready)
        ready.removeAll(keepingCapacity: true)
    }

    /// Calls `body` at a steady rate, without drift, until cancelled. A tick that comes too late is left out.
    private static func every(_ rate: Duration, _ body: @Sendable () async -> Void) async {
        let clock = ContinuousClock()
        var deadline = clock.now
        while !Task.isCancelled {
            deadline = deadline.advanced(by: rate)
            if deadline < clock.now { deadline = clock.now.advanced(by: rate) }
            guard (try? await clock.sleep(until: deadline, tolerance: .zero)) != nil else { return }
            await body()
        }
    }
}
