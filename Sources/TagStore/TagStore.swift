import Synchronization
package import Tags

/// The current value of every tag, and who wants to hear of changes.
///
/// Values arrive in batches; a batch that changes a tag's data or quality goes to every mailbox that wants the tag, one
/// that only confirms them moves their time. The newest batch wins: sources deliver each tag in order.
package actor TagStore {
    /// By handle. Changed by this actor alone, one lock a batch; read by whoever asks, without a hop.
    private let values = Mutex<[TagValue]>([])
    private var mailboxes: [Mailbox] = []
    /// Kept between batches so that a batch with unchanged tags costs no allocation.
    private var changed: [TagUpdate] = []
    private let directoryBox = Mutex(TagDirectory())

    package init() {}

    /// The names as they are now. Cheap: no hop, the snapshot is shared.
    package nonisolated var directory: TagDirectory { directoryBox.withLock { $0 } }

    /// Adds tags, all or none. Their values are bad, waiting for initial data.
    package func register(_ definitions: [TagDefinition]) throws(TagStoreError) -> [TagHandle] {
        let result = directoryBox.withLock { directory in
            Result { () throws(TagStoreError) in try directory.register(definitions) }
        }
        let handles = try result.get()
        let first = TagValue(data: .none, quality: .waitingForInitialData, timestamp: .now)
        values.withLock { $0.append(contentsOf: repeatElement(first, count: handles.count)) }
        return handles
    }

    /// Removes tags; their last change, to `removed`, goes to who subscribed.
    package func remove(_ handles: [TagHandle]) {
        apply(
            values.withLock { values in
                handles.compactMap { handle in
                    guard Int(handle.index) < values.count else { return nil }
                    var value = values[Int(handle.index)]
                    value.quality = .removed
                    return TagUpdate(handle: handle, value: value)
                }
            })
        values.withLock { values in
            for handle in handles where Int(handle.index) < values.count { values[Int(handle.index)].data = .none }
        }
        directoryBox.withLock { $0.remove(handles) }
    }

    /// Takes a batch from a driver.
    package func apply(_ batch: [TagUpdate]) {
        let unchanged = values.withLock { values in
            values.withUnsafeMutableBufferPointer { store(batch, in: $0) }
        }
        if unchanged == 0 {
            for mailbox in mailboxes { mailbox.fill(batch) }
        } else if !changed.isEmpty {
            for mailbox in mailboxes { mailbox.fill(changed) }
        }
        changed.removeAll(keepingCapacity: true)
    }

    /// Overwrites what a batch changes and gathers that in `changed` from the first update on that changes nothing.
    ///
    /// - Returns: how many updates changed nothing; with none, the batch is what changed and `changed` is empty.
    private func store(_ batch: [TagUpdate], in values: UnsafeMutableBufferPointer<TagValue>) -> Int {
        var unchanged = 0
        for position in 0..<batch.count {
            let update = batch[position]
            let index = Int(update.handle.index)
            guard index < values.count else {
                if unchanged == 0 { changed.append(contentsOf: batch[..<position]) }
                unchanged += 1
                continue
            }
            if values[index].data == update.value.data && values[index].quality == update.value.quality {
                values[index].timestamp = update.value.timestamp
                if unchanged == 0 { changed.append(contentsOf: batch[..<position]) }
                unchanged += 1
            } else {
                values[index] = update.value
                if unchanged > 0 { changed.append(update) }
            }
        }
        return unchanged
    }

    /// The values of tags as they are now, in the order asked; an unknown handle reads as removed.
    ///
    /// No hop: whoever asks takes the lock for as long as it takes to copy them. A batch is seen whole or not at all.
    package nonisolated func read(_ handles: [TagHandle]) -> [TagValue] {
        values.withLock { values in
            handles.map { handle in
                let index = Int(handle.index)
                return index < values.count
                    ? values[index] : TagValue(data: .none, quality: .removed, timestamp: Timestamp(microseconds: 0))
            }
        }
    }

    /// Opens a mailbox for these tags. It begins empty, or with `current` as if every tag had just changed.
    package func subscribe(_ handles: [TagHandle], mode: Mailbox.Mode, current: Bool = false) -> Mailbox {
        let mailbox = Mailbox(handles: handles, mode: mode)
        if current {
            mailbox.fill(zip(handles, read(handles)).map { TagUpdate(handle: $0, value: $1) })
        }
        mailboxes.append(mailbox)
        return mailbox
    }

    /// Opens a mailbox in place of another, in one step: what changes goes to the one or to the other.
    package func resubscribe(_ old: Mailbox?, to handles: [TagHandle], mode: Mailbox.Mode) -> Mailbox {
        if let old { unsubscribe(old) }
        return subscribe(handles, mode: mode)
    }

    /// How many mailboxes are open.
    package var subscriptions: Int { mailboxes.count }

    /// Closes a mailbox: it gets nothing more.
    package func unsubscribe(_ mailbox: Mailbox) {
        mailboxes.removeAll { $0 === mailbox }
        mailbox.close()
    }
}
