import Glibc

/// Places at which a test has the process killed, as by a power switch: builds for debugging only.
package enum Failpoint: String, CaseIterable, Sendable {
    case beforeCommit = "before-commit"
    case afterCommit = "after-commit"
    case afterSend = "after-send"
    case afterAcknowledgement = "after-acknowledgement"
    case afterCursor = "after-cursor"

    #if DEBUG
        /// `NAME:COUNT`: the process ends when it comes there for the COUNTth time.
        private static let wanted = environment("SALLYPORT_FAILPOINT").map { $0.split(separator: ":").map(String.init) }
        private static let countdown = Countdown(wanted.flatMap { $0.count == 2 ? Int($0[1]) : nil } ?? 1)
    #endif

    @inline(__always)
    package func reach() {
        #if DEBUG
            guard let name = Failpoint.wanted?.first, name == rawValue, Failpoint.countdown.isOver() else { return }
            kill(getpid(), SIGKILL)
        #endif
    }
}

/// Errors that a test puts in to see that it would find them: builds for debugging only.
enum Mutant {
    #if DEBUG
        static let acknowledgesBeforeCommit = environment("SALLYPORT_MUTANT") == "acknowledge-before-commit"
    #else
        static var acknowledgesBeforeCommit: Bool { false }
    #endif
}

#if DEBUG
    import Synchronization

    private final class Countdown: Sendable {
        private let left: Atomic<Int>

        init(_ count: Int) {
            left = Atomic(count)
        }

        func isOver() -> Bool { left.subtract(1, ordering: .relaxed).newValue <= 0 }
    }

    private func environment(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }
#endif
