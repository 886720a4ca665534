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

    init(action: TagAction, directory: TagDirectory, permissions: Permissions, exposure: Exposure) {
        self.action = action
        self.directory = directory
        self.permissions = permissions
        self.exposure = exposure
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

    /// Finds tags by name, in order.
    func resolve(_ ids: ByteStrings) -> Resolution {
        let found = ids.bytes.withUnsafeBufferPointer { bytes in
            (0..<ids.count).map { directory.handle(utf8: UnsafeBufferPointer(rebasing: bytes[ids.range($0)])) }
        }
        return limit(found)
    }

    /// What of these may be seen and used.
    func limit(_ handles: [TagHandle?]) -> Resolution {
        var known = handles
        let name = { (handle: TagHandle) in directory[handle]?.name }
        exposure.removeHidden(from: &known, name: name)
        permissions.removeDenied(.browse, from: &known, name: name)
        guard action != .browse else { return Resolution(known: known, granted: known) }
        var granted = known
        permissions.removeDenied(action, from: &granted, name: name)
        return Resolution(known: known, granted: granted)
    }
}
