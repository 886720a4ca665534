/// A tag inside the process: a dense index, given by the tag store and never reused while the process lives.
///
/// What outlasts the process (configuration, policy, audit, outbox) refers to names, never to handles.
package struct TagHandle: Hashable, Comparable, Sendable, BitwiseCopyable {
    package let index: UInt32

    @inlinable
    package init(index: UInt32) {
        self.index = index
    }

    @inlinable
    package static func < (left: TagHandle, right: TagHandle) -> Bool { left.index < right.index }
}
