import NIOCore
import SecurityPolicy
import TagStore
import Tags
import WireFormat

/// One client's stream: what it is to be told next. Knows nothing of sockets; on one event loop.
///
/// It is a cursor in the agent's history and the tags that it may see. Nothing is kept for a client that does not take:
/// it falls behind, and is told so when the history has moved on without it.
final class LiveStream {
    /// What makes a stream, before there is a connection for it. An object: each reply has room for one, and replies are
    /// copied often.
    final class Opening: Sendable {
        let feed: LiveFeed
        let subscriber: Subscriber
        let ids: ByteStrings
        /// Of those ids; everything that is refused of them has been told to the audit log.
        let resolution: TagView.Resolution
        /// As the client sent it.
        let lastEventID: String?
        let seat: StreamSeats.Seat

        init(
            feed: LiveFeed, subscriber: Subscriber, ids: ByteStrings, resolution: TagView.Resolution,
            lastEventID: String?, seat: StreamSeats.Seat
        ) {
            self.feed = feed
            self.subscriber = subscriber
            self.ids = ids
            self.resolution = resolution
            self.lastEventID = lastEventID
            self.seat = seat
        }
    }

    enum Step {
        /// One event, ready to be sent.
        case event([UInt8])
        case nothing
        /// Nothing more may be sent; for people.
        case end(String)
    }

    /// Why an id has no values.
    enum Refusal: UInt8 {
        case none, unknown, noPermission
        /// There was such a tag, and its last change says that it was removed.
        case removed

        var reason: StaticString { self == .noPermission ? "no permission to read" : "unknown tag" }
    }

    /// Values as they were at a place of the history, sent when the stream is there.
    struct Picture {
        var handles: [TagHandle]
        var values: [TagValue]
        var next = 0
        let at: UInt64
    }

    /// Without any event a comment follows, a little before the fifteen seconds that are promised: ticks are a second.
    private static let quiet = TimeAmount.seconds(14)
    /// Changes that pass a stream by before its client is given a newer place to resume from.
    private static let newPlaceAfter: UInt64 = 4096

    let feed: LiveFeed
    let ids: ByteStrings
    private let seat: StreamSeats.Seat
    private var subscriber: Subscriber
    /// Until the first step: where to resume.
    private var opening: String?
    private var hasBegun = false
    private(set) var directory = TagDirectory()
    private var sight: TagView.Sight?
    /// By id.
    private(set) var refusals: [Refusal]
    /// Tags that may be sent, once each, in the order of the ids.
    private var granted: [TagHandle] = []
    /// Those of them of which the client has had a value, whose changes follow.
    private var followed: Set<TagHandle> = []
    private var table = HandleTable([TagHandle]())
    /// What a resume point says of the granted tags.
    private var fingerprint = ResumePoint.partial
    private(set) var cursor: UInt64 = 0
    /// Of the newest resume point that was sent.
    private var toldCursor: UInt64?
    var picture: Picture?
    /// Changes lost: nil inside where nobody knows how many.
    var missed: UInt64??
    /// Indices of ids that are refused now and whose client has not been told.
    var untold: [Int] = []
    private var lastSent: NIODeadline

    init(_ opening: Opening, now: NIODeadline) {
        feed = opening.feed
        ids = opening.ids
        seat = opening.seat
        subscriber = opening.subscriber
        self.opening = opening.lastEventID
        refusals = [Refusal](repeating: .none, count: opening.ids.count)
        for index in refusals.indices where opening.resolution.granted[index] == nil {
            // Told to the audit log already.
            refusals[index] = opening.resolution.known[index] == nil ? .unknown : .noPermission
            untold.append(index)
        }
        lastSent = now
    }

    /// What comes next. Rights are looked at anew with every step, so none goes out that is not to.
    func next(isTick: Bool, now: NIODeadline) -> Step {
        guard feed.isLive else { return .nothing }
        if let reason = endedMeanwhile() { return .end(reason) }
        if !hasBegun { begin() }
        if let event = news() {
            lastSent = now
            return .event(event)
        }
        guard isTick else { return .nothing }
        if now - lastSent >= LiveStream.quiet || cursor - (toldCursor ?? cursor) >= LiveStream.newPlaceAfter {
            lastSent = now
            return .event(comment())
        }
        return .nothing
    }

    /// Looks at the rights as they are now.
    ///
    /// - Returns: why the stream has to end, nil when it goes on.
    func endedMeanwhile() -> String? {
        guard feed.isLive else { return nil }
        do throws(Subscriber.Ended) {
            let view = try subscriber.view(of: feed.directory)
            if sight != view.sight { resolve(view) }
            return nil
        } catch {
            return error.reason
        }
    }

    /// Its connection has ended because the client took nothing.
    func wasCutOff() { feed.tally.cutOff(subscriber.client) }

    private func news() -> [UInt8]? {
        while true {
            if missed == nil, untold.isEmpty, picture?.at != cursor { checkPlace() }
            if let count = missed {
                missed = nil
                feed.tally.tellMissed()
                return missedEvent(count)
            }
            if !untold.isEmpty { return refusedEvent() }
            if let picture, picture.at == cursor { return pictureEvent(picture) }
            guard let event = changesEvent() else {
                // A picture may have been taken further on than there are changes of ours.
                if picture != nil, picture?.at == cursor { continue }
                return nil
            }
            return event
        }
    }

    // MARK: rights

    /// Looks at all ids again. A tag that was taken away is not sent any more from here on; one that was given is sent as
    /// it is now, when the changes before are through.
    private func resolve(_ view: TagView) {
        let before = refusals
        let resolution = view.resolve(ids) { before[$0] == .none }
        let old = directory
        var given: [TagHandle] = []
        var seen: Set<TagHandle> = []
        for index in refusals.indices {
            if let handle = resolution.granted[index] {
                refusals[index] = .none
                if seen.insert(handle).inserted { given.append(handle) }
                continue
            }
            var refusal = resolution.known[index] == nil ? Refusal.unknown : .noPermission
            if refusal == .unknown, before[index] == .removed || before[index] == .none,
                view.directory.handle(ids, index) == nil
            {
                refusal = .removed
            }
            refusals[index] = refusal
            if refusal != before[index], refusal != .removed { untold.append(index) }
        }
        untold = Set(untold).filter { refusals[$0] != .none && refusals[$0] != .removed }.sorted()
        // What has just been removed says so with its last change, if it could still be read by its name.
        let removed = followed.filter { view.directory[$0] == nil && old[$0] != nil }
        let leaving = Set(view.seen(from: old).limit(removed.map { $0 }).granted.compactMap { $0 })
        var unsent: Set<TagHandle> = []
        if let picture {
            unsent = Set(picture.handles[picture.next...])
            followed.formUnion(picture.handles[..<picture.next])
        }
        followed.formIntersection(seen.union(leaving))
        granted = given
        directory = view.directory
        sight = view.sight
        fingerprint = print(of: given)
        picture = nil
        if hasBegun { takePicture(of: given.filter { !followed.contains($0) || unsent.contains($0) }) }
        table = HandleTable(followed)
    }

    /// A number that stands for a set of tags, never that of a part.
    private func print(of handles: [TagHandle]) -> UInt32 {
        var hash = feed.seed
        for handle in handles { hash = (hash ^ handle.index) &* 0x0100_0193 ^ hash >> 15 }
        return hash == ResumePoint.partial ? 1 : hash
    }

    // MARK: the place

    private func begin() {
        hasBegun = true
        defer { opening = nil }
        guard let opening, !opening.isEmpty else { return restart() }
        guard let point = ResumePoint(opening), point.run == feed.run.text[...] else {
            missed = .some(nil)
            return restart()
        }
        if case .lost(let count) = feed.read(from: point.count) {
            missed = .some(count)
            return restart()
        }
        cursor = point.count
        toldCursor = cursor
        follow(granted)
        // Other tags than the client has had up to there: all of them as they are, behind what it missed.
        if point.tags != fingerprint { takePicture(of: granted) }
    }

    /// The client has nothing: all tags as they are now, and what follows.
    private func restart() {
        cursor = takePicture(of: granted)
        follow([])
    }

    private func follow(_ handles: [TagHandle]) {
        followed = Set(handles)
        table = HandleTable(handles)
    }

    /// - Returns: the place up to which it is.
    @discardableResult
    private func takePicture(of handles: [TagHandle]) -> UInt64 {
        let (values, place) = feed.current(handles)
        picture = handles.isEmpty ? nil : Picture(handles: handles, values: values, at: place)
        return place
    }

    /// Whether the history still has what comes next; if not, everything begins anew.
    private func checkPlace() {
        guard case .lost(let count) = feed.read(from: cursor) else { return }
        feed.tally.fellBehind(subscriber.client, by: count)
        missed = .some(count)
        untold = refusals.indices.filter { refusals[$0] != .none }
        restart()
    }

    /// The picture has been sent as far as this; wholly, its tags' changes follow.
    func pictureSent(upTo next: Int) {
        guard let picture else { return }
        if next < picture.handles.count {
            self.picture?.next = next
            return
        }
        self.picture = nil
        follow(granted + followed.subtracting(granted))
    }

    /// Steps over changes up to here.
    func advance(to cursor: UInt64) { self.cursor = cursor }

    /// Where it reads on: no further than the picture, which comes between.
    var horizon: UInt64 { picture?.at ?? .max }

    func follows(_ handle: TagHandle) -> Bool { table.contains(handle) }

    /// For the client to resume from: with a picture on its way it has only part of the tags.
    func resumePoint() -> String {
        toldCursor = cursor
        return ResumePoint.text(feed.run, tags: picture == nil ? fingerprint : ResumePoint.partial, count: cursor)
    }
}

extension TagDirectory {
    fileprivate func handle(_ ids: ByteStrings, _ index: Int) -> TagHandle? {
        ids.bytes.withUnsafeBufferPointer { handle(utf8: UnsafeBufferPointer(rebasing: $0[ids.range(index)])) }
    }
}
