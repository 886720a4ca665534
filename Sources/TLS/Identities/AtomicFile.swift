import Glibc

/// Files that are there whole or not at all, never with a wider mode than asked.
enum AtomicFile {
    static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws(TLSError) {
        let temporary = "\(path).new"
        // Left behind by a crash; the data directory's lock keeps a second writer out.
        unsafe unlink(temporary)
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure(path) }
        do throws(TLSError) {
            defer { close(descriptor) }
            // The mode that open() gives is narrowed by the umask.
            guard fchmod(descriptor, mode) == 0 else { throw failure(path) }
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { throw failure(path) }
                rest = rest.dropFirst(count)
            }
            guard fsync(descriptor) == 0 else { throw failure(path) }
        } catch {
            unsafe unlink(temporary)
            throw error
        }
        guard unsafe rename(temporary, path) == 0 else {
            let error = failure(path)
            unsafe unlink(temporary)
            throw error
        }
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let folderDescriptor = unsafe open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folderDescriptor >= 0 else { throw failure(path) }
        defer { close(folderDescriptor) }
        guard fsync(folderDescriptor) == 0 else { throw failure(path) }
    }

    private static func failure(_ path: String) -> TLSError {
        TLSError(.file, path: path, reason: "cannot be written: \(SystemErrors.text(errno))")
    }
}
