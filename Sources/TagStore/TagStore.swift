import Synchronization
package import Tags

/// The current value of every tag, and who wants to hear of changes.
///
/// Values arrive in batches; a batch that changes a tag's data or quality goes to every mailbox that wants the tag, one
/// that only confirms them moves their time. The newest batch wins: sources deliver each tag in order.
package actor TagStore {
    private var values: [TagValue] = []
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
        values.append(contentsOf: repeatElement(first, count: handles.count))
        return handles
    }

    /// Removes tags; their last change, to `removed`, goes to who subscribed.
    package func remove(_ handles: [TagHandle]) {
        apply(
            handles.compactMap { handle in
                guard Int(handle.index) < values.count else { return nil }
                var value = values[Int(handle.index)]
                value.quality = .removed
                return TagUpdate(handle: handle, value: value)
            })
        for handle in handles where Int(handle.index) < values.count { values[Int(handle.index)].data = .none }
        directoryBox.withLock { $0.remove(handles) }
    }

    /// Takes a batch from a driver.
    package func apply(_ batch: [TagUpdate]) {
        var unchanged = 0
        values.withUnsafeMutableBufferPointer { values in
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
        }
        if unchanged == 0 {
            for mailbox in mailboxes { mailbox.fill(batch) }
        } else if !changed.isEmpty {
            for mailbox in mailboxes { mailbox.fill(changed) }
        }
        changed.removeAll(keepingCapacity: true)
    }

    /// The values of tags as they are now, in the order asked; an unknown handle reads as removed.
    package func read(_ handles: [TagHandle]) -> [TagValue] {
        handles.map { handle in
            let index = Int(handle.index)
            return index < values.count
                ? values[index] : TagValue(data: .none, quality: .removed, timestamp: Timestamp(microseconds: 0))
        }
    }

    /// Opens a mailbox for these tags. It begins empty, or with `current` as if every tag had just changed.
    package func subscribe(_ handles: [TagHandle], mode: Mailbox.Mode, current: Bool = false) -> Mailbox {
        let mailbox = Mailbox(handles: handles, mode: mode)
        if current {
            mailbox.fill(handles.map { TagUpdate(handle: $0, value: values[Int($0.index)]) })
        }
        mailboxes.append(mailbox)
        return mailbox
    }

    /// How many mailboxes are open.
    package var subscriptions: Int { mailboxes.count }

    /// Closes a mailbox: it gets nothing more.
    package func unsubscribe(_ mailbox: Mailbox) {
        mailboxes.removeAll { $0 === mailbox }
        mailbox.close()
    }
}
