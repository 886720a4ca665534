import Glibc

/// File descriptors that connections of clients leave to the rest of the process: the audit log, databases, the control
/// socket, connections to brokers and devices.
struct DescriptorReserve: Sendable {
    /// What the process may have open now.
    var limit: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        return Int(clamping: limit.rlim_cur)
    }

    /// An eighth of what the process may have open, 64 at most.
    private var reserve: Int { max(8, min(64, limit / 8)) }

    /// How far open connections have come.
    enum Level {
        case plenty
        /// Who comes takes the place of another of its listener, if there is one.
        case short
        /// Nobody comes without such a place.
        case critical
    }

    /// With a connection that has just been accepted.
    func level() -> Level {
        // The kernel gives the lowest number that is free, so the number tells how many are taken.
        let probe = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
        guard probe >= 0 else { return errno == EMFILE || errno == ENFILE ? .critical : .plenty }
        close(probe)
        let left = limit - Int(probe)
        return left > reserve ? .plenty : left > reserve / 2 ? .short : .critical
    }
}
