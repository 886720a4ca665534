import Glibc

/// What lies at a path, links followed, so that two looks can be told apart. Equal when the contents and the permission
/// bits are, whatever happened to the file in between.
package struct FileState: Sendable, Equatable {
    private enum Contents: Equatable {
        case unreadable(Int32)
        case bytes(digest: [UInt8], access: FileAccess)
    }

    private struct Stamp: Equatable {
        let device: dev_t
        let inode: ino_t
        let mode: mode_t
        let size: off_t
        let modified: [Int]
        let changed: [Int]
    }

    private let contents: Contents
    /// nil where a later write could leave the same one: then the next look reads again.
    private let stamp: Stamp?

    package static func == (one: FileState, other: FileState) -> Bool { one.contents == other.contents }

    /// Blocks on the disk. A file that looks untouched since `before` is not read again.
    package init(path: String, before: FileState? = nil) {
        guard let (seen, age) = FileState.stamp(path) else {
            contents = .unreadable(errno)
            stamp = nil
            return
        }
        if let before, before.stamp == seen {
            self = before
            return
        }
        do throws(TLSError) {
            // The largest of all that is looked at: a list that could not be read would look the same for ever.
            let file = try BoundedFile(path: path, limit: RevocationLists.sizeLimit)
            contents = .bytes(digest: Digest.sha256(file.bytes), access: file.access)
            // The clock of a file system ticks in milliseconds: what changed just now may change again without a trace.
            stamp = age > 2 ? seen : nil
        } catch {
            contents = .unreadable(-1)
            stamp = nil
        }
    }

    /// Whether another look at this path would spare the reading.
    func isKnown(at path: String) -> Bool { stamp != nil && stamp == FileState.stamp(path)?.0 }

    /// With the seconds since the file last changed; nil when there is none, and `errno` says why.
    private static func stamp(_ path: String) -> (Stamp, age: UInt)? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        let stamp = Stamp(
            device: status.st_dev, inode: status.st_ino, mode: status.st_mode, size: status.st_size,
            modified: [status.st_mtim.tv_sec, status.st_mtim.tv_nsec],
            changed: [status.st_ctim.tv_sec, status.st_ctim.tv_nsec])
        // A file system may say what it likes of its times.
        return (stamp, (time(nil) &- status.st_ctim.tv_sec).magnitude)
    }
}
