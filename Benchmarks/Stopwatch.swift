import Glibc

/// Wall and processor time of this process from a moment on.
struct Stopwatch {
    private let wall = Stopwatch.seconds(CLOCK_MONOTONIC)
    private let processor = Stopwatch.seconds(CLOCK_PROCESS_CPUTIME_ID)

    var seconds: Double { Stopwatch.seconds(CLOCK_MONOTONIC) - wall }

    /// Of all threads, in user and kernel: what one core needs for work that never waits, on a busy machine too.
    var coreSeconds: Double { Stopwatch.seconds(CLOCK_PROCESS_CPUTIME_ID) - processor }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// What the kernel says of a process.
struct ProcessFigures {
    /// User and system time, in seconds.
    let processor: Double
    /// MB of 10⁶ bytes: now, and at most.
    let resident: Double
    let peak: Double

    init(of process: pid_t) throws(BenchmarkError) {
        let stat = try readFile("/proc/\(process)/stat")
        // The name in parentheses may hold anything.
        let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw BenchmarkError("/proc/\(process)/stat is not as expected")
        }
        processor = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        let status = try readFile("/proc/\(process)/status")
        resident = ProcessFigures.megabytes("VmRSS:", in: status)
        peak = ProcessFigures.megabytes("VmHWM:", in: status)
    }

    private static func megabytes(_ name: String, in status: String) -> Double {
        let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
        let words = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }) ?? []
        let kibibytes = words.count > 1 ? Double(words[1]) ?? 0 : 0
        return kibibytes * 1024 / 1_000_000
    }
}

func readFile(_ path: String) throws(BenchmarkError) -> String {
    guard let file = fopen(path, "r") else { throw BenchmarkError("\(path) cannot be read") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while true {
        let piece = [UInt8](unsafeUninitializedCapacity: 65536) { $1 = fread($0.baseAddress, 1, 65536, file) }
        if piece.isEmpty { return String(decoding: bytes, as: UTF8.self) }
        bytes += piece
    }
}

func writeFile(_ path: String, _ text: String) throws(BenchmarkError) {
    guard let file = fopen(path, "w") else { throw BenchmarkError("\(path) cannot be written") }
    let isWritten = fputs(text, file) >= 0
    guard fclose(file) == 0, isWritten, chmod(path, 0o600) == 0 else {
        throw BenchmarkError("\(path) cannot be written")
    }
}
