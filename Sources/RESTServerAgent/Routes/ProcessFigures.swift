import Glibc

/// What the kernel knows of this process; nil where it does not say, as without a free descriptor.
struct ProcessFigures {
    var openDescriptors: Int?
    /// Bytes.
    var residentMemory: Int?
    /// Seconds since 1970.
    var started: Double?

    /// Reads `/proc`, which is memory: nothing of it waits for a disk.
    static func current() -> ProcessFigures {
        ProcessFigures(
            openDescriptors: countDescriptors(), residentMemory: residentMemory(), started: start)
    }

    /// It does not change.
    private static let start: Double? = {
        // In parentheses stands the command, which may hold anything; the start is the 20th field behind it.
        guard let own = text("/proc/self/stat"), let end = own.lastIndex(of: ")"),
            let machine = text("/proc/stat"),
            let boot = machine.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }),
            let bootTime = Double(boot.dropFirst("btime ".count))
        else { return nil }
        let fields = own[own.index(after: end)...].split(separator: " ")
        let ticks = sysconf(Int32(_SC_CLK_TCK))
        guard fields.count > 19, ticks > 0, let start = Double(fields[19]) else { return nil }
        return bootTime + start / Double(ticks)
    }()

    private static func residentMemory() -> Int? {
        guard let fields = text("/proc/self/statm")?.split(separator: " "), fields.count > 1,
            let pages = Int(fields[1])
        else { return nil }
        let (bytes, overflow) = pages.multipliedReportingOverflow(by: sysconf(Int32(_SC_PAGESIZE)))
        return overflow ? nil : bytes
    }

    private static func countDescriptors() -> Int? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // `.`, `..` and the one that this takes.
        return max(0, count - 3)
    }

    private static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while bytes.count < 1 << 20 {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
