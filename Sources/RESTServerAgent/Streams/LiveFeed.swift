import Logging
import NIOCore
import Synchronization
import TagStore
import Tags
import WireFormat

/// The changes of all tags that exist through one agent, followed while anybody streams: one mailbox, one history and one
/// beat for all streams, of which each is a cursor.
///
/// Locks are taken in the order intake, shared.
final class LiveFeed: Sendable {
    /// What comes out of the store. Held while changes are rendered.
    private struct Intake {
        /// nil: nobody listens, and nothing is followed.
        var mailbox: Mailbox?
        /// By slot of the mailbox.
        var handles: [TagHandle] = []
        var contents = Mailbox.Contents()
        /// By handle, made when a tag first changes.
        var prefixes: [[UInt8]] = []
    }

    private struct Shared {
        var history: ChangeHistory
        /// That whose tags are followed. A tag that goes is in the history before it goes from here.
        var directory = TagDirectory()
        var isLive = false
        var loops: [ObjectIdentifier: StreamLoop.Entry] = [:]
    }

    /// Changes that come within it go out together.
    static let beat = Duration.milliseconds(20)
    /// In beats: logins are looked at and comments sent.
    private static let beatsPerTick = 50
    /// How long the history is kept when the last stream has gone, for it to come back.
    static let patience = Duration.seconds(60)
    /// Changes that are rendered in one piece.
    private static let piece = 1024

    let run: ResumePoint.Run
    let seats: StreamSeats
    let tally: StreamTally
    /// Mixed into what a resume point tells of the tags that were sent.
    let seed: UInt32
    private let store: TagStore
    private let exposure: Exposure
    private let arraysAsText: Bool
    private let patience: Duration
    private let intake = Mutex(Intake())
    private let shared: Mutex<Shared>
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    init(
        store: TagStore, exposure: Exposure, limit: Int, arraysAsText: Bool,
        history: ChangeHistory = ChangeHistory(), patience: Duration = LiveFeed.patience, logger: Logger
    ) {
        self.store = store
        self.exposure = exposure
        self.arraysAsText = arraysAsText
        self.patience = patience
        seats = StreamSeats(limit: limit)
        tally = StreamTally(logger: logger)
        seed = UInt32.random(in: .min ... .max)
        run = ResumePoint.Run(milliseconds: Timestamp.now.milliseconds, random: .random(in: .min ... .max))
        shared = Mutex(Shared(history: history))
        (wakeUps, wakeUp) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// For metrics.
    var counts: StreamCounts {
        var counts = tally.counts
        counts.open = seats.count
        return counts
    }

    // MARK: for streams

    /// Whether changes are followed; until then a stream waits.
    var isLive: Bool { shared.withLock { $0.isLive } }
    var directory: TagDirectory { shared.withLock { $0.directory } }
    func read(from cursor: UInt64) -> ChangeHistory.Reading { shared.withLock { $0.history.read(from: cursor) } }

    /// Values as they are now, with the place in the history up to which they are: no change before it is newer.
    ///
    /// Between the two looks at the history nothing may come; where something always does, a change may be told twice.
    func current(_ handles: [TagHandle]) -> (values: [TagValue], at: UInt64) {
        var values: [TagValue] = []
        var place: UInt64 = 0
        for _ in 0..<4 {
            pump()
            place = shared.withLock { $0.history.end }
            values = store.read(handles)
            pump()
            if shared.withLock({ $0.history.end }) == place { break }
        }
        return (values, place)
    }

    /// Has the feed followed, and `stream` served with every beat, on its event loop, until it leaves.
    func join(_ stream: RequestServer, on eventLoop: any EventLoop) {
        let loop = shared.withLock { shared in
            if let entry = shared.loops[ObjectIdentifier(eventLoop)] { return entry }
            let entry = StreamLoop.Entry(eventLoop)
            shared.loops[ObjectIdentifier(eventLoop)] = entry
            return entry
        }
        loop.streams.value.add(stream)
        wakeUp.yield()
    }

    func leave(_ stream: RequestServer, on eventLoop: any EventLoop) {
        shared.withLock { $0.loops[ObjectIdentifier(eventLoop)] }?.streams.value.remove(stream)
    }

    // MARK: following

    /// Follows the tags while there are streams, and ends when its task is cancelled.
    func follow() async {
        for await _ in wakeUps where seats.count > 0 {
            await resubscribe()
            await serve()
            await unsubscribe()
        }
    }

    /// Beat by beat, until no stream has been there for a while.
    private func serve() async {
        var beats = 0
        var emptySince: ContinuousClock.Instant?
        while !Task.isCancelled {
            if store.directory.isOther(than: directory) { await resubscribe() }
            let hasNews = pump()
            notify(hasNews: hasNews || beats == 0, isTick: beats % LiveFeed.beatsPerTick == 0)
            beats += 1
            if seats.count > 0 {
                emptySince = nil
            } else {
                let since = emptySince ?? .now
                emptySince = since
                if .now - since > patience { return }
            }
            try? await Task.sleep(for: LiveFeed.beat)
        }
    }

    private func resubscribe() async {
        let directory = store.directory
        var wanted = directory.handles.map { TagHandle?($0) }
        exposure.removeHidden(from: &wanted) { directory[$0]?.name }
        let handles = wanted.compactMap { $0 }
        let old = intake.withLock { $0.mailbox }
        // In one step: no change falls between the two.
        let mailbox = await store.resubscribe(old, to: handles, mode: .every(cap: 1 << 16))
        intake.withLock { intake in
            take(&intake)
            intake.mailbox = mailbox
            intake.handles = handles
            for index in intake.prefixes.indices where directory[TagHandle(index: UInt32(index))] == nil {
                intake.prefixes[index] = []
            }
            shared.withLock { shared in
                shared.directory = directory
                shared.isLive = true
            }
        }
    }

    private func unsubscribe() async {
        let mailbox = intake.withLock { intake in
            defer { intake = Intake() }
            shared.withLock { shared in
                shared.isLive = false
                shared.history.interrupt()
            }
            return intake.mailbox
        }
        if let mailbox { await store.unsubscribe(mailbox) }
    }

    /// Moves what waits into the history.
    ///
    /// - Returns: whether anything did.
    @discardableResult
    private func pump() -> Bool { intake.withLock { take(&$0) } }

    @discardableResult
    private func take(_ intake: inout Intake) -> Bool {
        guard let mailbox = intake.mailbox else { return false }
        mailbox.take(into: &intake.contents)
        let contents = intake.contents
        intake.contents.updates = []
        if contents.dropped > 0 { shared.withLock { $0.history.skip(contents.dropped) } }
        let directory = directory
        var start = 0
        while start < contents.updates.count {
            let end = min(start + LiveFeed.piece, contents.updates.count)
            append(contents.updates[start..<end], &intake, directory)
            start = end
        }
        intake.contents = contents
        return !contents.updates.isEmpty || contents.dropped > 0
    }

    private func append(_ updates: ArraySlice<Mailbox.Update>, _ intake: inout Intake, _ directory: TagDirectory) {
        var json = JSONBytes(capacity: updates.count * 96)
        var handles: [TagHandle] = []
        var ends: [UInt32] = []
        handles.reserveCapacity(updates.count)
        ends.reserveCapacity(updates.count)
        for update in updates {
            let handle = intake.handles[Int(update.slot)]
            let index = Int(handle.index)
            if index >= intake.prefixes.count {
                intake.prefixes.append(contentsOf: repeatElement([], count: index + 1 - intake.prefixes.count))
            }
            if intake.prefixes[index].isEmpty {
                guard let name = directory[handle]?.name else { continue }
                intake.prefixes[index] = MessageRenderer.prefix(for: name)
            }
            json.append(0x2C)
            MessageRenderer.append(event: intake.prefixes[index], shown(update.value), to: &json)
            handles.append(handle)
            ends.append(UInt32(truncatingIfNeeded: json.count))
        }
        shared.withLock { $0.history.append(handles: handles, ends: ends, bytes: json.bytes) }
    }

    /// The value as this agent shows it, as for reads: with `array-values: string` an array is a JSON text.
    func shown(_ value: TagValue) -> TagValue {
        guard arraysAsText, case .array = value.data else { return value }
        var text = JSONBytes(capacity: 64)
        text.append(data: value.data)
        var value = value
        value.data = .string(String(decoding: text.bytes, as: UTF8.self))
        return value
    }

    private func notify(hasNews: Bool, isTick: Bool) {
        guard hasNews || isTick else { return }
        for entry in shared.withLock({ Array($0.loops.values) }) { entry.serve(isTick: isTick) }
    }
}

extension TagDirectory {
    /// A handle is never given again, so the two tell every state of one store's directory from every other.
    fileprivate func isOther(than other: TagDirectory) -> Bool {
        handleLimit != other.handleLimit || count != other.count
    }
}
