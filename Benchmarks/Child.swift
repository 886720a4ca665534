import Glibc

/// A process of ours: ended with this one, whatever happens, and its output kept in a file.
///
/// To be started on the main thread: the kernel ends the child with the thread that started it.
final class Child {
    let process: pid_t
    let name: String
    /// Standard output and error.
    let output: String
    private var isReaped = false

    /// - Parameter input: given as standard input.
    init(_ name: String, _ command: [String], output: String, input: String? = nil) throws(BenchmarkError) {
        self.name = name
        self.output = output
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        if let input {
            try writeFile(output + ".input", input)
            posix_spawn_file_actions_addopen(&actions, 0, output + ".input", O_RDONLY, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        // Debian puts daemons where only root looks for programs.
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        let words = copies(["/usr/bin/setpriv", "--pdeathsig", "TERM", "--"] + command)
        let variables = copies([path, "LC_ALL=C"])
        defer { (words + variables).forEach { free($0) } }
        var process = pid_t()
        let code = posix_spawn(&process, "/usr/bin/setpriv", &actions, nil, words, variables)
        guard code == 0 else {
            throw BenchmarkError("\(name) could not be started: \(String(cString: strerror(code)))")
        }
        self.process = process
    }

    deinit {
        stop()
    }

    /// Runs a command to its end and gives back what it said.
    static func run(
        _ name: String, _ command: [String], output: String, input: String? = nil
    ) throws(BenchmarkError) -> String {
        let child = try Child(name, command, output: output, input: input)
        let status = child.wait()
        let text = try readFile(output)
        guard status == 0 else { throw BenchmarkError("\(name) failed (\(status)): \(text)") }
        return text
    }

    /// Waits for the end; gives the raw status.
    func wait() -> Int32 {
        var status: Int32 = 0
        guard !isReaped else { return 0 }
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        isReaped = true
        return status
    }

    /// Ends it, first with a word and after ten seconds without.
    func stop() {
        guard !isReaped else { return }
        kill(process, SIGTERM)
        let watch = Stopwatch()
        while watch.seconds < 10 {
            var status: Int32 = 0
            if waitpid(process, &status, WNOHANG) != 0 {
                isReaped = true
                return
            }
            usleep(20_000)
        }
        kill(process, SIGKILL)
        _ = wait()
    }

    /// Waits until the output holds this text, and gives back the whole output.
    @discardableResult
    func await(_ text: String, seconds: Double) throws(BenchmarkError) -> String {
        let watch = Stopwatch()
        while true {
            let said = try readFile(output)
            if said.contains(text) { return said }
            var status: Int32 = 0
            if waitpid(process, &status, WNOHANG) != 0 {
                isReaped = true
                throw BenchmarkError("\(name) ended before it said \"\(text)\": \(said.suffix(2000))")
            }
            guard watch.seconds < seconds else {
                throw BenchmarkError("\(name) did not say \"\(text)\" within \(seconds) s: \(said.suffix(2000))")
            }
            usleep(20_000)
        }
    }
}

/// As C wants them: ended by nil, to be freed.
private func copies(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
    texts.map { strdup($0) } + [nil]
}

/// Ports of 127.0.0.1 that nobody listens on, each another.
func freePorts(_ count: Int) throws(BenchmarkError) -> [Int] {
    var sockets: [Int32] = []
    defer { sockets.forEach { close($0) } }
    var ports: [Int] = []
    for _ in 0..<count {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        sockets.append(descriptor)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        guard code == 0 else { throw BenchmarkError("no free port on 127.0.0.1") }
        ports.append(Int(UInt16(bigEndian: address.sin_port)))
    }
    return ports
}

/// For the header field of a login.
func base64(_ text: String) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    let bytes = Array(text.utf8)
    var encoded = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
        for index in 0..<4 {
            encoded.append(index <= group.count ? alphabet[bits >> (18 - 6 * index) & 63] : "=")
        }
    }
    return encoded
}
