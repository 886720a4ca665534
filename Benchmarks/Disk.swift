import Glibc

/// A directory on a disk that keeps what is synced: figures of a file system in memory say nothing about an outbox.
struct Disk: Sendable {
    let directory: String
    let fileSystem: String
    private let work: String

    init(_ options: BenchmarkOptions) throws(BenchmarkError) {
        work = try options.need(options.work, "--work")
        let wanted = try options.need(options.disk, "--disk")
        guard let real = realpath(wanted, nil) else { throw BenchmarkError("there is no directory \(wanted)") }
        defer { free(real) }
        directory = String(cString: real)
        fileSystem = try Disk.fileSystem(of: directory)
        guard fileSystem != "tmpfs", fileSystem != "ramfs" else {
            throw BenchmarkError("\(directory) is in memory (\(fileSystem)); name one on a disk with --disk")
        }
    }

    /// Of the mount that reaches furthest down to it.
    private static func fileSystem(of directory: String) throws(BenchmarkError) -> String {
        var found = (place: "", type: "unknown")
        for line in try readFile("/proc/self/mountinfo").split(separator: "\n") {
            let halves = line.split(separator: " - ", maxSplits: 1)
            let fields = halves.first?.split(separator: " ") ?? []
            guard halves.count == 2, fields.count > 4, let type = halves[1].split(separator: " ").first else {
                continue
            }
            let place = String(fields[4])
            let prefix = place == "/" ? "/" : place + "/"
            // Of two mounts on one place the later one counts.
            if (directory + "/").hasPrefix(prefix), place.utf8.count >= found.place.utf8.count {
                found = (place, String(type))
            }
        }
        return found.type
    }

    /// A new directory, empty whatever an earlier run left.
    func empty(_ name: String) throws(BenchmarkError) -> String {
        let path = "\(directory)/\(name)"
        try remove(name)
        guard mkdir(path, 0o700) == 0 else { throw BenchmarkError("\(path) cannot be made") }
        return path
    }

    func remove(_ name: String) throws(BenchmarkError) {
        _ = try Child.run("rm", ["rm", "-rf", "--", "\(directory)/\(name)"], output: "\(work)/rm.log")
    }

    /// Says what the disk is and what a sync costs on it: with one that costs nothing, a commit is no commit.
    func tell(_ part: String, into table: inout ResultTable) throws(BenchmarkError) {
        let path = "\(directory)/sync"
        let file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        guard file >= 0 else { throw BenchmarkError("\(path) cannot be written") }
        defer {
            close(file)
            unlink(path)
        }
        let page = [UInt8](repeating: 0x78, count: 8192)
        var times: [Double] = []
        for _ in 0..<50 {
            let watch = Stopwatch()
            guard write(file, page, page.count) == page.count, fdatasync(file) == 0 else {
                throw BenchmarkError("\(path) cannot be synced")
            }
            times.append(watch.seconds * 1000)
        }
        table.add(
            "\(part): disk", "\(fileSystem), \((Double(freeBytes) / 1e9).text(0)) GB free",
            ratio: "8 KiB and fdatasync: \(times.median.text(2)) ms, at most \((times.max() ?? 0).text(1)) ms")
    }

    private var freeBytes: UInt64 {
        var facts = statvfs()
        guard statvfs(directory, &facts) == 0 else { return 0 }
        return UInt64(facts.f_bavail) * UInt64(facts.f_frsize)
    }

    /// Has the kernel forget what it holds of a file, as after a start of the machine.
    ///
    /// - Returns: the share that it still holds.
    static func forget(_ path: String) throws(BenchmarkError) -> Double {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { throw BenchmarkError("\(path) cannot be read") }
        defer { close(file) }
        // What is not written yet cannot be forgotten.
        fsync(file)
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
        let size = Int(lseek(file, 0, SEEK_END))
        guard size > 0, let map = mmap(nil, size, PROT_READ, MAP_SHARED, file, 0), Int(bitPattern: map) != -1 else {
            return 0
        }
        defer { munmap(map, size) }
        let page = sysconf(Int32(_SC_PAGESIZE))
        var pages = [UInt8](repeating: 0, count: (size + page - 1) / page)
        guard mincore(map, size, &pages) == 0 else { throw BenchmarkError("nobody knows what is held of \(path)") }
        return Double(pages.count { $0 & 1 == 1 }) / Double(pages.count)
    }
}

/// What this process has had of the disk.
struct DiskFigures: Sendable {
    /// Bytes that went to the disk.
    let written: Double
    /// `fsync` and `fdatasync`; nil without the library of Benchmarks/peers that counts them.
    let syncs: Int?

    init() throws(BenchmarkError) {
        let line = try readFile("/proc/self/io").split(separator: "\n").first { $0.hasPrefix("write_bytes:") }
        written = line?.split(separator: " ").last.flatMap { Double($0) } ?? 0
        typealias Count = @convention(c) () -> Int
        syncs = dlsym(nil, "sallyport_syncs").map { unsafeBitCast($0, to: Count.self)() }
    }
}
