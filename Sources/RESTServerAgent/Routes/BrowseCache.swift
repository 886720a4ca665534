import SecurityPolicy
import Synchronization

/// The answers to browse as they were rendered last, for the few sets of permissions that ask: who browses again and
/// again costs no walk over every tag.
final class BrowseCache: Sendable {
    /// Each may be as large as all the names.
    static let entries = 4

    private let state = Mutex<[(sight: TagView.Sight, body: [UInt8])]>([])

    func body(for sight: TagView.Sight) -> [UInt8]? {
        state.withLock { $0.first { $0.sight == sight }?.body }
    }

    func keep(_ body: [UInt8], for sight: TagView.Sight) {
        state.withLock { entries in
            // What was rendered for other tags is of no use to anybody.
            entries.removeAll { $0.sight == sight || !$0.sight.isOfSameTags(as: sight) }
            if entries.count >= BrowseCache.entries { entries.removeFirst() }
            entries.append((sight, body))
        }
    }
}
