import SecurityPolicy
import TagStore
import Tags
import WireFormat

/// The tags as one request may see them: those of the agent's items, as far as the principal's permissions go.
///
/// A route gets one for the action that it declared and no other way to the tags.
struct TagView: Sendable {
    let action: TagAction
    let directory: TagDirectory
    private let permissions: Permissions
    private let exposure: Exposure
    private let asker: Asker
    private let trail: AuditTrail

    init(
        action: TagAction, directory: TagDirectory, permissions: Permissions, exposure: Exposure, asker: Asker,
        trail: AuditTrail
    ) {
        self.action = action
        self.directory = directory
        self.permissions = permissions
        self.exposure = exposure
        self.asker = asker
        self.trail = trail
    }

    struct Resolution: Sendable {
        /// Nil: unknown, hidden by the items or not to be browsed. Nobody can tell which.
        var known: [TagHandle?]
        /// Nil: not known, or the action is denied.
        var granted: [TagHandle?]
    }

    /// What decides which tags are seen, for comparing: equal means the same answer to browse.
    struct Sight: Sendable, Equatable {
        private let permissions: Permissions
        /// A handle is never given again, so the two tell every state of one directory from every other.
        private let handleLimit: Int
        private let count: Int

        init(permissions: Permissions, handleLimit: Int, count: Int) {
            self.permissions = permissions
            self.handleLimit = handleLimit
            self.count = count
        }

        static func == (left: Sight, right: Sight) -> Bool {
            left.permissions === right.permissions && left.isOfSameTags(as: right)
        }

        func isOfSameTags(as other: Sight) -> Bool { handleLimit == other.handleLimit && count == other.count }
    }

    var sight: Sight {
        Sight(permissions: permissions, handleLimit: directory.handleLimit, count: directory.count)
    }

    /// The same eyes on another directory.
    func seen(from directory: TagDirectory) -> TagView {
        TagView(
            action: action, directory: directory, permissions: permissions, exposure: exposure, asker: asker,
            trail: trail)
    }

    /// Finds tags by name, in order. What is refused of them goes to the audit log: one entry for all of a request.
    ///
    /// - Parameter isNews: by index; what is none has been told before.
    func resolve(_ ids: ByteStrings, telling isNews: (Int) -> Bool = { _ in true }) -> Resolution {
        let found = ids.bytes.withUnsafeBufferPointer { bytes in
            (0..<ids.count).map { directory.handle(utf8: UnsafeBufferPointer(rebasing: bytes[ids.range($0)])) }
        }
        let resolution = limit(found)
        tellRefused(ids, found, resolution, isNews)
        return resolution
    }

    /// An unknown tag and a hidden one cost the same; only of the latter there is something to tell.
    private func tellRefused(
        _ ids: ByteStrings, _ found: [TagHandle?], _ resolution: Resolution, _ isNews: (Int) -> Bool
    ) {
        var refused: Int?
        var missing: Int?
        var count = 0
        for index in found.indices where resolution.granted[index] == nil && isNews(index) {
            missing = missing ?? index
            guard found[index] != nil else { continue }
            refused = refused ?? index
            count += 1
        }
        guard let first = refused ?? missing else { return }
        let reason =
            resolution.known[first] == nil
            ? "may not be browsed, or is not among the agent's items" : "no permission to \(action.rawValue)"
        trail.refused(
            .init(
                action: AuditEvent.Action(rawValue: action.rawValue) ?? .read, object: ids[first], asker: asker,
                reason: reason, count: max(1, count)),
            isTold: refused != nil)
    }

    /// What of these may be seen and used.
    func limit(_ handles: [TagHandle?]) -> Resolution {
        let name = { (handle: TagHandle) in directory[handle]?.name }
        // Every id takes both checks, one that was not found those of another tag: ten thousand ids in one request would
        // tell a hidden tag from one that does not exist by the time.
        let stand: TagHandle? = TagHandle(index: 0)
        var known = handles.map { $0 ?? stand }
        var browsable = known
        exposure.removeHidden(from: &known, name: name)
        permissions.removeDenied(.browse, from: &browsable, name: name)
        for index in known.indices where browsable[index] == nil || handles[index] == nil { known[index] = nil }
        guard action != .browse else { return Resolution(known: known, granted: known) }
        var granted = known
        permissions.removeDenied(action, from: &granted, name: name)
        return Resolution(known: known, granted: granted)
    }
}
